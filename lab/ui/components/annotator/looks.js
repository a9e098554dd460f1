// How a person looks at the answers: with the differences marked, scrolled together, as displayed. Kept in this
// browser.

const LOOKS_KEPT = "lab-annotate.looks";
const SWITCHES = ["differences", "together", "displayed"];

class Looks {
  // `changed()` is called when the pair on screen is to be drawn in another look, `reset()` before, where every text
  // is.
  constructor({ changed, reset }) {
    this.changed = changed;
    /** @type {{ differences?: boolean, together?: boolean }} */
    this.kept = readKept(localStorage, LOOKS_KEPT, {});
    this.display = new TextDisplay(() => {
      reset();
      changed();
    });
  }

  get switches() {
    return { ...this.kept, displayed: this.display.chosen };
  }

  switch(name) {
    if (name === "displayed") return this.display.choose(!this.display.chosen);
    this.kept[name] = !this.kept[name];
    writeKept(localStorage, LOOKS_KEPT, this.kept);
    return this.changed();
  }
}

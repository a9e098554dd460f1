// What was said of a run before it started (rows used, left out, cut) and at its end (nothing changed), in the page's
// language.

function noteWords({ key, params }) {
  const sentences = JSON.parse(props.notes || "{}")[chosenLanguage()] || {};
  const holes = { ...params };
  if (holes.why !== undefined)
    holes.why = fill(sentences["left_out." + holes.why] || holes.why, { detail: holes.detail });
  const known = sentences[key.includes(".") ? key : "note." + key];
  return known === undefined ? errorWords({ key, params }) : fill(known, holes);
}

class Notes {
  constructor() {
    this.node = make("ul", { class: "run-notes", "data-testid": "run-notes" });
    this.told = "";
  }

  show(notes) {
    const sentences = (notes || []).map(noteWords);
    if (sentences.join("\n") === this.told) return;
    this.told = sentences.join("\n");
    this.node.replaceChildren(...sentences.map((sentence) => make("li", {}, sentence)));
  }
}

// The line above the pair: progress, whether all is saved, the collection, and how the answers are looked at.

// The page without Gradio (lab/ui/judge_page.py), where the annotator has the window to itself.
function judgingPage(collection) {
  return (
    address("judge" + (collection ? "/" + encodeURIComponent(collection) : "")) +
    (props.lang ? "?lang=" + props.lang : "")
  );
}

class TopBar {
  constructor({ act, choose, retry }) {
    this.line = new ProgressLine();
    this.saving = new SaveState(retry);
    this.chooser = make("select", {
      "aria-label": word("collection"),
      "data-testid": "collection",
      onchange: () => choose(this.chooser.value),
    });
    const button = (name) =>
      make(
        "button",
        {
          class: "plain small switch " + name,
          "data-testid": name,
          title: hasWord("key_" + name) ? word("key_" + name) : null,
          onclick: () => act(name),
        },
        make("kbd"),
        make("span", word(name === "help" ? "keys" : name)),
      );
    this.buttons = Object.fromEntries([...SWITCHES, "help"].map((name) => [name, button(name)]));
    this.alone = make(
      "button.plain.small.switch.alone",
      {
        title: word("full_screen_why"),
        "data-testid": "full-screen",
        onclick: () => location.assign(judgingPage(this.chooser.value)),
      },
      make("span", word("full_screen")),
    );
    conceal(this.alone, given().alone);
    this.node = make(
      "div.top",
      this.line.text,
      this.saving.node,
      make("span.push"),
      this.chooser,
      ...Object.values(this.buttons),
      this.alone,
    );
  }

  showSwitches(looks) {
    for (const name of SWITCHES) mark(this.buttons[name], "aria-pressed", Boolean(looks[name]));
  }

  showKeys(keys) {
    for (const [name, node] of Object.entries(this.buttons)) say(node.firstChild, keys.sign(name));
  }

  showCollections(collections, now) {
    conceal(this.chooser, collections.length < 2);
    const listed = collections.map(({ id, name }) => [id, name]);
    const drawn = JSON.stringify(listed);
    if (this.drawn !== drawn) this.chooser.replaceChildren(...options(listed));
    this.drawn = drawn;
    if (this.chooser.value !== now) this.chooser.value = now;
  }
}

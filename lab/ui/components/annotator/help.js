// The overlay with all keys, where each can be given another: a click on a key, then the new key.

const SHOWN_KEYS = [
  "a",
  "b",
  "tie",
  "both_bad",
  "skip",
  "undo",
  "edit",
  "reason",
  "differences",
  "together",
  "displayed",
  "help",
];

class Help {
  /**
   * @param {Keys} keys
   * @param {() => void} changed is called when an action has another key
   */
  constructor(keys, changed) {
    this.keys = keys;
    this.changed = changed;
    /** @type {string | null} the action that waits for its new key */
    this.waiting = null;
    this.rows = make("dl.keys");
    this.told = make("p.quiet", { role: "status" });
    this.reset = make("button.plain", { onclick: () => this.back() }, word("keys_reset"));
    const close = make("button.plain.primary", { onclick: () => this.node.close() }, word("close"));
    this.node = make(
      "dialog.overlay",
      { "aria-label": word("keys"), "data-testid": "keys" },
      make("h3", word("keys")),
      make("p", word("swipe_help")),
      make("p.quiet", word("keys_hint")),
      this.rows,
      this.told,
      make("div.next", this.reset, close),
    );
    this.node.addEventListener("keydown", (event) => this.pressed(event));
    this.node.addEventListener("close", () => (this.waiting = null));
    this.node.addEventListener("click", (event) => event.target === this.node && this.node.close());
  }

  get isOpen() {
    return this.node.open;
  }

  open() {
    this.waiting = null;
    say(this.told, "");
    this.draw();
    this.node.showModal();
  }

  draw() {
    const rows = SHOWN_KEYS.flatMap((action) => {
      const all = this.keys.of(action).map((key) => make("kbd", keySign(key)));
      const shown = this.waiting === action ? [word("press_a_key")] : all.length ? all : ["–"];
      const name = word("key_" + action);
      const button = make(
        "button.plain.small",
        { "aria-label": word("change_key", { name }), onclick: () => this.ask(action) },
        ...shown,
      );
      return [make("dt", name), make("dd", button)];
    });
    const fixed = [make("dt", word("key_scroll")), make("dd", make("kbd", "↑"), make("kbd", "↓"))];
    this.rows.replaceChildren(...rows, ...fixed);
    conceal(this.reset, !this.keys.changed);
  }

  ask(action) {
    this.waiting = action;
    say(this.told, "");
    this.draw();
    this.rows.querySelectorAll("button")[SHOWN_KEYS.indexOf(action)].focus();
  }

  pressed(event) {
    event.stopPropagation();
    if (!this.waiting) {
      if (this.keys.action(keyOf(event)) === "help" && !isTyping(event)) this.node.close();
      return;
    }
    if (isComposing(event) || ["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    event.preventDefault();
    const action = this.waiting;
    this.waiting = null;
    if (event.key !== "Escape" && (isTyping(event) || !this.keys.choose(action, keyOf(event))))
      say(this.told, word("key_refused", { key: keySign(event.key) }));
    this.draw();
    this.rows.querySelectorAll("button")[SHOWN_KEYS.indexOf(action)].focus();
    this.changed();
  }

  back() {
    this.keys.reset();
    this.draw();
    this.changed();
  }
}

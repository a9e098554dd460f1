// Writing one's own version of the better response, in its card's place. What is typed is kept as a draft at every
// letter; the response itself stays as it was.

const LONGEST_EDIT = 200000;

class Editor {
  // `typed(side, text)` at every change; `save(side, text)` and `cancel()` when it is left.
  constructor(cards, { typed, save, cancel }) {
    this.cards = cards;
    this.save = save;
    /** @type {Side | null} */
    this.side = null;
    this.original = "";
    this.text = make("textarea.edit-text", {
      dir: "auto",
      maxlength: LONGEST_EDIT,
      spellcheck: "false",
      "data-testid": "edit-text",
    });
    this.yes = make("button.choose", { "data-testid": "save-edit", onclick: () => this.done() });
    this.no = make("button.plain", { onclick: cancel }, make("kbd", "Esc"), " " + word("cancel"));
    this.foot = make("div.edit-foot", this.yes, this.no);
    this.text.addEventListener("input", () => {
      this.check();
      typed(this.side, this.text.value);
    });
    this.text.addEventListener("keydown", (event) => {
      if (isComposing(event)) return;
      if (event.key === "Escape") cancel();
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.done();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  open(side, original, draft) {
    this.close();
    Object.assign(this, { side, original });
    const letter = side.toUpperCase();
    this.text.value = draft === undefined ? original : draft;
    mark(this.text, "aria-label", word("your_version", { side: letter }));
    this.yes.replaceChildren(make("kbd", word("ctrl_enter")), make("span", word("save_edit", { side: letter })));
    const card = this.cards[side];
    conceal(card.body, true);
    conceal(card.choose, true);
    card.head.after(this.text);
    card.foot.append(this.foot);
    toggle(card.node, "editing", true);
    this.check();
    this.text.focus({ preventScroll: true });
    this.text.setSelectionRange(0, 0);
    this.text.scrollTop = 0;
  }

  check() {
    this.yes.disabled = !this.text.value.trim();
  }

  done() {
    if (this.side && !this.yes.disabled)
      this.save(this.side, this.text.value === this.original ? null : this.text.value);
  }

  close() {
    if (!this.side) return;
    const card = this.cards[this.side];
    this.text.remove();
    this.foot.remove();
    conceal(card.body, false);
    conceal(card.choose, false);
    toggle(card.node, "editing", false);
    this.side = null;
  }
}

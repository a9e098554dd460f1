// The buttons below the cards: tie, both bad, skip, undo, edit; the reason; and, where it is asked for, how much better
// the chosen one is. They show the key that does the same.

const OTHERS = ["tie", "both_bad", "skip", "undo", "edit"];
const STRENGTHS = [1, 2, 3];
const LONGEST_REASON = 2000;

class Controls {
  // `act(action, event)` for a button; `strong(1 | 2 | 3 | null)` for a strength; `typed(text)` for the reason;
  // `back()`.
  constructor({ act, strong, typed, back }) {
    this.signs = {};
    this.buttons = {};
    const buttons = OTHERS.map((action) => {
      this.signs[action] = make("kbd");
      this.buttons[action] = make(
        "button.plain.other",
        { "data-action": action, onclick: (event) => act(action, event) },
        this.signs[action],
        make("span", word(action)),
      );
      return this.buttons[action];
    });
    this.others = make("div.others", ...buttons);
    this.asked = make("span.asked-how");
    const degrees = STRENGTHS.map((degree) =>
      make(
        "button.plain.other",
        { "data-strength": degree, onclick: () => strong(degree) },
        make("kbd", String(degree)),
        make("span", word("strength_" + degree)),
      ),
    );
    const without = make(
      "button.plain.other",
      { onclick: () => strong(null) },
      make("kbd", "Enter"),
      make("span", word("strength_none")),
    );
    const cancel = make("button.plain.other", { onclick: back }, make("kbd", "Esc"), make("span", word("cancel")));
    this.strengths = make(
      "div.others.strengths",
      { role: "group", hidden: true },
      this.asked,
      ...degrees,
      without,
      cancel,
    );
    this.reason = make("textarea", {
      rows: 1,
      dir: "auto",
      maxlength: LONGEST_REASON,
      placeholder: word("reason_hint"),
      "aria-label": word("reason"),
      "data-testid": "reason",
    });
    this.reason.addEventListener("input", () => typed(this.reason.value));
    this.reason.addEventListener("keydown", (event) => {
      if (isComposing(event) || (event.key !== "Escape" && !(event.key === "Enter" && !event.shiftKey))) return;
      event.preventDefault();
      event.stopPropagation();
      this.reason.blur();
    });
    this.signs.reason = make("kbd");
    this.reasonRow = make(
      "label.reason",
      { hidden: true },
      make("span", this.signs.reason, " " + word("reason")),
      this.reason,
    );
    this.node = make("div.controls", this.reasonRow, this.others, this.strengths);
  }

  show({ keys, reason, canUndo, strengthOf, choosingEdit, text }) {
    for (const [action, node] of Object.entries(this.signs)) say(node, keys.sign(action));
    conceal(this.reasonRow, !reason);
    if (this.reason.value !== text) this.reason.value = text;
    this.buttons.undo.disabled = !canUndo;
    mark(this.buttons.edit, "aria-pressed", Boolean(choosingEdit));
    conceal(this.others, Boolean(strengthOf));
    conceal(this.strengths, !strengthOf);
    if (strengthOf) say(this.asked, word("how_much", { side: strengthOf.toUpperCase() }));
  }
}

// The critic's values over the tokens of a completion, and beside them what really came, where that is known. A point
// on the line is a token; what is said of it is tokens.js's.

class ValueLine {
  /** @type {number} */ count;
  /** @type {number[]} */ guessed;
  /** @type {number} */ lowest;
  /** @type {number} */ span;

  constructor(onPoint) {
    this.value = draw("path", { class: "guessed" });
    this.came = draw("path", { class: "came" });
    this.zero = draw("path", { class: "zero" });
    this.svg = draw(
      "svg",
      { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" },
      this.zero,
      this.came,
      this.value,
    );
    this.cursor = make("div.cursor");
    this.dot = make("div.at");
    this.high = make("span.high");
    this.low = make("span.low");
    this.field = make("div.curve", this.svg, this.cursor, this.dot);
    this.cameKey = make("span.key-came", word("line_came"));
    const key = make("figcaption", make("span.key-guessed", word("line_guessed")), this.cameKey);
    this.node = make(
      "figure.value-line",
      key,
      make("div.plot", make("div.ends", { "aria-hidden": "true" }, this.high, this.low), this.field),
    );
    this.field.addEventListener("pointermove", (event) => {
      const box = this.field.getBoundingClientRect();
      onPoint(Math.max(0, Math.min(this.count - 1, Math.floor(((event.clientX - box.left) / box.width) * this.count))));
    });
  }

  show(credits) {
    const guessed = credits.map(({ value }) => value);
    const came = credits.map((credit) => credit.came);
    const known = came.every(isNumber);
    const all = [0, ...guessed, ...(known ? came : [])].filter(isNumber);
    const low = Math.min(...all);
    const span = Math.max(...all) - low || 1;
    Object.assign(this, { count: credits.length, guessed, lowest: low, span });
    set(this.value, { d: trace(guessed, (value, at) => [this.x(at), this.y(value)]) });
    set(this.came, { d: known ? trace(came, (value, at) => [this.x(at), this.y(value)]) : "" });
    set(this.zero, { d: `M0 ${this.y(0).toFixed(1)}H1000` });
    conceal(this.cameKey, !known);
    say(this.high, figure(low + span, 1));
    say(this.low, figure(low, 1));
  }

  x(at) {
    return ((at + 0.5) / this.count) * 1000;
  }

  y(value) {
    return 96 - (((isNumber(value) ? value : 0) - this.lowest) / this.span) * 92;
  }

  point(at) {
    for (const one of [this.cursor, this.dot]) one.style.left = this.x(at) / 10 + "%";
    this.dot.style.top = this.y(this.guessed[at]) + "%";
  }
}

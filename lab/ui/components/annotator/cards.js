// One pair on the screen: the prompt, A and B. The next pairs are drawn ahead, so that a choice has only to exchange
// nodes. Where the two stand is all that is known here; nothing says where they came from.

const SIDES = ["a", "b"];

// A pair drawn and not shown: nodes for prompt, A and B, and once asked for, the same with the differences marked.
class Sheet {
  constructor(pair, display) {
    this.pair = pair;
    this.prompt = promptBlocks(pair.prompt, display);
    this.plain = { a: textBlocks(pair.a, display), b: textBlocks(pair.b, display) };
  }

  // What differs is marked; null where the two have too little in common for that.
  get marks() {
    if (this.found === undefined) this.found = differences(this.pair.a, this.pair.b);
    return this.found;
  }

  answers(withMarks) {
    if (!withMarks || !this.marks) return this.plain;
    if (!this.marked)
      this.marked = { a: textBlocks(this.pair.a, null, this.marks.a), b: textBlocks(this.pair.b, null, this.marks.b) };
    return this.marked;
  }
}

class Card {
  constructor(side, { choose, edit }) {
    this.side = side;
    const letter = side.toUpperCase();
    this.key = make("kbd");
    this.choose = make(
      "button.choose",
      { "data-testid": "choose-" + side, onclick: choose },
      this.key,
      make("span", word("prefer_" + side)),
    );
    this.edit = make(
      "button.plain.small",
      { onclick: edit, title: word("edit_this") },
      "✎\uFE0E " + word("edit_short"),
    );
    this.grow = make(
      "button.plain.small.grow",
      {
        "aria-pressed": "false",
        "aria-label": word("grow", { side: letter }),
        onclick: () => this.grown(!this.isGrown),
      },
      "⤢\uFE0E",
    );
    this.title = make("h3", letter);
    this.head = make("header.card-head", this.title, make("span.push"), this.edit, this.grow);
    this.body = make("div.card-body", {
      tabindex: 0,
      role: "region",
      "aria-label": word("response", { side: letter }),
      "data-testid": "response-" + side,
    });
    this.foot = make("div.card-foot", this.choose);
    // What swipe.js says while a finger moves; whoever does not see it has the button.
    this.sign = make("div.sign", { "aria-hidden": "true", hidden: true }, word("prefer_" + side));
    this.node = make("section", { class: "card side-" + side }, this.head, this.body, this.foot, this.sign);
  }

  show(answer) {
    this.body.replaceChildren(answer);
    if (this.isGrown) this.grown(false);
  }

  grown(on) {
    this.isGrown = on;
    toggle(this.node, "grown", on);
    mark(this.grow, "aria-pressed", on);
  }
}

class Pair {
  /** @type {boolean} */ together;
  /** @type {boolean} */ news;
  /** @type {boolean} */ apart;
  /** @type {boolean} */ asWritten;
  /** @type {boolean} */ opens;

  // `actions`: `click(event, side)`, `edit(side)`; `display` is how texts are shown.
  constructor(actions, display) {
    this.display = display;
    this.prompt = make("div.prompt", {
      tabindex: 0,
      role: "region",
      "aria-label": word("prompt"),
      "data-testid": "prompt-text",
    });
    this.cards = Object.fromEntries(
      SIDES.map((side) => [
        side,
        new Card(side, { choose: (event) => actions.click(event, side), edit: () => actions.edit(side) }),
      ]),
    );
    this.earlier = make("button.link.earlier", { hidden: true, "data-testid": "earlier-turns" });
    this.earlier.addEventListener("click", () => (this.prompt.scrollTop = this.isAtTop ? this.lastTurn : 0));
    this.prompt.addEventListener("scroll", () => this.nameEarlier(), { passive: true });
    this.hint = make("p.hint", { hidden: true });
    this.grid = make("div.cards", this.cards.a.node, this.cards.b.node);
    this.node = make("div.stage", this.earlier, this.prompt, this.hint, this.grid);
    this.sheets = new Map();
    this.tall = 0;
    for (const [side, other] of [SIDES, [...SIDES].reverse()])
      this.cards[side].body.addEventListener("scroll", () => this.follow(side, other), { passive: true });
  }

  sheet(pair) {
    let sheet = this.sheets.get(pair.pair);
    if (!sheet) this.sheets.set(pair.pair, (sheet = new Sheet(pair, this.display)));
    return sheet;
  }

  // Texts are to be shown in the other form.
  forget() {
    this.sheets.clear();
  }

  // Draws what will be needed next, and forgets what was shown long ago.
  prepare(pairs, withMarks) {
    for (const pair of pairs) this.sheet(pair).answers(withMarks);
    const needed = pairs.map(({ pair }) => pair);
    for (const name of this.sheets.keys())
      if (!needed.includes(name) && this.sheets.size > 12) this.sheets.delete(name);
  }

  show(pair, withMarks) {
    const sheet = this.sheet(pair);
    const answers = sheet.answers(withMarks);
    // Asked for before anything changes: afterwards each question would make the browser lay the page out once more.
    const moved = [this.prompt, ...SIDES.map((side) => this.cards[side].body)].filter((place) => place.scrollTop);
    for (const place of moved) if (place !== this.prompt || this.shown !== sheet) place.scrollTop = 0;
    if (this.shown !== sheet) this.prompt.replaceChildren(sheet.prompt);
    this.opens = this.opens || this.shown !== sheet;
    this.shown = sheet;
    for (const side of SIDES) this.cards[side].show(answers[side]);
    this.apart = withMarks && !sheet.marks;
    this.asWritten = withMarks && Boolean(sheet.marks) && this.display.on;
    this.tell(null);
  }

  // One line between prompt and cards: what is asked for or has happened just now, else why there are no marks, else
  // what a newcomer may try.
  tell(key) {
    const about = this.apart ? "too_different" : this.asWritten ? "marked_as_written" : null;
    const said = key || (this.display.failed ? "display_failed" : null) || about || (this.news ? "swipe_hint" : null);
    if (said) say(this.hint, word(said));
    conceal(this.hint, !said);
  }

  // The stage grows to what the longest pair so far has needed, and never shrinks: the buttons stay where the hand is.
  // This measures, so it comes after everything else that a new pair changes.
  fit() {
    this.growStage();
    if (this.opens) this.openAtLastTurn();
    this.opens = false;
  }

  growStage() {
    const long = Math.max(
      ...SIDES.map((side) => this.cards[side].body.scrollHeight - this.cards[side].body.clientHeight),
    );
    const over = Math.max(0, long) + Math.max(0, this.prompt.scrollHeight - this.prompt.clientHeight);
    if (over < 2) return;
    const tall = Math.min(this.node.clientHeight + over, 4000);
    if (tall <= this.tall) return;
    this.tall = tall;
    this.node.style.setProperty("--tall", tall + "px");
  }

  // A conversation that is longer than its place opens at its last turn, which is the question; a button leads to the
  // turns before.
  openAtLastTurn() {
    const turns = this.prompt.querySelectorAll(".turn");
    const hides = turns.length > 1 && this.prompt.scrollHeight > this.prompt.clientHeight + 1;
    conceal(this.earlier, !hides);
    if (!hides) return;
    this.earlierTurns = turns.length - 1;
    this.prompt.scrollTop = this.lastTurn;
    this.nameEarlier();
  }

  get lastTurn() {
    const last = [...this.prompt.querySelectorAll(".turn")].pop();
    return last.getBoundingClientRect().top - this.prompt.getBoundingClientRect().top + this.prompt.scrollTop;
  }

  get isAtTop() {
    return this.prompt.scrollTop < 4;
  }

  nameEarlier() {
    if (this.earlier.hidden) return;
    say(this.earlier, this.isAtTop ? "↓ " + word("last_turn") : "↑ " + word("earlier_turns", { n: this.earlierTurns }));
  }

  follow(side, other) {
    if (!this.together || this.leader === other) return;
    this.leader = side;
    clearTimeout(this.letGo);
    this.letGo = setTimeout(() => (this.leader = null), 120);
    const [from, to] = [this.cards[side].body, this.cards[other].body];
    const room = from.scrollHeight - from.clientHeight;
    if (room > 0) to.scrollTop = (from.scrollTop / room) * (to.scrollHeight - to.clientHeight);
  }

  // Arrows up and down move both, wherever the focus is. Whether there was anything to move.
  scrollBy(lines) {
    const moving = SIDES.map((side) => this.cards[side].body).filter(
      (body) => body.scrollHeight > body.clientHeight + 1,
    );
    const longest = moving.sort((one, other) => other.scrollHeight - one.scrollHeight);
    for (const body of this.together ? longest.slice(0, 1) : longest) body.scrollTop += lines;
    return moving.length > 0;
  }
}

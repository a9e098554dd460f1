// One completion of a PPO run token by token: chips tinted by advantage, the numbers of one of them, the line of
// values. Drawn only when asked for, and after a scrub has come to rest. What the numbers mean stands in credit.js, the
// line in value_line.js.

const FULL_TINT = 2; // advantages are whitened, so one scale serves every step
const REST = 250; // milliseconds without a change before the panel is drawn anew
const PHONE = matchMedia("(max-width: 760px)");

// What explains a number of a token: PPO's advantages are the estimates, whitened.
const TOKEN_TERMS = { value: "value", reward: "kl", delta: "delta", estimate: "gae", advantage: "whitening" };

class TokenPanel {
  /** @type {GroupLine} */ line;
  /** @type {any} */ recipe;
  /** @type {any} */ card;
  /** @type {any[]} */ credits;
  /** @type {HTMLElement[]} */ list;
  /** @type {number} */ at;

  constructor(names = ["value", "reward", "delta", "estimate", "advantage"]) {
    this.name = "tokens-" + Math.random().toString(36).slice(2);
    this.heading = make("h4");
    this.about = make("p.quiet.about");
    this.older = make("p.older", { role: "note" });
    this.chips = make("div.chips", { dir: "ltr", role: "listbox", tabindex: 0, "data-testid": "token-chips" });
    this.told = make("b.told-token");
    this.which = make("span.quiet");
    this.numbers = Object.fromEntries(names.map((name) => [name, make("dd")]));
    this.tiles = Object.entries(this.numbers).map(([name, value]) =>
      make(
        "div",
        { title: word("token_" + name + "_help"), "data-name": name },
        make("dt", term(TOKEN_TERMS[name], word("token_" + name))),
        value,
      ),
    );
    this.curve = new ValueLine((at) => this.choose(at));
    const shut = make("button.plain.small", { "aria-keyshortcuts": "Escape" }, "✕ " + word("tokens_close"));
    shut.addEventListener("click", () => this.close(true));
    this.scale = make(
      "span.tint-scale",
      { "aria-hidden": "true" },
      "▼ −" + FULL_TINT,
      make("i"),
      "+" + FULL_TINT + " ▲",
    );
    this.node = make(
      "section.token-panel",
      { id: this.name, "data-testid": "token-panel", "aria-label": word("tokens_short") },
      make(
        "div.token-head",
        this.heading,
        make("span.quiet.keys", word("tokens_keys")),
        make("span.push"),
        this.scale,
        shut,
      ),
      this.about,
      this.older,
      this.chips,
      make(
        "dl.token-numbers",
        { "data-testid": "token-numbers" },
        make("div", make("dt", word("token_which")), make("dd", this.told, this.which)),
        ...this.tiles,
      ),
      this.curve.node,
    );
    this.row = make("li.token-row");
    this.card = null;
    this.wire();
  }

  wire() {
    const pointed = (event) => {
      const chip = event.target.closest(".chip");
      if (chip) this.choose(Number(chip.dataset.at));
    };
    this.chips.addEventListener("pointerover", pointed);
    this.chips.addEventListener("click", pointed);
    this.node.addEventListener("keydown", (event) => this.key(event));
    PHONE.addEventListener("change", () => this.card && this.place());
  }

  // Shows a card's completion; asked for the same card again, it closes.
  show(card, line, recipe) {
    if (this.card === card) return this.close(true);
    this.close(false);
    this.card = card;
    Object.assign(this, { line, recipe, at: 0 });
    this.settle(true);
    this.draw();
    this.place();
    this.chips.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
  }

  close(back) {
    if (!this.card) return;
    const { card } = this;
    clearTimeout(this.timer);
    this.settle(false);
    this.card = null;
    this.node.remove();
    this.row.remove();
    this.chips.replaceChildren();
    if (back) card.open.focus({ preventScroll: true });
  }

  settle(open) {
    mark(this.card.open, "aria-expanded", open);
    mark(this.card.open, "aria-controls", open ? this.name : null);
    toggle(this.card.node, "opened", open);
  }

  // Under the row of its card; on a phone, where cards swipe sideways, under all of them.
  place() {
    const { node } = this.card;
    if (PHONE.matches) {
      this.row.remove();
      node.parentNode.after(this.node);
    } else {
      this.row.replaceChildren(this.node);
      node.after(this.row);
    }
  }

  // Another group came on screen: what is open is drawn for it once the scrub rests, or closes where there are no
  // tokens.
  follow(line, recipe, anew = false) {
    if (!this.card || (!anew && line === this.line && recipe === this.recipe)) return;
    Object.assign(this, { line, recipe });
    clearTimeout(this.timer);
    toggle(this.node, "stale", true);
    this.timer = setTimeout(() => {
      if (this.card && this.knows()) this.draw();
      else this.close(false);
    }, REST);
  }

  // Whether there are tokens of the open card in the group that is on screen now.
  knows() {
    const completion = this.line.completions[this.card.index];
    return Boolean(completion) && isCredited(completion);
  }

  draw() {
    const { discount = 1, gae_lambda: lam = 1 } = this.recipe || {};
    const completion = this.line.completions[this.card.index];
    const { whitening } = this.line;
    const explained = isExplained(completion, whitening);
    this.credits = tokenCredits(completion, whitening, discount, lam);
    const whole = this.credits.every(({ piece }) => piece !== null);
    say(this.heading, word("tokens_of", { n: this.card.index + 1, count: this.credits.length }));
    say(this.about, word("tokens_about", { discount: brief(discount), lam: brief(lam) }));
    say(this.older, word(explained ? "tokens_without_text" : "tokens_older"));
    conceal(this.older, whole && explained);
    for (const tile of this.tiles) conceal(tile, !explained && !["value", "advantage"].includes(tile.dataset.name));
    this.curve.show(this.credits);
    this.fill();
  }

  // Draws the chips of `credits`, and chooses one.
  fill() {
    mark(this.chips, "aria-label", word("tokens_list", { n: this.card.index + 1 }));
    this.chips.replaceChildren(...this.credits.flatMap((credit, at) => this.chip(credit, at)));
    this.list = /** @type {HTMLElement[]} */ ([...this.chips.querySelectorAll(".chip")]);
    toggle(this.node, "stale", false);
    this.choose(Math.min(this.at, this.credits.length - 1));
  }

  // The colour of a token, −1 to 1.
  tinted({ advantage }, _at) {
    return isNumber(advantage) ? Math.max(-1, Math.min(1, advantage / FULL_TINT)) : 0;
  }

  labelled(text, { advantage, value }) {
    return word("token_label", { text, advantage: signed(advantage), value: figure(value) });
  }

  /**
   * What the tiles say of a token, by their names.
   * @returns {Record<string, string>}
   */
  numbersOf(credit) {
    /** @type {Record<string, string>} */
    const said = { value: figure(credit.value), reward: signed(credit.reward, 3) };
    for (const name of ["delta", "estimate", "advantage"]) said[name] = signed(credit[name], 2);
    return said;
  }

  chip(credit, at) {
    const { piece } = credit;
    const text = piece === null ? String(at + 1) : visibleToken(piece);
    const chip = make(
      "span.chip",
      { role: "option", id: `${this.name}-${at}`, "data-at": at, "aria-selected": "false" },
      text,
    );
    const tint = this.tinted(credit, at);
    chip.style.setProperty("--size", Math.abs(tint).toFixed(3));
    if (tint < 0) chip.classList.add("minus");
    if (credit.clipped) chip.classList.add("clipped");
    if (piece !== null && typeof piece === "object") chip.classList.add("special");
    if (piece === "") chip.classList.add("joins");
    set(chip, { "aria-label": this.labelled(text, credit) });
    return piece !== null && typeof piece === "string" && piece.includes("\n")
      ? [chip, make("span.line-end", { role: "presentation" })]
      : [chip];
  }

  choose(at) {
    const credit = this.credits[at];
    if (!credit) return;
    const before = this.list[this.at];
    if (before) mark(before, "aria-selected", "false");
    this.at = at;
    mark(this.list[at], "aria-selected", "true");
    mark(this.chips, "aria-activedescendant", this.list[at].id);
    mark(this.node, "data-token", at);
    say(this.told, this.wording(at));
    say(this.which, `${at + 1} / ${this.credits.length}`);
    for (const [name, text] of Object.entries(this.numbersOf(credit))) {
      say(this.numbers[name], text);
      toggle(this.numbers[name], "minus", credit[name] < 0 && name === "advantage");
    }
    this.pointed(at);
  }

  // Another token was chosen.
  pointed(at) {
    this.curve.point(at);
  }

  // The beginning of a character is told with the character that it is part of.
  wording(at) {
    const { piece } = this.credits[at];
    if (piece === null) return "";
    if (piece !== "") return visibleToken(piece);
    const end = this.credits.slice(at + 1).find((credit) => typeof credit.piece === "string" && credit.piece !== "");
    return end ? word("token_part", { text: visibleToken(end.piece) }) : UNFINISHED;
  }

  // Arrows move along the tokens and between their lines, and leave the step alone; Escape closes.
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      return this.close(true);
    }
    if (event.target !== this.chips) return;
    const last = this.credits.length - 1;
    const to = {
      ArrowLeft: this.at - 1,
      ArrowRight: this.at + 1,
      Home: 0,
      End: last,
      ArrowUp: this.near(-1),
      ArrowDown: this.near(1),
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.choose(Math.max(0, Math.min(last, to)));
    this.list[this.at].scrollIntoView({ block: "nearest" });
  }

  // The chip of the line above (−1) or below (1) that stands nearest; the same one where there is no such line.
  near(way) {
    const here = this.list[this.at];
    const middle = (chip) => chip.offsetLeft + chip.offsetWidth / 2;
    const beyond = this.list.filter((chip) => (chip.offsetTop - here.offsetTop) * way > 0);
    if (!beyond.length) return this.at;
    const line = way > 0 ? beyond[0].offsetTop : beyond[beyond.length - 1].offsetTop;
    const row = beyond.filter((chip) => chip.offsetTop === line);
    return Number(
      row.reduce((best, chip) =>
        Math.abs(middle(chip) - middle(here)) < Math.abs(middle(best) - middle(here)) ? chip : best,
      ).dataset.at,
    );
  }
}

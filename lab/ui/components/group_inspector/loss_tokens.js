// One completion of a GRPO run token by token: log π, log π_ref, entropy, ratio (clipped ones marked) and the
// token's share of the loss, at one update. One of the numbers is the colour of the chips. Where the numbers come
// from stands in docs/formats.md (tokens.jsonl).

const TINTS = ["share", "logp", "entropy", "ratio"];

class LossPanel extends TokenPanel {
  constructor() {
    super(["logp", "ref_logp", "entropy", "ratio", "share"]);
    this.tint = "share";
    this.chosen = 0;
    this.updates = make("div.picks", { role: "group", "aria-label": word("token_updates") });
    this.tints = make("div.picks", { role: "group", "aria-label": word("token_tint") });
    this.buttons = TINTS.map((name) =>
      this.button(word("token_" + name), () => {
        this.tint = name;
        this.draw();
      }),
    );
    this.tints.append(...this.buttons);
    mark(this.node, "data-kind", "loss");
    this.scale.remove();
    this.curve.node.remove();
    this.about.after(make("div.picks-row", this.updates, this.tints));
  }

  button(text, onPress) {
    return make("button.plain.small", { "aria-pressed": "false", onclick: onPress }, text);
  }

  knows() {
    return toldOf(this.line.tokens, this.card.index) !== undefined;
  }

  // The lines of tokens come after the group itself: until then what is open stays as it was.
  follow(line, recipe) {
    if (!this.card || (line === this.line && line.tokens === this.drawn)) return;
    if (line.tokens !== undefined) return super.follow(line, recipe, true);
    this.line = line;
    toggle(this.node, "stale", true);
  }

  draw() {
    const { tokens } = this.line;
    this.drawn = tokens;
    this.chosen = Math.min(this.chosen, tokens.length - 1);
    if (this.lastLine !== this.line) this.chosen = tokens.length - 1;
    this.lastLine = this.line;
    const told = toldOf(tokens, this.card.index, this.chosen);
    this.credits = told.logps.map((logp, at) => ({
      piece: told.token_texts ? told.token_texts[at] : null,
      logp,
      ref_logp: told.ref_logps ? told.ref_logps[at] : null,
      entropy: told.entropies[at],
      ratio: told.ratios ? told.ratios[at] : null,
      clipped: Boolean(told.clipped && told.clipped[at]),
      share: told.parts[at],
    }));
    const most = Math.max(...this.credits.map((one) => Math.abs(one.share)), 1e-12);
    const pair = isPair(this.line);
    if (pair && this.tint === "ratio") this.tint = "share";
    this.sizes = this.credits.map((one) => tintOf(this.tint, one, pair ? -most : most));
    say(this.heading, word("tokens_of", { n: this.card.index + 1, count: this.credits.length }));
    this.showKind(pair, told);
    const { at: step, update } = tokens[this.chosen];
    say(this.about, word(pair ? "tokens_about_pair" : "tokens_about_loss", { step, update }));
    say(this.older, word("tokens_without_text"));
    const whole = this.credits.every(({ piece }) => piece !== null);
    conceal(this.older, whole);
    this.showPicks(tokens);
    this.fill();
  }

  // A pair has no ratio, and its tokens share its margin; a group may have no reference.
  showKind(pair, told) {
    for (const tile of this.tiles) {
      const { name } = tile.dataset;
      conceal(tile, (name === "ref_logp" && !told.ref_logps) || (name === "ratio" && !told.ratios));
      if (name !== "share") continue;
      say(tile.firstElementChild, word(pair ? "token_share_pair" : "token_share"));
      mark(tile, "title", word(pair ? "token_share_pair_help" : "token_share_help"));
    }
    say(this.buttons[0], word(pair ? "token_share_pair" : "token_share"));
    conceal(this.buttons[TINTS.indexOf("ratio")], !told.ratios);
  }

  showPicks(tokens) {
    conceal(this.updates, tokens.length < 2);
    this.updates.replaceChildren(
      ...tokens.map((update, place) => {
        const button = this.button(word("token_update", { n: update.update }), () => {
          this.chosen = place;
          this.draw();
          this.updates.querySelectorAll("button")[place].focus();
        });
        mark(button, "aria-pressed", place === this.chosen);
        return button;
      }),
    );
    this.buttons.forEach((button, place) => mark(button, "aria-pressed", TINTS[place] === this.tint));
  }

  pointed() {} // there is no line of values

  tinted(token, at) {
    return this.sizes[at];
  }

  labelled(text, token) {
    const kind = token.ratio === null ? "pair" : token.clipped ? "clipped" : "loss";
    return word("token_label_" + kind, {
      text,
      logp: figure(token.logp),
      ratio: figure(token.ratio, 3),
      share: small(token.share),
    });
  }

  /** @returns {Record<string, string>} */
  numbersOf(token) {
    return {
      logp: figure(token.logp, 3),
      ref_logp: isNumber(token.ref_logp) ? figure(token.ref_logp, 3) : "–",
      entropy: figure(token.entropy, 3),
      ratio: token.ratio === null ? "–" : figure(token.ratio, 4) + (token.clipped ? " ✂ " + word("token_clipped") : ""),
      share: small(token.share),
    };
  }
}

/**
 * The colour of a token, −1 to 1: what made it likelier is positive. A loss goes down where a token's share is
 * negative.
 * @param {string} name
 * @param {any} token
 * @param {number} most the largest share of the completion
 */
function tintOf(name, token, most) {
  if (name === "share") return -token.share / most;
  if (name === "logp") return Math.max(-1, token.logp / 5);
  if (name === "entropy") return Math.min(1, token.entropy / 2);
  return Math.max(-1, Math.min(1, Math.log(Math.max(1e-6, token.ratio)) / 0.2));
}

// A share of a loss is small: three significant digits.
function small(value) {
  if (!isNumber(value)) return "–";
  if (value === 0) return "0";
  const text = Math.abs(value) < 0.001 ? value.toExponential(1) : value.toPrecision(3);
  return text.replace("-", "−");
}

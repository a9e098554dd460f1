// One group on screen: its head with the tiles, what a threshold makes of it in words, the dot strip, the cards. It is
// handed a line and a threshold; which ones is decided in view.js.

class GroupView {
  /** @type {GroupLine} */ line;
  /** @type {Threshold} */ at;
  /** @type {Map<string, { weight: number, fallback: number }>} */ weights;
  /** @type {number} */ low;
  /** @type {number} */ high;

  constructor(display) {
    this.display = display;
    this.heading = make("h3.prompt", { dir: "auto" });
    this.answerLabel = make("span");
    this.answer = make("bdi");
    this.known = make("p.known", this.answerLabel, this.answer);
    this.tiles = Object.fromEntries(["mean", "std", "kept", "kl", "margin"].map((name) => [name, make("dd")]));
    const tiles = Object.entries(this.tiles).map(([name, value]) =>
      make(
        "div.tile",
        { title: name === "std" ? null : word("tile_" + name + "_help") },
        make("dt", term(name, word("tile_" + name))),
        value,
      ),
    );
    this.std = tiles[1];
    this.ofGroup = tiles.slice(0, 3);
    this.margin = tiles[4];
    this.kl = tiles[3];
    this.head = make("div.head", make("div.asked", this.heading, this.known), make("dl.tiles", ...tiles));
    this.verdict = make("p.verdict");
    this.update = make("p.update.quiet", { "data-testid": "update-sentence" });
    this.notes = make("ul.notes");
    this.strip = new Strip(
      (index, on) => this.cards.light(index, on),
      (index) => this.cards.reveal(index),
    );
    this.cards = new Cards(display);
    this.form = make("button.plain.small", { "aria-pressed": "false", "data-testid": "displayed" }, word("displayed"));
    this.form.addEventListener("click", () => display.choose(!display.chosen));
    this.sort = make("button.plain.small", { "aria-pressed": "false" }, "⇅ " + word("sort_by_reward"));
    this.summary = make(
      "div.summary",
      make("div", this.verdict, this.update, this.notes),
      make("div.looks", this.form, this.sort),
    );
    this.byReward = false;
    this.sort.addEventListener("click", () => {
      this.byReward = !this.byReward;
      mark(this.sort, "aria-pressed", this.byReward);
      this.redraw();
    });
    this.showForm();
  }

  redraw() {
    this.showForm();
    if (this.line) this.show(this.line, this.at, this.weights, this.low, this.high);
  }

  showForm() {
    mark(this.form, "aria-pressed", this.display.chosen);
    mark(this.form, "title", word(this.display.failed ? "display_failed" : "displayed_why"));
  }

  showPrompt(prompt) {
    const nodes = this.display.nodes(prompt);
    if (nodes) {
      this.heading.replaceChildren(nodes);
      this.heading.said = null;
    } else say(this.heading, prompt);
  }

  showAnswer(answer) {
    const unknown = answer === null || answer === undefined;
    const [before, after] = unknown ? [word("answer_unknown"), ""] : word("answer_known", { answer: "\n" }).split("\n");
    say(this.answerLabel, before);
    say(this.answer, unknown ? "" : answer + after);
  }

  // What the index alone knows, until the line is here.
  showRow({ mean, std, kept, size }, prompt) {
    this.showPrompt(prompt || "…");
    say(this.tiles.mean, figure(mean));
    say(this.tiles.std, figure(std));
    say(this.tiles.kept, `${kept} / ${size}`);
  }

  // `low` and `high` are the ends of the run's rewards, so that one axis serves every step.
  show(line, threshold, weights, low, high) {
    Object.assign(this, { line, at: threshold, weights, low, high });
    const verdict = judge(line, threshold);
    this.showPrompt(line.prompt);
    this.showAnswer(line.answer);
    say(this.tiles.mean, figure(line.mean));
    say(this.tiles.std, figure(line.std));
    say(this.tiles.kept, `${verdict.kept} / ${line.completions.length}`);
    const kl = divergence(line);
    conceal(this.kl, kl === null);
    if (kl !== null) say(this.tiles.kl, figure(kl, 3));
    const { recipe } = this.cards;
    mark(this.std, "title", word("tile_std_help_" + estimatorOf(recipe)));
    say(this.update, updateSentences(line, recipe, line.tokens));
    this.showVerdict(line, verdict);
    this.showPair(line);
    const reach = [...weights.values()].reduce((sum, use) => sum + Math.max(0, use.weight), 0);
    this.strip.show(line, verdict, Math.min(0, low), Math.max(reach, high));
    this.cards.show(line, verdict, weights, this.byReward);
  }

  // A pair of preferences has a margin in place of mean, spread and threshold.
  showPair(line) {
    const pair = isPair(line);
    for (const node of this.ofGroup) conceal(node, pair);
    for (const node of [this.known, this.strip.node, this.sort]) conceal(node, pair);
    conceal(this.margin, !pair);
    if (!pair) return;
    say(this.tiles.margin, signed(line.margin));
    say(this.verdict, word(line.margin > 0 ? "verdict_pair_won" : "verdict_pair", { margin: signed(line.margin) }));
  }

  showVerdict(line, verdict) {
    const size = line.completions.length;
    const trained = line.completions.filter((completion) => completion.kept).length;
    const key = verdict.trained ? "verdict_trained" : "verdict_what_if";
    say(this.verdict, word(key, { kept: verdict.kept, size, trained }));
    toggle(this.verdict, "what-if", !verdict.trained);
    const notes = [];
    const unscored = verdict.why.filter((why) => why === "unscored").length;
    if (verdict.why.includes("no_spread")) notes.push(word("note_no_spread"));
    else if (line.std < NO_SPREAD && line.completions.some(isCredited)) notes.push(word("note_no_spread_ppo"));
    const tied = verdict.tie.map((i) => "#" + (i + 1)).join(chosenLanguage() === "zh" ? "、" : ", ");
    if (tied) notes.push(word("note_tie", { numbers: tied }));
    if (verdict.below) notes.push(word("note_below", { n: verdict.below }));
    if (unscored) notes.push(word("note_unscored", { n: unscored }));
    if (this.display.failed) notes.push(word("display_failed"));
    const text = notes.join("\n");
    if (text === this.notes.said) return;
    this.notes.said = text;
    this.notes.replaceChildren(...notes.map((note) => make("li", note)));
  }
}

// How far the policy has moved from its reference on this group, a token: the mean of log π − log π_ref; null if not
// known.
function divergence(line) {
  let sum = 0;
  let tokens = 0;
  for (const { logp, ref_logp: reference, tokens: count } of line.completions) {
    if (!isNumber(logp) || !isNumber(reference) || !count) continue;
    sum += logp - reference;
    tokens += count;
  }
  return tokens ? sum / tokens : null;
}

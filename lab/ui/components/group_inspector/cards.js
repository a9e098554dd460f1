// The K cards of a group: built once, then changed in place, so that a scrub costs texts and widths and no new
// elements.

const RULE_COLOURS = 8;
const ruleColour = (place) => `var(--rule-${place % RULE_COLOURS})`;

function copyIcon() {
  const sheet = (x, y) => draw("rect", { x, y, width: 8.5, height: 9.5, rx: 1.5 });
  return draw(
    "svg",
    { viewBox: "0 0 16 16", width: 15, height: 15, "aria-hidden": "true" },
    sheet(2, 1.5),
    sheet(5.5, 5),
  );
}

class Card {
  // `display` is how texts are shown; `onTokens(card)` opens the tokens.
  constructor(index, display, onTokens) {
    this.index = index;
    this.display = display;
    this.rules = [];
    this.number = make("span.number", `#${index + 1}`);
    this.badge = make("span.badge");
    this.tokens = make("span.quiet.tokens");
    this.copy = make(
      "button.copy",
      { "aria-label": word("copy", { n: index + 1 }), title: word("copy_short") },
      copyIcon(),
    );
    this.copy.addEventListener("click", () => this.toClipboard());
    this.open = make(
      "button.plain.small",
      { "aria-expanded": "false", "aria-keyshortcuts": "T", hidden: true },
      word("tokens_short"),
    );
    this.open.addEventListener("click", () => onTokens(this));
    this.reward = make("span.reward");
    this.rewardName = make("span.quiet");
    this.advantage = make("span.advantage");
    this.lean = make("span.lean");
    this.shares = make("div.shares", { "aria-hidden": "true" });
    this.list = make("dl.rules");
    this.before = make("span");
    this.found = make("mark");
    this.after = make("span");
    this.text = make(
      "div.text",
      { dir: "auto", tabindex: 0, role: "region", "aria-label": word("text_of", { n: index + 1 }) },
      this.before,
      this.found,
      this.after,
    );
    this.text.addEventListener("scroll", () => (this.scrolled = this.text.scrollTop > 0), { passive: true });
    this.answer = make("output.found", { dir: "auto" });
    this.node = make(
      "li.card",
      { "data-testid": "completion-card", "data-index": index },
      make("div.top", this.number, this.badge, make("span.push"), this.open),
      make("div.score", this.reward, this.rewardName, make("span.push"), this.advantage),
      make("div.scale", { "aria-hidden": "true" }, this.lean),
      this.shares,
      this.list,
      make("div.writing", this.text, this.copy),
      make("div.pinned", make("span.quiet", word("answer_found")), this.answer, make("span.push"), this.tokens),
    );
  }

  // `context`: why (null when kept), reach (the advantage at the end of the bar), rules, low and high (of the share
  // bar).
  show(completion, why, context) {
    this.completion = completion;
    const kept = why === null;
    mark(this.node, "data-kept", kept);
    mark(this.node, "data-reward", completion.reward ?? "");
    mark(this.node, "data-advantage", completion.advantage ?? "");
    toggle(this.node, "dropped", !kept);
    say(this.badge, kept ? "✓ " + word("kept") : "✕ " + word("why_" + why));
    if (completion.side) say(this.badge, word("side_" + completion.side));
    say(this.rewardName, word(completion.side ? "implicit_reward" : "reward"));
    say(this.tokens, word(completion.truncated ? "tokens_cut" : "tokens", { n: completion.tokens ?? "–" }));
    toggle(this.tokens, "cut", completion.truncated);
    mark(this.tokens, "title", completion.truncated ? word("truncated_help") : null);
    const credited = isCredited(completion);
    conceal(this.open, !credited && toldOf(context.tokens, this.index) === undefined);
    const about = word(credited ? "tokens_open" : "tokens_open_loss", { n: this.index + 1 });
    mark(this.open, "aria-label", about);
    mark(this.open, "title", about);
    say(this.reward, figure(completion.reward));
    this.showAdvantage(completion.advantage, context.reach);
    mark(this.advantage, "title", word("advantage_" + context.estimator));
    this.showShares(completion.scores || {}, context);
    this.showText(completion);
  }

  showAdvantage(advantage, reach) {
    say(this.advantage, "A " + signed(advantage));
    toggle(this.advantage, "minus", advantage < 0);
    toggle(this.lean, "minus", advantage < 0);
    const width = isNumber(advantage) ? Math.min(50, (Math.abs(advantage) / reach) * 50) : 0;
    this.lean.style.width = width + "%";
    this.lean.style.left = (advantage < 0 ? 50 - width : 50) + "%";
  }

  showShares(scores, context) {
    const { rules, low, high } = context;
    if (this.rules.length !== rules.length || this.rules.some((part, place) => part.name !== rules[place]))
      this.buildRules(rules);
    const span = high - low || 1;
    let plus = -low;
    let minus = -low;
    for (const part of this.rules) {
      const given = share(scores[part.name] ?? null, context.weights.get(part.name));
      const value = isNumber(given.value) ? given.value : 0;
      const from = value < 0 ? (minus += value) : plus;
      if (value >= 0) plus += value;
      part.bar.style.left = (from / span) * 100 + "%";
      part.bar.style.width = (Math.abs(value) / span) * 100 + "%";
      toggle(part.bar, "minus", value < 0);
      say(part.value, given.error === null ? figure(given.value) : "⚠ " + figure(given.value));
      toggle(part.row, "zero", value === 0 && given.error === null);
      toggle(part.row, "minus", value < 0);
      toggle(part.row, "failed", given.error !== null);
      say(part.error, given.error === null ? "" : word("rule_failed", { error: ruleErrorWords(given.error) }));
      conceal(part.error, given.error === null);
      mark(part.row, "title", word("share_help", { score: figure(given.score), weight: brief(given.weight) }));
    }
  }

  buildRules(names) {
    this.rules = names.map((name, place) => {
      const value = make("span.value");
      const error = make("span.error");
      const swatch = make("span.swatch", { "aria-hidden": "true" });
      swatch.style.background = ruleColour(place);
      const bar = make("span.part");
      bar.style.background = ruleColour(place);
      const row = make("div.rule", make("dt", swatch, make("span.name", ruleLabel(name))), make("dd", value, error));
      return { name, value, error, bar, row };
    });
    toggle(this.list, "few", names.length <= 4);
    this.list.replaceChildren(...this.rules.map((part) => part.row));
    this.shares.replaceChildren(...this.rules.map((part) => part.bar));
  }

  showText(completion) {
    const text = completion.text || "";
    const found = answerOf(completion);
    if (this.shown === completion && this.displayed === this.display.on) return;
    this.shown = completion;
    this.displayed = this.display.on;
    const nodes = this.display.nodes(text);
    if (nodes) this.text.replaceChildren(nodes);
    else if (this.before.parentNode !== this.text) this.text.replaceChildren(this.before, this.found, this.after);
    say(this.before, text.slice(0, found.start));
    say(this.found, text.slice(found.start, found.end));
    say(this.after, text.slice(found.end));
    say(this.answer, found.text || word("nothing_written"));
    if (this.scrolled) this.text.scrollTop = 0; // asking for nothing where nothing moved: a write here forces a layout
    this.scrolled = false;
  }

  async toClipboard() {
    const text = this.completion ? this.completion.text : "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const box = make("textarea.unseen", { "aria-hidden": "true" });
      box.value = text;
      this.node.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
    this.copy.replaceChildren("✓");
    setTimeout(() => this.copy.replaceChildren(copyIcon()), 1200);
  }
}

// Keeps as many cards as the group has completions, shows each, and orders them by number or by reward.
class Cards {
  constructor(display) {
    this.display = display;
    this.node = make("ol.cards", { "aria-label": word("cards") });
    this.credit = new TokenPanel();
    this.loss = new LossPanel();
    this.recipe = null;
    this.cards = [];
    this.order = "";
  }

  show(line, verdict, weights, byReward) {
    const { completions } = line;
    this.line = line;
    while (this.cards.length < completions.length)
      this.cards.push(new Card(this.cards.length, this.display, (card) => this.showTokens(card)));
    const context = { ...this.context(line, weights), tokens: line.tokens, estimator: estimatorOf(this.recipe) };
    completions.forEach((completion, index) => this.cards[index].show(completion, verdict.why[index], context));
    const order = completions.map((_, index) => index);
    if (byReward)
      order.sort((a, b) => (completions[b].reward ?? -Infinity) - (completions[a].reward ?? -Infinity) || a - b);
    const name = order.join();
    if (name !== this.order) {
      this.node.replaceChildren(...order.map((index) => this.cards[index].node));
      for (const panel of [this.credit, this.loss]) {
        if (panel.card && order.includes(panel.card.index)) panel.place();
        else panel.close(false);
      }
    }
    this.order = name;
    for (const panel of [this.credit, this.loss]) panel.follow(line, this.recipe);
  }

  showTokens(card) {
    const credited = isCredited(this.line.completions[card.index]);
    const [panel, other] = credited ? [this.credit, this.loss] : [this.loss, this.credit];
    other.close(false);
    panel.show(card, this.line, this.recipe);
  }

  // T: the tokens of the card that has the focus, else of the one that is open, else of the first.
  key(event) {
    const { target } = event;
    if (
      isComposing(event) ||
      keyOf(event) !== "t" ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey ||
      target.closest("select, textarea")
    )
      return;
    const holder = target.closest("[data-testid=completion-card]");
    const card = holder
      ? this.cards[Number(holder.dataset.index)]
      : this.credit.card || this.loss.card || this.cards[0];
    if (!card || card.open.hidden) return;
    event.preventDefault();
    this.showTokens(card);
  }

  // What the cards of one group share, so that their bars can be compared by eye.
  context({ completions }, weights) {
    const names = new Set(weights.keys());
    let reach = (completions.length - 1) / Math.sqrt(completions.length) || 1;
    let low = 0;
    let high = [...weights.values()].reduce((sum, use) => sum + Math.max(0, use.weight), 0);
    for (const { advantage, scores } of completions) {
      if (isNumber(advantage)) reach = Math.max(reach, Math.abs(advantage));
      let plus = 0;
      let minus = 0;
      for (const [name, score] of Object.entries(scores || {})) {
        names.add(name);
        const { value } = share(score, weights.get(name));
        if (value > 0) plus += value;
        else if (value < 0) minus += value;
      }
      high = Math.max(high, plus);
      low = Math.min(low, minus);
    }
    return { reach, low, high, weights, rules: [...names] };
  }

  light(index, on) {
    if (this.cards[index]) toggle(this.cards[index].node, "lit", on);
  }

  reveal(index) {
    const card = this.cards[index];
    if (card) card.node.scrollIntoView({ block: "nearest", inline: "start" });
  }
}

// The turns on screen: a question, and below it one column a model with what it wrote. Text is only ever set as
// text, or shown by the sanitised display.

class SampleCard {
  /**
   * @param {TextDisplay} display
   * @param {{ choose: () => void, keep: () => void }} actions
   */
  constructor(display, actions) {
    this.display = display;
    this.text = make("div.text", { dir: "auto" });
    this.scores = make("div.scores");
    this.facts = make("span.facts");
    this.choose = make("button.plain.small.choose", { onclick: actions.choose });
    this.keep = make("button.plain.small", { onclick: actions.keep }, word("keep"));
    this.node = make(
      "article.sample",
      { "data-testid": "play-answer" },
      this.text,
      this.scores,
      make("footer", this.facts, this.choose, this.keep),
    );
  }

  /**
   * @param {Sample} sample
   * @param {{ lane: number, number: number, of: number, chosen: boolean }} place
   */
  show(sample, { lane, number, of, chosen }) {
    mark(this.node, "data-lane", lane);
    mark(this.node, "data-sample", number);
    mark(this.node, "data-state", sample.state);
    mark(this.node, "aria-label", of > 1 ? word("sample_n", { n: number + 1 }) : word("answer_of"));
    toggle(this.node, "chosen", chosen && of > 1);
    const writing = sample.state === "writing";
    const shown = writing ? null : this.display.nodes(sample.text);
    if (shown) {
      this.text.replaceChildren(shown);
      this.text.said = undefined;
    } else say(this.text, sample.text || (writing ? "" : word("nothing_written")));
    toggle(this.text, "writing", writing);
    say(this.facts, this.describe(sample));
    this.showScores(sample);
    conceal(this.choose, of < 2 || writing);
    mark(this.choose, "aria-pressed", String(chosen));
    say(this.choose, chosen ? "✓\uFE0E " + word("goes_on") : word("go_on_from"));
    conceal(this.keep, writing || !sample.text.trim());
  }

  describe(sample) {
    if (sample.state === "writing" || !isNumber(sample.tokens)) return "";
    const facts = [word("tokens", { n: sample.tokens }), `${figure(sample.seconds, 1)} s`];
    if (isNumber(sample.first_seconds)) facts.push(word("first_token", { s: figure(sample.first_seconds, 2) }));
    if (sample.state !== "done") facts.push(word(sample.state));
    return facts.join(" · ");
  }

  showScores(sample) {
    if (!isNumber(sample.reward)) {
      this.scores.replaceChildren();
      return;
    }
    const single = Object.entries(sample.scores || {}).map(([name, score]) => {
      const failed = score !== null && typeof score === "object";
      const text = failed ? ruleErrorWords(score.error) : figure(/** @type {number} */ (score));
      return make("span", { class: failed ? "score wrong" : "score" }, `${ruleLabel(name)} ${text}`);
    });
    this.scores.replaceChildren(
      make("strong", { "data-testid": "play-reward" }, word("reward", { value: figure(sample.reward) })),
      ...single,
    );
  }
}

class TurnView {
  /**
   * @param {TalkTurn} turn
   * @param {TextDisplay} display
   * @param {Record<string, (...what: any[]) => void>} actions
   */
  constructor(turn, display, actions) {
    this.turn = turn;
    this.display = display;
    this.actions = actions;
    this.question = make("div.text", { dir: "auto" }, turn.question);
    this.edit = make("button.plain.small", { onclick: () => this.startEditing() }, word("edit"));
    this.asked = make("div.question", this.question, this.edit);
    this.lanes = make("div.lanes");
    this.again = make(
      "button.plain.small",
      { "data-testid": "again", onclick: () => actions.again(turn) },
      "↻ " + word("again"),
    );
    this.judge = make(
      "button.plain.small",
      { "data-testid": "judge-these", onclick: () => actions.judge(this) },
      word("judge"),
    );
    this.said = make("span.said", { role: "status" });
    this.foot = make("div.foot", this.again, this.judge, this.said);
    this.node = make("section.turn", { "data-testid": "play-turn" }, this.asked, this.lanes, this.foot);
    this.parts = turn.lanes.map((lane, place) => this.lane(lane, place));
    this.lanes.replaceChildren(...this.parts.map(({ node }) => node));
    this.lanes.style.setProperty("--lanes", String(turn.lanes.length));
    this.show();
  }

  lane(lane, place) {
    const cards = lane.samples.map(
      (_, number) =>
        new SampleCard(this.display, {
          choose: () => this.actions.choose(this, place, number),
          keep: () => this.actions.keep(this, place, number),
        }),
    );
    const problem = make("p.wrong", { role: "alert" });
    const title = make("h4", make("span.dot"), make("span", lane.model));
    const node = make("div", { class: "lane lane-" + place }, title, problem, ...cards.map((card) => card.node));
    return { node, cards, problem };
  }

  show() {
    const { turn } = this;
    mark(this.node, "data-state", turn.over ? "over" : "answering");
    mark(this.node, "aria-busy", String(!turn.over));
    turn.lanes.forEach((lane, place) => {
      const { cards, problem } = this.parts[place];
      const error = lane.error || lane.scoreError;
      say(problem, error ? errorWords(error) : "");
      conceal(problem, !error);
      lane.samples.forEach((sample, number) => {
        conceal(cards[number].node, lane.error !== null && !sample.text);
        cards[number].show(sample, { lane: place, number, of: lane.samples.length, chosen: number === lane.chosen });
      });
    });
    conceal(this.foot, !turn.over);
    conceal(this.edit, !turn.over);
    conceal(this.judge, this.texts().size < 2);
  }

  // The different texts of this turn: two are needed to compare.
  texts() {
    const samples = this.turn.lanes.flatMap((lane) => lane.samples.map(({ text }) => text.trim()));
    return new Set(samples.filter(Boolean));
  }

  startEditing() {
    const box = make("textarea", { rows: 3, "aria-label": word("edit"), "data-testid": "edit-question" });
    box.value = this.turn.question;
    const send = () => box.value.trim() && this.actions.resend(this.turn, box.value);
    const cancel = () => {
      this.asked.replaceChildren(this.question, this.edit);
      this.edit.focus();
    };
    box.addEventListener("keydown", (event) => {
      if (isComposing(event)) return;
      if (event.key === "Escape") cancel();
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        send();
      }
    });
    const buttons = make(
      "div.row",
      make("button.plain.small.strong", { onclick: send }, word("resend")),
      make("button.plain.small", { onclick: cancel }, word("cancel")),
    );
    this.asked.replaceChildren(make("div.editing", box, buttons));
    box.focus();
  }
}

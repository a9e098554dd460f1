// Step 6, what its five pages share: the reader's five answers, their rules, rewards and threshold, and what the tiny
// model says of them. It draws nothing. Who is kept is decided by threshold.js, the twin of lab/core/groups.py.

const GROUP_EPSILON = 0.2;

class LearnGroup {
  /** @type {number[] | null} */ rewards = null;
  /** @type {number[][]} */ scores = [];
  /** @type {number[] | null} log π_θ(y|x) of the tiny model */
  logps = null;
  /** @type {any} the answer to the last real step */
  stepped = null;
  steps = 0;
  /** @type {Set<number>} the answers whose plot was opened */
  opened = new Set();

  constructor() {
    const { prompt, right, answers } = worked();
    this.prompt = prompt;
    this.right = right;
    const kept = keptOf("group", {});
    const own = Array.isArray(kept.answers) && kept.answers.length === answers.length;
    this.answers = own ? kept.answers.map(String) : answers;
    this.rules =
      Array.isArray(kept.rules) && kept.rules.length
        ? WORKED_RULES.filter((r) => kept.rules.includes(r))
        : [...WORKED_RULES];
    this.kind = ["all", "above_mean", "top_fraction"].includes(kept.kind) ? kept.kind : "above_mean";
    this.fraction = isNumber(kept.fraction) ? kept.fraction : 0.2;
    this.scaled = kept.scaled === true;
    this.guess = answers.map(() => false);
    this.ratios = answers.map(() => 1);
    this.own = own && kept.answers.some((text, at) => text !== answers[at]);
  }

  keep() {
    const { answers, rules, kind, fraction, scaled } = this;
    keepOf("group", { answers, rules, kind, fraction, scaled });
  }

  /** The worked example again. */
  reset() {
    dropKept(localStorage, LEARN_KEPT + ".group");
    Object.assign(this, new LearnGroup());
  }

  /** Another answer: what was known of the group is known no more. @param {number} at @param {string} text */
  write(at, text) {
    this.answers[at] = text;
    this.forget();
  }

  forget() {
    Object.assign(this, { rewards: null, logps: null, stepped: null, steps: 0 });
    this.keep();
  }

  get filled() {
    return this.answers.every((text) => text.trim());
  }

  /** Scores all five by the rules that are on. */
  async score() {
    const { answers, rules } = this;
    const asked = JSON.stringify([answers, rules]);
    const scored = await scoreAnswers(this.prompt, this.right, answers, rules);
    if (asked !== JSON.stringify([this.answers, this.rules])) return;
    this.rewards = scored.map(({ reward }) => reward);
    this.scores = scored.map(({ scores }) => scores);
  }

  /** Asks the tiny model for log π of each answer. */
  async ask() {
    const asked = JSON.stringify(this.answers);
    const { logps } = await askModel({ kind: "logps", prompt: this.prompt, answers: this.answers });
    if (asked === JSON.stringify(this.answers)) this.logps = logps;
  }

  /** Takes real optimiser steps on the kept answers, from the beginning. @param {number} steps */
  async take(steps) {
    const { prompt, answers, rewards, kind, fraction, scaled } = this;
    this.stepped = await askModel({ kind: "step", prompt, answers, rewards, threshold: kind, fraction, scaled, steps });
    this.steps = steps;
  }

  /** Another threshold, fraction or scale. @param {Partial<LearnGroup>} change */
  choose(change) {
    Object.assign(this, change, { stepped: null, steps: 0 });
    this.keep();
  }

  get verdict() {
    const { mean, std } = meanAndStd(this.rewards);
    const threshold = { kind: /** @type {Threshold["kind"]} */ (this.kind), fraction: this.fraction };
    const why = whyDropped(this.rewards, mean, std, threshold);
    return {
      mean,
      std,
      why,
      kept: why.map((reason) => reason === null),
      advantages: advantagesOf(this.rewards, this.scaled),
    };
  }

  /** log π_θ at the ratio that was dragged: log π_old + ln ρ. @param {number} at */
  logpNow(at) {
    return this.logps ? this.logps[at] + Math.log(this.ratios[at]) : null;
  }

  /**
   * Sets a ratio; answers of one text share one ρ, since π sees the text alone.
   * @param {number} at
   * @param {number} ratio
   */
  drag(at, ratio) {
    this.answers.forEach((text, other) => {
      if (text === this.answers[at]) this.ratios[other] = ratio;
    });
  }

  /** The loss in both forms, and each kept answer's share. */
  get loss() {
    const { kept, advantages } = this.verdict;
    const members = kept.flatMap((is, at) =>
      is ? [{ at, advantage: advantages[at], ratio: this.ratios[at], logp: this.logpNow(at) }] : [],
    );
    return { members, ...groupLoss(members, GROUP_EPSILON) };
  }
}

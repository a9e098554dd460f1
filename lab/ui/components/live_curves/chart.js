// One small chart: raw values faint, smoothed ones strong, held-out measurements as dots, and a crosshair that all
// charts share. Drawn as SVG by hand; no plotting library, no request.

const CHART_HEIGHT = 116;
const SHARES = /(_share|_ratio|accuracy|pass_at_1|agreement|_bias|repetition|same_answer)$|^accuracy\//;
const WHOLE = /(_share|accuracy|pass_at_1|agreement|_bias|repetition|same_answer)$|^accuracy\//;

function metricLabel(name) {
  if (hasWord("m_" + name)) return word("m_" + name);
  if (name.startsWith("rule/")) return word("m_rule", { rule: ruleLabel(name.slice(5)) });
  if (name.startsWith("errors/")) return word("m_errors", { rule: ruleLabel(name.slice(7)) });
  if (name.startsWith("accuracy/")) return word("m_category", { rule: name.slice(9) });
  return name.replace(/[_/]/g, " ");
}

function metricWhy(name, algorithm) {
  if (hasWord(`why_${name}_${algorithm}`)) return word(`why_${name}_${algorithm}`);
  if (hasWord("why_" + name)) return word("why_" + name);
  const kinds = { "rule/": "why_rule", "errors/": "why_errors", "accuracy/": "why_category" };
  return word(Object.entries(kinds).find(([begins]) => name.startsWith(begins))?.[1] ?? "why_other");
}

const metricFigure = (name, value) =>
  SHARES.test(name) && isNumber(value) ? figure(value * 100, 1) + " %" : brief(value);

// The metrics that a term of the glossary explains.
const METRIC_TERMS = {
  reward: "reward",
  pass_at_1: "pass_at_1",
  kept_share: "kept",
  reward_std: "std",
  group_std: "std",
  kl: "kl",
  clip_ratio: "clip_ratio",
  entropy: "entropy",
  truncated_share: "truncated",
  loss: "loss",
  grad_norm: "gradient",
  learning_rate: "learning_rate",
  margin: "beta",
  value_loss: "critic",
  explained_variance: "critic",
};

class Chart {
  /** @type {Series} */ train;
  /** @type {Series} */ held;
  /** @type {number} */ last;
  /** @type {number} */ width;
  /** @type {number} */ low;
  /** @type {number} */ high;

  constructor(name, algorithm) {
    this.name = name;
    this.value = make("span.value");
    this.grid = draw("g", { class: "grid" });
    this.raw = draw("path", { class: "raw" });
    this.smooth = draw("path", { class: "smooth" });
    this.dots = draw("g", { class: "held" });
    this.flags = draw("g", { class: "flags" });
    this.cross = draw("line", { class: "cross", y1: 0, y2: CHART_HEIGHT - 16 });
    this.spot = draw("circle", { class: "spot", r: 3.5 });
    this.svg = draw(
      "svg",
      { role: "img", height: CHART_HEIGHT },
      this.grid,
      this.raw,
      this.smooth,
      this.dots,
      this.flags,
      this.cross,
      this.spot,
    );
    this.node = make(
      "figure.chart",
      { "data-metric": name },
      make(
        "figcaption",
        make("span.title", METRIC_TERMS[name] ? term(METRIC_TERMS[name], metricLabel(name)) : metricLabel(name)),
        this.value,
      ),
      this.svg,
      make("p.why", metricWhy(name, algorithm)),
    );
    this.point(null);
  }

  show(train, held, weight, last, width, flags) {
    Object.assign(this, { train, held, last, width });
    const values = train ? train.values : [];
    this.soft = weight > 0 ? smoothed(values, weight) : values;
    this.domain(values, held ? held.values : []);
    set(this.svg, { viewBox: `0 0 ${width} ${CHART_HEIGHT}`, width });
    this.drawGrid();
    set(this.raw, { d: train ? this.path(train.steps, values, places(values)) : "" });
    toggle(this.raw, "alone", weight === 0);
    set(this.smooth, { d: train && weight > 0 ? this.path(train.steps, this.soft, places(this.soft)) : "" });
    this.drawHeld();
    this.drawFlags(flags || []);
    if (this.step === null) this.point(null);
    const latest = values.length ? values[values.length - 1] : held && held.values[held.values.length - 1];
    const told = { name: metricLabel(this.name), value: metricFigure(this.name, latest), step: last };
    mark(this.svg, "aria-label", word("chart", told));
  }

  domain(values, others) {
    let low = Infinity;
    let high = -Infinity;
    for (const list of [values, others]) {
      for (const value of list) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (WHOLE.test(this.name)) [low, high] = [Math.min(0, low), Math.max(1, high)];
    if (!(high > low)) [low, high] = [Math.min(0, 2 * low), Math.max(0, 2 * low) || 1];
    Object.assign(this, { low, high });
  }

  x(step) {
    return 46 + (step / Math.max(1, this.last)) * (this.width - 52);
  }

  y(value) {
    return CHART_HEIGHT - 20 - ((value - this.low) / (this.high - this.low)) * (CHART_HEIGHT - 28);
  }

  // A line through the values at these places.
  path(steps, values, at) {
    const point = (i) => this.x(steps[i]).toFixed(1) + " " + this.y(values[i]).toFixed(1);
    return at.map((i, n) => (n ? "L" : "M") + point(i)).join("");
  }

  drawGrid() {
    const rows = niceTicks(this.low, this.high, 4).map((value) => {
      const y = this.y(value);
      const text = metricFigure(this.name, value).replace(/\.0 %$/, " %");
      const label = draw("text", { x: 40, y: y + 4, "text-anchor": "end" }, text);
      return [draw("line", { x1: 46, x2: this.width - 6, y1: y, y2: y }), label];
    });
    const ends = [0, this.last].map((step, i) =>
      draw("text", { x: this.x(step), y: CHART_HEIGHT - 3, "text-anchor": i ? "end" : "start" }, String(step)),
    );
    this.grid.replaceChildren(...rows.flat(), ...ends);
  }

  drawHeld() {
    const { held } = this;
    if (!held) return this.dots.replaceChildren();
    const shown = places(held.values);
    const dots = shown
      .slice(-200)
      .map((i) =>
        draw("circle", { cx: this.x(held.steps[i]).toFixed(1), cy: this.y(held.values[i]).toFixed(1), r: 3.2 }),
      );
    this.dots.replaceChildren(draw("path", { d: this.path(held.steps, held.values, shown) }), ...dots);
  }

  // Where the run gives a warning: a dashed line with a sign on it, and the sentence for whoever points at it.
  drawFlags(flags) {
    const made = flags.map(({ step, words }) => {
      const x = this.x(step).toFixed(1);
      const sign = draw("text", { x, y: 11, "text-anchor": "middle" }, "⚠\uFE0E");
      const line = draw("line", { x1: x, x2: x, y1: 14, y2: CHART_HEIGHT - 16 });
      return draw("g", {}, draw("title", {}, words), line, sign);
    });
    this.flags.replaceChildren(...made);
  }

  // Moves the crosshair to a step; null takes it away and shows the newest value.
  point(step) {
    this.step = step;
    const { train, held } = this;
    const series = train && train.steps.length ? train : held;
    const away = step === null || !series || !series.steps.length;
    this.cross.style.display = this.spot.style.display = away ? "none" : "";
    const place = !series ? -1 : away ? series.steps.length - 1 : series.near(step);
    if (place < 0) return say(this.value, "–");
    const list = series === train ? this.soft : held.values;
    const parts = [metricFigure(this.name, series.values[place])]; // as it was written: smoothing is the line's alone
    if (series === train && held && held.steps.length) {
      const measured = away ? held.steps.length - 1 : held.near(step);
      parts.push(word("held", { value: metricFigure(this.name, held.values[measured]) }));
    }
    say(this.value, parts.join(" · "));
    if (away) return undefined;
    const x = this.x(series.steps[place]).toFixed(1);
    set(this.cross, { x1: x, x2: x });
    return set(this.spot, { cx: x, cy: this.y(list[place]).toFixed(1) });
  }

  // The step under a place on the screen.
  stepAt(clientX) {
    const box = this.svg.getBoundingClientRect();
    const share = (clientX - box.left - 46) / Math.max(1, box.width - 52);
    return Math.max(0, Math.min(this.last, share * this.last));
  }
}

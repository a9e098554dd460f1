// The clipped surrogate over the ratio, with the slider that is its own axis: drag ρ along the plot, and the point
// moves on the lesser of the two branches. It computes nothing but places (the arithmetic is arithmetic.js's).

const RATIO_LOW = 0.5;
const RATIO_HIGH = 1.6;
const PLOT = { width: 300, height: 84, pad: 6 };

class ClipPlot {
  /**
   * @param {{ label: string, epsilon: number }} options
   * @param {(ratio: number) => void} change
   */
  constructor({ label, epsilon }, change) {
    this.epsilon = epsilon;
    this.free = draw("path", { class: "free" });
    this.clipped = draw("path", { class: "clipped" });
    this.least = draw("path", { class: "least" });
    this.stem = draw("line", { class: "stem" });
    this.point = draw("circle", { class: "point", r: 4.5 });
    this.zone = draw("rect", { class: "zone", y: 0, height: PLOT.height });
    this.edges = [1 - epsilon, 1 + epsilon].map(() => draw("line", { class: "edge", y1: 0, y2: PLOT.height }));
    this.svg = draw(
      "svg",
      { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      ...[this.zone, ...this.edges, this.clipped, this.free, this.least, this.stem, this.point],
    );
    this.input = rangeInput(label, { class: "axis", min: RATIO_LOW, max: RATIO_HIGH, step: 0.01 }, change);
    this.ticks = make(
      "div.ticks",
      { "aria-hidden": "true" },
      ...[1 - epsilon, 1, 1 + epsilon].map((at) => {
        const tick = make("span", figure(at, at === 1 ? 0 : 1));
        tick.style.setProperty("--at", this.share(at) * 100 + "%");
        return tick;
      }),
    );
    this.node = make("div.clip-plot", this.svg, this.input, this.ticks);
    this.input.style.setProperty("--low", this.share(1 - epsilon) * 100 + "%");
    this.input.style.setProperty("--high", this.share(1 + epsilon) * 100 + "%");
  }

  /** @param {number} ratio */
  share(ratio) {
    return (ratio - RATIO_LOW) / (RATIO_HIGH - RATIO_LOW);
  }

  /**
   * @param {number} ratio
   * @param {number} advantage
   */
  show(ratio, advantage) {
    const { width, height, pad } = PLOT;
    const x = (at) => this.share(at) * width;
    const gains = [RATIO_LOW, RATIO_HIGH].map((at) => at * advantage);
    const low = Math.min(0, ...gains);
    const high = Math.max(0, ...gains);
    const y = (gain) => height - pad - ((gain - low) / (high - low || 1)) * (height - 2 * pad);
    const bends = [RATIO_LOW, 1 - this.epsilon, 1 + this.epsilon, RATIO_HIGH];
    const path = (branch) =>
      bends.map((at, n) => `${n ? "L" : "M"}${x(at)} ${y(clippedGain(at, advantage, this.epsilon)[branch])}`).join("");
    set(this.zone, { x: x(1 - this.epsilon), width: x(1 + this.epsilon) - x(1 - this.epsilon) });
    this.edges.forEach((edge, n) => {
      const at = x(n ? 1 + this.epsilon : 1 - this.epsilon);
      set(edge, { x1: at, x2: at });
    });
    set(this.free, { d: path("free") });
    set(this.clipped, { d: path("clipped") });
    set(this.least, { d: path("gain") });
    const { gain } = clippedGain(ratio, advantage, this.epsilon);
    const place = x(Math.min(RATIO_HIGH, Math.max(RATIO_LOW, ratio)));
    set(this.stem, { x1: place, x2: place, y1: y(gain), y2: height });
    set(this.point, { cx: place, cy: y(gain) });
    this.input.value = String(ratio);
    mark(this.input, "aria-valuetext", `ρ = ${figure(ratio)}, ${figure(gain, 3)}`);
  }
}

/**
 * Which of the two branches is the lesser, lit; where they are equal, both.
 * @param {(branch: "free" | "clipped") => (Node | string)[]} label
 */
function branchPair(label) {
  const rows = /** @type {("free" | "clipped")[]} */ (["free", "clipped"]).map((branch) => {
    const value = make("b");
    const sign = make("span.min");
    return { branch, value, sign, node: make("div.branch", ...label(branch), value, sign) };
  });
  return {
    node: make("div.branches", ...rows.map(({ node }) => node)),
    /** @param {ReturnType<typeof clippedGain>} of */
    show(of) {
      const same = Math.abs(of.free - of.clipped) < 1e-9;
      for (const { branch, value, sign, node } of rows) {
        say(value, figure(of[branch], 3));
        const lit = same || of[branch] < of[branch === "free" ? "clipped" : "free"];
        mark(node, "data-lit", same ? "both" : String(lit));
        say(sign, same ? "=" : lit ? "min" : "");
      }
    },
  };
}

/**
 * Where a ratio stands and what that means for the push, in a few words.
 * @param {number} ratio
 * @param {number} advantage
 * @param {number} epsilon
 */
function ratioWords(ratio, advantage, epsilon) {
  const { held } = clippedGain(ratio, advantage, epsilon);
  if (Math.abs(advantage) < 1e-12) return { key: "ratio_nothing", held: false };
  if (ratio > 1 + epsilon) return { key: held ? "ratio_past_high" : "ratio_high_back", held };
  if (ratio < 1 - epsilon) return { key: held ? "ratio_past_low" : "ratio_low_back", held };
  return { key: "ratio_inside", held: false };
}

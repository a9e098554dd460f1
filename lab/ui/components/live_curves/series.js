// The numbers of a run as series by name, and how they are thinned and smoothed for drawing. It draws nothing.

const NO_METRICS = [
  "step",
  "time",
  "seconds",
  "version",
  "resumed_from",
  "held_out",
  "epoch",
  "samples",
  "pairs",
  "agreement_pairs",
];
const SHOWN_ELSEWHERE = /^(time|flops|bytes)\//; // of the parts of a step, which have a bar of their own (step_time.js)
const DRAWN = 1000;

class Series {
  constructor() {
    this.steps = [];
    this.values = [];
  }

  add(step, value) {
    const last = this.steps.length - 1;
    if (last >= 0 && this.steps[last] === step) this.values[last] = value;
    else if (last < 0 || this.steps[last] < step) {
      this.steps.push(step);
      this.values.push(value);
    }
  }

  // The place of the point nearest to a step; -1 where there is none.
  near(step) {
    const { steps } = this;
    let low = 0;
    let high = steps.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle] < step) low = middle + 1;
      else high = middle;
    }
    return low > 0 && step - steps[low - 1] <= steps[low] - step ? low - 1 : low < steps.length ? low : -1;
  }
}

class Metrics {
  constructor() {
    this.train = new Map();
    this.held = new Map();
    this.last = 0;
  }

  add(lines) {
    for (const line of lines || []) {
      if (isNumber(line.resumed_from)) this.drop(line.resumed_from);
      if (!isNumber(line.step)) continue;
      this.last = Math.max(this.last, line.step);
      this.put(this.train, line, line.step);
      if (line.held_out && typeof line.held_out === "object") this.put(this.held, line.held_out, line.step);
    }
  }

  put(where, line, step) {
    for (const [name, value] of Object.entries(line)) {
      if (NO_METRICS.includes(name) || SHOWN_ELSEWHERE.test(name) || !isNumber(value)) continue;
      if (!where.has(name)) where.set(name, new Series());
      where.get(name).add(step, value);
    }
  }

  // A resumed run starts again from an earlier step: what came after it is no longer true.
  drop(step) {
    for (const series of [...this.train.values(), ...this.held.values()]) {
      const keep = series.steps.filter((one) => one <= step).length;
      series.steps.length = series.values.length = keep;
    }
    this.last = step;
  }
}

// An exponential mean without its bias towards 0 at the start.
function smoothed(values, weight) {
  let level = 0;
  let mass = 0;
  return values.map((value) => {
    level = weight * level + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return level / mass;
  });
}

// Places to draw: all, or the lowest and highest of each bucket, so that no peak is lost.
function places(values) {
  if (values.length <= DRAWN) return values.map((_, i) => i);
  const kept = [];
  const buckets = DRAWN / 2;
  for (let bucket = 0; bucket < buckets; bucket += 1) {
    const from = Math.floor((bucket * values.length) / buckets);
    const to = Math.floor(((bucket + 1) * values.length) / buckets);
    let low = from;
    let high = from;
    for (let i = from; i < to; i += 1) {
      if (values[i] < values[low]) low = i;
      if (values[i] > values[high]) high = i;
    }
    kept.push(Math.min(low, high));
    if (low !== high) kept.push(Math.max(low, high));
  }
  return kept;
}

// Which charts a run gets, in which order: those of its algorithm first (`props.charts`, by algorithm), the machine's
// last.
const ORDER_LAST = ["loss", "grad_norm", "learning_rate", "tokens_per_second", "reward_seconds"];
const SAME_MEANING = { group_std: "reward_std" };

function chartNames(algorithm, metrics) {
  const known = new Set([...metrics.train.keys(), ...metrics.held.keys()]);
  for (const [name, other] of Object.entries(SAME_MEANING)) if (known.has(other)) known.delete(name);
  const flag = metrics.train.get("optimizer_step");
  if (flag && flag.values.every((value) => value === 1)) known.delete("optimizer_step");
  const first = JSON.parse(props.charts || "{}")[algorithm] || [];
  const rules = [...known].filter((name) => name.startsWith("rule/") || name.startsWith("accuracy/")).sort();
  // A reward that is made of parts has them beside it.
  const ordered = first[0] === "reward" ? ["reward", ...rules, ...first] : [...first, ...rules];
  const order = [...new Set([...ordered, ...ORDER_LAST])].filter((name) => known.has(name));
  const rest = [...known].filter((name) => !order.includes(name)).sort();
  return [...order, ...rest];
}

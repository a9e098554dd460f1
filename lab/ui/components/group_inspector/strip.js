// The dot strip (each completion at its reward, the group's mean as a line) and the sparkline of rewards over the
// steps.

const DOT = 22;
const LEVELS = 3;
const EDGE = 40;

// A place for every dot so that none overlap, given their wished places in rising order. Each stands exactly over its
// reward, stacked upward; where a stack would grow too high, all are set in columns instead, still in order.
function placeDots(xs, width) {
  const tops = [];
  for (const x of xs) {
    const near = tops.filter((other) => Math.abs(other.x - x) < DOT).map((other) => other.level);
    const level = [...Array(LEVELS).keys()].find((one) => !near.includes(one));
    if (level === undefined) return placeInColumns(xs, width);
    tops.push({ x, level });
  }
  return tops;
}

function placeInColumns(xs, width) {
  const columns = [];
  const levels = Math.max(LEVELS, Math.ceil(xs.length / Math.max(1, Math.floor(width / DOT))));
  const places = xs.map((x) => {
    let column = columns[columns.length - 1];
    if (!column || column.size === levels || x - column.x >= DOT) {
      column = { x: column ? Math.max(x, column.x + DOT) : x, size: 0 };
      columns.push(column);
    }
    column.size += 1;
    return { column, level: column.size - 1 };
  });
  let limit = width - DOT / 2;
  for (const column of columns.reverse()) {
    column.x = Math.min(column.x, limit);
    limit = column.x - DOT;
  }
  return places.map(({ column, level }) => ({ x: Math.max(DOT / 2, column.x), level }));
}

class Strip {
  constructor(onLight, onPick) {
    this.dots = [];
    this.width = 0;
    this.onLight = onLight;
    this.onPick = onPick;
    this.meanLabel = make("span.mean-label");
    this.mean = make("div.mean", this.meanLabel);
    this.axis = make("div.axis", { "aria-hidden": "true" });
    this.field = make("div.field", { role: "group", "aria-label": word("strip") });
    this.node = make("div.strip", this.field, this.mean, this.axis);
  }

  resize(width) {
    this.width = width;
    this.axisFor = null;
  }

  show(line, verdict, low, high) {
    if (!this.width) return;
    const scale = (this.width - 2 * EDGE) / (high - low || 1);
    const at = (reward) => EDGE + (isNumber(reward) ? (reward - low) * scale : 0);
    this.drawAxis(low, high, at);
    const { completions } = line;
    const order = completions
      .map((_, i) => i)
      .sort((a, b) => (completions[a].reward ?? low) - (completions[b].reward ?? low) || a - b);
    const places = placeDots(
      order.map((i) => at(completions[i].reward)),
      this.width,
    );
    while (this.dots.length < completions.length) this.addDot();
    this.dots.forEach((dot, index) => conceal(dot, index >= completions.length));
    order.forEach((index, rank) => this.showDot(index, completions[index], places[rank], verdict));
    const x = at(line.mean);
    this.mean.style.transform = `translateX(${x.toFixed(1)}px)`;
    toggle(this.mean, "left", x > this.width - 110);
    say(this.meanLabel, word("group_mean", { mean: figure(line.mean) }));
  }

  showDot(index, completion, place, verdict) {
    const dot = this.dots[index];
    const why = verdict.why[index];
    toggle(dot, "dropped", why !== null);
    toggle(dot, "tied", verdict.tie.includes(index));
    dot.style.transform = `translate(${(place.x - DOT / 2).toFixed(1)}px, ${-place.level * DOT}px)`;
    const state = why === null ? word("kept") : word("why_" + why);
    mark(dot, "aria-label", word("dot", { n: index + 1, reward: figure(completion.reward), state }));
  }

  addDot() {
    const index = this.dots.length;
    const dot = make("button.dot", { onclick: () => this.onPick(index) }, String(index + 1));
    for (const name of ["pointerenter", "focus"]) dot.addEventListener(name, () => this.onLight(index, true));
    for (const name of ["pointerleave", "blur"]) dot.addEventListener(name, () => this.onLight(index, false));
    this.dots.push(dot);
    this.field.append(dot);
  }

  drawAxis(from, to, at) {
    const name = `${from}|${to}|${this.width}|${chosenLanguage()}`;
    if (name === this.axisFor) return;
    this.axisFor = name;
    const ticks = niceTicks(from, to, Math.max(2, this.width / 150));
    this.axis.replaceChildren(
      ...ticks.map((tick) => {
        const label = make("span", brief(tick));
        label.style.left = at(tick).toFixed(1) + "px";
        return label;
      }),
    );
  }
}

// Mean reward over the timeline: faint as it was, strong as smoothed, thinned to what the width can show.
class Sparkline {
  constructor() {
    this.raw = draw("path", { class: "raw" });
    this.smooth = draw("path", { class: "smooth" });
    this.cursor = make("div.cursor");
    this.svg = draw("svg", { "aria-hidden": "true", preserveAspectRatio: "none" }, this.raw, this.smooth);
    this.node = make("div.spark", this.svg, this.cursor);
  }

  show(means, width, height) {
    this.width = width;
    set(this.svg, { viewBox: `0 0 ${width} ${height}`, width, height });
    const low = Math.min(...thin(means, 2000));
    const high = Math.max(...thin(means, 2000));
    const place = (mean, i, many) => [
      many > 1 ? 9 + (i * (width - 18)) / (many - 1) : width / 2,
      height - 4 - ((mean - low) / (high - low || 1)) * (height - 8),
    ];
    const points = Math.max(2, Math.min(means.length, Math.floor(width)));
    const smoothed = movingMean(means, Math.ceil(means.length / 60));
    set(this.raw, { d: trace(thin(means, points), place) });
    set(this.smooth, { d: trace(thin(smoothed, points), place) });
  }

  point(position, many) {
    const x = many > 1 ? 9 + (position * (this.width - 18)) / (many - 1) : this.width / 2;
    this.cursor.style.transform = `translateX(${(x || 0).toFixed(1)}px)`;
  }
}

// The mean over `reach` values to each side: it does not lag behind, as an exponential mean would.
function movingMean(values, reach) {
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  return values.map((_, i) => {
    const from = Math.max(0, i - reach);
    const to = Math.min(values.length, i + reach + 1);
    return (sums[to] - sums[from]) / (to - from);
  });
}

function thin(values, most) {
  if (values.length <= most) return values;
  return Array.from({ length: most }, (_, i) => values[Math.round((i * (values.length - 1)) / (most - 1))]);
}

function trace(values, place) {
  return values
    .map(
      (value, i) =>
        (i ? "L" : "M") +
        place(value, i, values.length)
          .map((one) => one.toFixed(1))
          .join(" "),
    )
    .join("");
}

// What the inspector knows of a run: the index of its groups (one short row each), and the full lines around the step
// on screen, fetched in windows and kept while there is room. It draws nothing.

const WINDOW = 32;
const WINDOWS_KEPT = 24;

class Steps {
  constructor(run) {
    this.run = run;
    this.forget();
  }

  forget() {
    /** @type {GroupRow[]} */
    this.rows = [];
    /** @type {string[]} */
    this.prompts = [];
    this.places = new Map();
    /** @type {Map<number, Map<number, GroupLine>>} */
    this.lines = new Map();
    this.asked = new Map();
    this.stale = new Set();
    this.recent = [];
    this.low = 0;
    this.high = 0;
  }

  /**
   * Adds index rows as the server lists them; a row seen twice counts once. True if any was new.
   * @param {ListedGroupRow[] | undefined} listed
   */
  add(listed) {
    let added = false;
    for (const row of (listed || []).map(groupRow)) {
      const key = row.step * 65536 + row.group;
      if (this.places.has(key)) continue;
      this.places.set(key, row);
      const last = this.rows[this.rows.length - 1];
      this.rows.push(row);
      if (last && (last.step > row.step || (last.step === row.step && last.group > row.group))) this.untidy = true;
      if (this.lines.has(row.step) && !this.line(row.step, row.group)) this.stale.add(row.step);
      added = true;
    }
    if (this.untidy) this.rows.sort((a, b) => a.step - b.step || a.group - b.group);
    this.untidy = false;
    return added;
  }

  // The server sends all prompts, or those since the last answer: told apart by whether the rows' numbers fit.
  learnPrompts(prompts) {
    if (!prompts || !prompts.length) return;
    const highest = this.rows.reduce((most, row) => Math.max(most, row.prompt), -1);
    this.prompts = prompts.length > highest ? prompts : this.prompts.concat(prompts);
  }

  get knowsPrompts() {
    return this.rows.every((row) => this.prompts[row.prompt] !== undefined);
  }

  // One entry a step: {step, rows}; of one prompt only, where one is chosen.
  timeline(prompt) {
    const entries = [];
    for (const row of this.rows) {
      if (prompt !== null && row.prompt !== prompt) continue;
      const last = entries[entries.length - 1];
      if (last && last.step === row.step) last.rows.push(row);
      else entries.push({ step: row.step, rows: [row] });
    }
    return entries;
  }

  line(step, group) {
    const groups = this.lines.get(step);
    return groups ? groups.get(group) : undefined;
  }

  // Fetches the window that holds a step, if anything of it is missing; resolves to true when lines arrived.
  async fetch(step) {
    const number = Math.floor((step - 1) / WINDOW);
    this.recent = [number, ...this.recent.filter((other) => other !== number)];
    const known = this.stepsOf(number);
    const missing = known.filter((one) => !this.lines.has(one) || this.stale.has(one));
    if (!missing.length) return false;
    const first = missing[0];
    const last = missing[missing.length - 1];
    const request = `${first}-${last}`;
    if (this.asked.get(number) === request) return false;
    this.asked.set(number, request);
    for (const one of missing) this.stale.delete(one);
    const lines = this.lines;
    try {
      const path = `api/runs/${encodeURIComponent(this.run)}/groups/lines?first=${first}&last=${last}`;
      const answer = await fetchJson(path);
      if (lines !== this.lines) return false;
      for (const one of missing) lines.set(one, lines.get(one) || new Map());
      for (const line of answer.lines || []) this.keep(line);
      this.trim();
      return true;
    } finally {
      if (lines === this.lines) this.asked.delete(number);
    }
  }

  // Asks for the tokens of a group, once: resolves to true when they came. A group of a run that is going on is
  // asked again, since a later update of it may be under way.
  async fetchTokens(line, again) {
    if (line.tokens !== undefined && !(again && !line.settled)) return false;
    line.settled = !again;
    const path = `api/runs/${encodeURIComponent(this.run)}/groups/tokens?step=${line.step}&group=${line.group}`;
    const { lines } = await fetchJson(path);
    if (line.tokens !== undefined && line.tokens.length === lines.length) return false;
    line.tokens = lines;
    return true;
  }

  keep(line) {
    if (!Array.isArray(line.completions)) return;
    if (!this.lines.has(line.step)) this.lines.set(line.step, new Map());
    this.lines.get(line.step).set(line.group, line);
    for (const { reward } of line.completions) {
      if (!isNumber(reward)) continue;
      this.low = Math.min(this.low, reward);
      this.high = Math.max(this.high, reward);
    }
  }

  stepsOf(number) {
    const steps = new Set();
    const first = number * WINDOW + 1;
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].step < first) low = middle + 1;
      else high = middle;
    }
    for (; low < this.rows.length && this.rows[low].step < first + WINDOW; low += 1) steps.add(this.rows[low].step);
    return [...steps];
  }

  trim() {
    if (this.recent.length <= WINDOWS_KEPT) return;
    const kept = new Set(this.recent.slice(0, WINDOWS_KEPT));
    this.recent = [...kept];
    for (const step of this.lines.keys()) if (!kept.has(Math.floor((step - 1) / WINDOW))) this.lines.delete(step);
  }
}

// How the run weighs its rules, and what stands in where one fails, by rule name.
function readWeights(recipe) {
  const weights = new Map();
  for (const use of (recipe && recipe.rules) || [])
    weights.set(use.name, { weight: use.weight ?? 1, fallback: use.fallback ?? 0 });
  return weights;
}

// What a rule adds to the reward: weight × score, or weight × fallback where the rule failed.
function share(score, use) {
  const { weight, fallback } = use || { weight: 1, fallback: 0 };
  const failed = score !== null && typeof score === "object";
  return {
    value: weight * (failed ? fallback : score),
    error: failed ? String(score.error ?? "") : null,
    weight,
    score: failed ? fallback : score,
  };
}

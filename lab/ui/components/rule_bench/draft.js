// What stands on the bench: the rule set, the samples, the share T. It is kept in this browser (saved_drafts.js), so
// that it survives a reload, and every change can be taken back. Nothing from the server or from another tab is ever
// written over it but by a click.

const HISTORY = 200;
const BURST = 1200;

class Draft {
  /** @type {BenchDraft} */ now;
  /** @type {BenchDraft[]} */ past;
  /** @type {BenchDraft[]} */ future;
  /** @type {string} */ burst;
  /** @type {number} */ at;
  /** @type {boolean} */ touched;

  constructor(fresh, onChange, onSaved) {
    this.onChange = onChange;
    this.onSaved = onSaved;
    this.past = [];
    this.future = [];
    this.savedDrafts = new SavedDrafts();
    this.now = this.savedDrafts.read() || fresh();
    this.later = spaced(() => this.store(), 300);
    addEventListener("pagehide", () => (this.touched || this.savedDrafts.bare) && this.store());
    addEventListener("storage", ({ key }) => key && key.startsWith(DRAFTS_KEY) && onSaved());
  }

  store() {
    this.savedDrafts.write(this.now);
    this.onSaved();
  }

  save() {
    this.touched = true;
    this.later();
  }

  // Changes a copy. Typing in one field (`burst` names it) is one step back, until somebody pauses.
  change(edit, burst = "") {
    const next = structuredClone(this.now);
    edit(next);
    const along = burst && burst === this.burst && Date.now() - this.at < BURST && !this.future.length;
    if (!along) this.past.push(this.now);
    if (this.past.length > HISTORY) this.past.shift();
    Object.assign(this, { now: next, future: [], burst, at: Date.now() });
    this.save();
    this.onChange(burst);
  }

  // Something that is no step of its own: which rule is selected.
  note(edit) {
    edit(this.now);
    this.save();
  }

  step(from, to) {
    if (!from.length) return;
    to.push(this.now);
    Object.assign(this, { now: from.pop(), burst: "" });
    this.save();
    this.onChange("");
  }

  undo() {
    this.step(this.past, this.future);
  }

  redo() {
    this.step(this.future, this.past);
  }
}

const isText = (value) => typeof value === "string";

function isDraft(kept) {
  const pinFits = (pin) =>
    pin && isText(pin.prompt) && isText(pin.completion) && isText(pin.answer) && isNumber(pin.expected);
  const ruleFits = (rule) =>
    rule &&
    isText(rule.name) &&
    [rule.weight, rule.fallback, rule.low, rule.high].every(isNumber) &&
    (rule.source === null || isText(rule.source)) &&
    Array.isArray(rule.pins) &&
    rule.pins.every(pinFits);
  const sampleFits = (sample) => sample && isText(sample.text);
  const groupFits = (group) =>
    group &&
    isText(group.prompt) &&
    isText(group.answer) &&
    Array.isArray(group.completions) &&
    group.completions.every(sampleFits);
  return Boolean(
    kept &&
    isText(kept.name) &&
    Array.isArray(kept.rules) &&
    kept.rules.every(ruleFits) &&
    Array.isArray(kept.groups) &&
    kept.groups.every(groupFits) &&
    isNumber(kept.fraction) &&
    kept.source &&
    isText(kept.source.kind),
  );
}

// The name, or the name with the first number behind it that is free.
function freeName(name, rules) {
  const taken = new Set(rules.map((rule) => rule.name));
  if (!taken.has(name)) return name;
  let number = 2;
  while (taken.has(`${name}_${number}`)) number += 1;
  return `${name}_${number}`;
}

const written = (name, source) => ({
  name,
  source,
  description: "",
  weight: 1,
  fallback: 0,
  low: 0,
  high: 1,
  pins: [],
});
const readyMade = (name) => written(name, null);

// Where a rule's test of this completion stands among its pins; −1 where it has none.
const pinOf = (rule, group, text) =>
  rule.pins.findIndex((pin) => pin.prompt === group.prompt && pin.completion === text && pin.answer === group.answer);

// Which key does what, and what it is called on a button. A person may give an action another key; it is kept in this
// browser. And what a key press anywhere on the page means, while the annotator can be seen and nobody types.

const DEFAULT_KEYS = {
  a: ["1", "ArrowLeft"],
  b: ["2", "ArrowRight"],
  tie: ["0"],
  both_bad: ["b"],
  skip: ["s"],
  undo: ["u"],
  edit: ["e"],
  reason: ["r"],
  differences: ["d"],
  together: ["t"],
  displayed: ["m"],
  help: ["?"],
};
const KEYS_KEPT = "lab-annotate.keys";
const NEVER_KEYS = [
  "Backspace",
  "Escape",
  "Enter",
  "Tab",
  " ",
  "ArrowUp",
  "ArrowDown",
  "PageUp",
  "PageDown",
  "Unidentified",
  "Dead",
];
const KEY_SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

const keySign = (key) => KEY_SIGNS[key] || (key.length === 1 ? key.toUpperCase() : key);

class Keys {
  constructor() {
    this.reset(false);
    const kept = readKept(localStorage, KEYS_KEPT, {});
    for (const action of Object.keys(DEFAULT_KEYS))
      if (typeof kept[action] === "string" && !NEVER_KEYS.includes(kept[action])) this.chosen[action] = kept[action];
  }

  reset(forget = true) {
    this.chosen = {};
    if (forget) dropKept(localStorage, KEYS_KEPT);
  }

  get changed() {
    return Object.keys(this.chosen).length > 0;
  }

  of(action) {
    const chosen = this.chosen[action];
    if (!chosen) return DEFAULT_KEYS[action].filter((key) => !this.isTaken(key, action));
    return [chosen, ...DEFAULT_KEYS[action].slice(1).filter((key) => key !== chosen && !this.isTaken(key, action))];
  }

  isTaken(key, action) {
    return Object.entries(this.chosen).some(([other, chosen]) => other !== action && chosen === key);
  }

  sign(action) {
    const [first] = this.of(action);
    return first ? keySign(first) : "";
  }

  action(key) {
    return Object.keys(DEFAULT_KEYS).find((action) => this.of(action).includes(key)) || null;
  }

  // Gives an action another key; whatever had it takes the one that becomes free. False for a key that may not be used.
  choose(action, key) {
    if (NEVER_KEYS.includes(key) || key.length > 12) return false;
    const before = this.of(action)[0];
    const other = this.action(key);
    if (other === action) return true;
    if (other && before) this.chosen[other] = before;
    this.chosen[action] = key;
    for (const [name, chosen] of Object.entries(this.chosen))
      if (chosen === DEFAULT_KEYS[name][0]) delete this.chosen[name];
    writeKept(localStorage, KEYS_KEPT, this.chosen);
    return true;
  }
}

const SCROLLS = { ArrowDown: 90, ArrowUp: -90, PageDown: 400, PageUp: -400 };

function onKeyPress(annotator, event) {
  if (!annotator.presence.visible || event.defaultPrevented || annotator.help.isOpen || isTyping(event)) return;
  if (event.key === "Backspace") return void event.preventDefault();
  const key = keyOf(event);
  const { mode, queue } = annotator;
  if (key in SCROLLS) {
    if (queue && queue.now && mode !== "editing" && annotator.pair.scrollBy(SCROLLS[key])) event.preventDefault();
    return;
  }
  // A key that is held down judges one pair, not thirty.
  if (event.repeat) return;
  if (key === "Escape" && mode !== "judging" && mode !== "editing") return void annotator.setMode("judging");
  if (mode === "strength") {
    if (key !== "Enter" && !STRENGTHS.includes(Number(key))) return;
    event.preventDefault();
    return void annotator.strong(key === "Enter" ? null : Number(key));
  }
  const action = annotator.keys.action(key);
  if (!action) return;
  event.preventDefault();
  annotator.act(action);
}

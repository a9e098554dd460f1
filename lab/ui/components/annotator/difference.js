// Where two texts differ, word by word, and character by character in scripts that put no blanks between words. Myers'
// O(ND) algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986). Plain text in, ranges out: nothing is
// drawn here.

const MOST_EDITS = 900;
const LEAST_IN_COMMON = 0.2;
const UNITS = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]|[\p{L}\p{M}\p{N}_]+|\s+|[^]/gu;
const SPACELESS = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;

function unitsOf(text) {
  const units = [];
  for (const match of text.matchAll(UNITS)) {
    const [unit] = match;
    // Word characters of a script without blanks: one by one.
    if (unit.length > 1 && SPACELESS.test(unit)) {
      let at = match.index;
      for (const character of unit) {
        units.push({ text: character, start: at });
        at += character.length;
      }
    } else units.push({ text: /^\s+$/.test(unit) ? " " : unit, start: match.index, end: match.index + unit.length });
  }
  return units.map((unit) => ({ ...unit, end: unit.end || unit.start + unit.text.length }));
}

// The units of one and of other that are not shared, as two lists of true and false; null where they differ too much.
function unshared(one, other) {
  const n = one.length;
  const m = other.length;
  const most = Math.min(n + m, MOST_EDITS);
  const furthest = new Int32Array(2 * most + 3);
  const middle = most + 1;
  const trace = [];
  let depth = 0;
  for (let found = false; !found; depth += 1) {
    if (depth > most) return null;
    trace.push(furthest.slice(middle - depth - 1, middle + depth + 2));
    for (let k = -depth; k <= depth; k += 2) {
      const down = k === -depth || (k !== depth && furthest[middle + k - 1] < furthest[middle + k + 1]);
      let x = down ? furthest[middle + k + 1] : furthest[middle + k - 1] + 1;
      let y = x - k;
      while (x < n && y < m && one[x].text === other[y].text) {
        x += 1;
        y += 1;
      }
      furthest[middle + k] = x;
      if (x >= n && y >= m) found = true;
    }
  }
  return walkBack(one, other, trace, depth - 1);
}

function walkBack(one, other, trace, depth) {
  const lost = new Array(one.length).fill(false);
  const gained = new Array(other.length).fill(false);
  let x = one.length;
  let y = other.length;
  for (let d = depth; d > 0; d -= 1) {
    const reached = (k) => trace[d][k + d + 1];
    const k = x - y;
    const down = k === -d || (k !== d && reached(k - 1) < reached(k + 1));
    const from = down ? k + 1 : k - 1;
    const fromX = reached(from);
    const fromY = fromX - from;
    if (down) gained[fromY] = true;
    else lost[fromX] = true;
    x = fromX;
    y = fromY;
  }
  return [lost, gained];
}

// Ranges [[start, end], …] of the units that are marked; a blank between two of them is marked with them.
function rangesOf(units, marks) {
  const ranges = [];
  units.forEach((unit, i) => {
    const bridge = unit.text === " " && i > 0 && marks[i - 1] && marks[i + 1];
    if (!marks[i] && !bridge) return;
    const last = ranges[ranges.length - 1];
    if (last && last[1] === unit.start) last[1] = unit.end;
    else ranges.push([unit.start, unit.end]);
  });
  return ranges;
}

// {a, b}: what each has that the other lacks; null where they have so little in common that marks would say nothing.
function differences(a, b) {
  const one = unitsOf(a);
  const other = unitsOf(b);
  const found = unshared(one, other);
  if (!found) return null;
  const words = (units) => units.filter((unit) => unit.text !== " ");
  const common = one.filter((unit, i) => !found[0][i] && unit.text !== " ").length;
  if (common < LEAST_IN_COMMON * Math.min(words(one).length, words(other).length)) return null;
  return { a: rangesOf(one, found[0]), b: rangesOf(other, found[1]) };
}

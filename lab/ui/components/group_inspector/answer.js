// Finds the answer in what a model wrote, so that it can be shown where it is never clipped. Plain text in and out: it
// looks, it does not judge; whether the answer is right is said by the rules.

const ANSWER_TAIL = 1500;
const LAST_WORDS = 60;
const CHAIN = /^\s?=\s?([^\s,;，；。=→⇒<>]+)/;
const ANSWER_FORMS = [
  /####\s*([^\n]+)/g,
  /\\boxed\{([^{}\n]*)\}/g,
  /(?:no solution|无解)/gi,
  /(?<![a-z])[a-z]\s?=\s?([^\s,;，；。=→⇒<>]+)/gi,
];

function taggedAnswer(text) {
  const open = text.lastIndexOf("<answer>");
  if (open < 0) return null;
  const close = text.indexOf("</answer>", open);
  return spot(text, open + 8, close < 0 ? text.length : close);
}

// The part without the blanks around it; null where nothing is left.
function spot(text, start, end) {
  const inner = text.slice(start, end);
  const left = start + inner.length - inner.trimStart().length;
  const found = inner.trim().replace(/[.。]+$/, "");
  return found ? { start: left, end: left + found.length, text: found } : null;
}

// {start, end, text} of the answer that comes last within the text, or of its last line where there is no form of one.
function findAnswer(text) {
  const tagged = taggedAnswer(text);
  if (tagged) return tagged;
  const offset = Math.max(0, text.length - ANSWER_TAIL);
  const tail = text.slice(offset);
  let best = null;
  for (const form of ANSWER_FORMS) {
    for (const match of tail.matchAll(form)) {
      const part = match[1] === undefined ? match[0] : match[1];
      const start = offset + match.index + match[0].lastIndexOf(part);
      const found = spot(text, start, start + part.length);
      if (found && (!best || found.start >= best.start)) best = found;
    }
  }
  if (best) return endOfChain(text, best);
  const end = text.trimEnd().length;
  const start = Math.max(text.lastIndexOf("\n", end - 1) + 1, end - LAST_WORDS);
  return spot(text, start, end) || { start: 0, end: 0, text: "" };
}

// In "x = 20/4 = 5" the answer is what the chain of equals signs ends with.
function endOfChain(text, found) {
  let last = found;
  for (
    let rest = CHAIN.exec(text.slice(last.end, last.end + 80));
    rest;
    rest = CHAIN.exec(text.slice(last.end, last.end + 80))
  ) {
    const start = last.end + rest[0].length - rest[1].length;
    const next = spot(text, start, start + rest[1].length);
    if (!next) break;
    last = next;
  }
  return last;
}

const answersFound = new WeakMap();

function answerOf(completion) {
  let found = answersFound.get(completion);
  if (!found) answersFound.set(completion, (found = findAnswer(completion.text || "")));
  return found;
}

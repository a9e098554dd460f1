// A prompt or a response as it is read: every character as it was written, code between its fences in a code face, marks
// where it differs. All of it is set as text; nothing is interpreted.

const FENCE = /^[ \t]*(`{3,}|~{3,})[^\n]*$/gm;
const SHORT_PROMPT = 160;

// [{code, start, end}] that cover the text: a fence opens code, and the next one like it, or the end, closes it.
function blocksOf(text) {
  const blocks = [];
  let at = 0;
  let open = null;
  for (const match of text.matchAll(FENCE)) {
    const end = match.index + match[0].length;
    if (!open) {
      if (match.index > at) blocks.push({ code: false, start: at, end: match.index });
      open = { mark: match[1], start: match.index };
    } else if (match[1][0] === open.mark[0] && match[1].length >= open.mark.length && match[0].trim() === match[1]) {
      blocks.push({ code: true, start: open.start, end });
      open = null;
      at = end;
    }
  }
  if (open) blocks.push({ code: true, start: open.start, end: text.length });
  else if (at < text.length) blocks.push({ code: false, start: at, end: text.length });
  return blocks;
}

// The pieces of text from start to end, with those in the ranges marked.
function marked(text, start, end, ranges) {
  const pieces = [];
  let at = start;
  for (const [from, to] of ranges) {
    if (to <= start || from >= end) continue;
    if (from > at) pieces.push(text.slice(at, from));
    pieces.push(make("mark", {}, text.slice(Math.max(from, at), Math.min(to, end))));
    at = Math.min(to, end);
  }
  if (at < end) pieces.push(text.slice(at, end));
  return pieces;
}

function passage(text, ranges = []) {
  const body = make("div", { class: "passage" });
  for (const { code, start, end } of blocksOf(text)) {
    let [from, to] = [start, end];
    if (!code && from > 0 && text[from] === "\n") from += 1;
    if (!code && to < text.length && text[to - 1] === "\n") to -= 1;
    if (from < to) body.append(make(code ? "pre" : "div", { class: code ? "code" : "words" }, ...marked(text, from, to, ranges)));
  }
  if (!text.trim()) body.append(make("p", { class: "quiet" }, word("nothing_written")));
  return body;
}

function promptPassage(prompt) {
  if (typeof prompt === "string") {
    const short = prompt.length <= SHORT_PROMPT && !prompt.includes("\n\n");
    return make("div", { class: short ? "asked short" : "asked" }, passage(prompt));
  }
  const turns = prompt.map(({ role, content }) =>
    make("div", { class: "turn " + role }, make("span", { class: "role" }, hasWord("role_" + role) ? word("role_" + role) : role), passage(content)),
  );
  return make("div", { class: "asked turns" }, ...turns);
}

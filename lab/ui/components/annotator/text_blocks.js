// A prompt or a response as it is read. As written: every character, code between its fences in a code face, marks
// where it differs, all of it set as text. As displayed: what text_display.js makes of it.

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
    pieces.push(make("mark", text.slice(Math.max(from, at), Math.min(to, end))));
    at = Math.min(to, end);
  }
  if (at < end) pieces.push(text.slice(at, end));
  return pieces;
}

// [[start, end], …] of the paragraphs: a blank line parts them. Each gets its own direction, so that Hebrew below
// English reads right.
function paragraphsOf(text, start, end) {
  const paragraphs = [];
  let at = start;
  for (const match of text.slice(start, end).matchAll(/\n\n/g)) {
    paragraphs.push([at, start + match.index]);
    at = start + match.index + 2;
  }
  paragraphs.push([at, end]);
  return paragraphs;
}

// The text as written, with these ranges marked.
function writtenBlocks(text, ranges) {
  const body = make("div.passage");
  for (const { code, start, end } of blocksOf(text)) {
    let [from, to] = [start, end];
    if (!code && from > 0 && text[from] === "\n") from += 1;
    if (!code && to < text.length && text[to - 1] === "\n") to -= 1;
    if (from >= to) continue;
    if (code) body.append(make("pre.code", { dir: "ltr" }, ...marked(text, from, to, ranges)));
    else
      paragraphsOf(text, from, to).forEach(([first, last], place) => {
        if (place) body.append("\n\n"); // not drawn; it stays in what is copied
        body.append(make("p.words", { dir: "auto" }, ...marked(text, first, last, ranges)));
      });
  }
  if (!text.trim()) body.append(make("p.quiet", word("nothing_written")));
  return body;
}

// As `display` (text_display.js) has it, and as written where there are ranges to mark.
function textBlocks(text, display, ranges = null) {
  const nodes = ranges || !text.trim() ? null : display.nodes(text);
  return nodes ? make("div.passage", nodes) : writtenBlocks(text, ranges || []);
}

function promptBlocks(prompt, display) {
  if (typeof prompt === "string") {
    const short = prompt.length <= SHORT_PROMPT && !prompt.includes("\n\n");
    return make("div", { class: short ? "asked short" : "asked" }, textBlocks(prompt, display));
  }
  const turns = prompt.map(({ role, content }) =>
    make(
      "div",
      { class: "turn " + role },
      make("span.role", hasWord("role_" + role) ? word("role_" + role) : role),
      textBlocks(content, display),
    ),
  );
  return make("div.asked.turns", ...turns);
}

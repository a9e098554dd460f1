// Colours Python source, line by line: what kind each piece of a line is, and whether a string goes on in the next
// line. It knows no page; what is not recognised stays plain.

const PYTHON_WORDS = new Set(
  (
    "and as assert async await break class continue def del elif else except finally for from global if import in " +
    "is lambda " +
    "nonlocal not or pass raise return try while with yield match case"
  ).split(" "),
);
const PYTHON_VALUES = new Set(["None", "True", "False", "prompt", "completion", "answer"]);
const PYTHON_PIECE = new RegExp(
  [
    /(?<comment>#.*)/,
    /(?<text>[rbfRBF]{0,2}(?:"""|'''|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))/,
    /(?<number>\b\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?)/,
    /(?<name>[^\W\d]\w*)/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gu",
);

// [[kind, text]…] of one line; `open` is the quotation mark of a long string that began above, or "".
function colourLine(line, open) {
  const pieces = [];
  let at = 0;
  const push = (kind, end) => {
    if (end > at) pieces.push([kind, line.slice(at, end)]);
    at = Math.max(at, end);
  };
  const closing = (from) => {
    const found = line.indexOf(open, from);
    push("text", found < 0 ? line.length : found + 3);
    if (found >= 0) open = "";
  };
  if (open) closing(0);
  let defines = false;
  while (at < line.length) {
    PYTHON_PIECE.lastIndex = at;
    const found = PYTHON_PIECE.exec(line);
    if (!found) break;
    push("", found.index);
    const { comment, text, number, name } = found.groups;
    if (text !== undefined && /("""|''')$/.test(text) && text.length <= 5) {
      open = text.slice(-3);
      closing(found.index + text.length);
      continue;
    }
    const kind =
      comment !== undefined
        ? "comment"
        : text !== undefined
          ? "text"
          : number !== undefined
            ? "number"
            : kindOfName(name, defines);
    defines = name === "def" || name === "class";
    push(kind, found.index + found[0].length);
  }
  push("", line.length);
  return { pieces, open };
}

function kindOfName(name, defines) {
  if (defines) return "defined";
  if (PYTHON_WORDS.has(name)) return "keyword";
  return PYTHON_VALUES.has(name) ? "value" : "";
}

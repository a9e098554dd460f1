// Markdown, tables and LaTeX as nodes that may stand in the page. What a text brings of HTML, images, links and
// definitions is shown as it is written; mathematics becomes MathML; and everything passes through DOMPurify by a list
// of what may stay. It needs the libraries of lab/ui/vendor, and fetches nothing.

const LONGEST_DISPLAYED = 100000; // characters; longer texts are shown as written
const LONGEST_FORMULA = 5000;
const FORMULA_MARKS = [
  ["$$", "$$"],
  ["\\[", "\\]"],
  ["\\(", "\\)"],
  ["$", "$"],
];
const FORMULA_BLOCK = /^(?:\$\$|\\\[|\\begin\{((?:equation|align|alignat|gather|multline)\*?)\})/;
const TEXT_TAGS = "p br hr h4 h5 h6 strong em s code pre blockquote ul ol li table thead tbody tr th td";
const FORMULA_TAGS =
  "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle mpadded mphantom menclose msub msup msubsup " +
  "munder mover munderover mmultiscripts mprescripts none mtable mtr mtd";
const TEXT_ATTRIBUTES = "dir align start";
const FORMULA_ATTRIBUTES =
  "display displaystyle scriptlevel mathvariant stretchy fence separator symmetric largeop movablelimits accent " +
  "accentunder form lspace rspace minsize maxsize width height depth voffset linethickness columnalign rowspacing " +
  "columnspacing columnlines rowlines notation mathcolor mathbackground class data-look";
const MATHML = "http://www.w3.org/1998/Math/MathML";
// A formula's styles are set by script: a page whose policy forbids styles in the markup would drop them.
const FORMULA_STYLES = /^(?:padding|border|color|math-)[a-z-]*$/;

// Where the closing mark begins, from `at` on; −1 where there is none. A backslash takes the character behind it along.
function formulaEnd(source, at, close, limit) {
  for (let place = at; place <= limit - close.length; place += 1) {
    if (source.startsWith(close, place)) return place;
    if (source[place] === "\\") place += 1;
  }
  return -1;
}

function inlineFormula(state, silent) {
  const { src: source, pos } = state;
  const [open, close] = FORMULA_MARKS.find(([mark]) => source.startsWith(mark, pos)) || [];
  if (!open) return false;
  const limit = Math.min(state.posMax, pos + LONGEST_FORMULA);
  const end = formulaEnd(source, pos + open.length, close, limit);
  const formula = source.slice(pos + open.length, end);
  if (end < 0 || !formula.trim()) return false;
  // "$5 and $6" are prices: a formula between single signs touches both, and no digit follows it.
  if (open === "$" && (/^\s|\s$/.test(formula) || /\d/.test(source[end + 1] || ""))) return false;
  if (!silent) Object.assign(state.push("formula", "", 0), { content: formula, info: open, markup: close });
  state.pos = end + close.length;
  return true;
}

// A formula on lines of its own, whose lines would else be read as lists or headings.
function blockFormula(state, first, last, silent) {
  if (state.sCount[first] - state.blkIndent >= 4) return false;
  const begins = state.src.slice(state.bMarks[first] + state.tShift[first], state.eMarks[first]).match(FORMULA_BLOCK);
  if (!begins) return false;
  const [open, environment] = begins;
  const close = environment ? `\\end{${environment}}` : open === "$$" ? "$$" : "\\]";
  const text = state.getLines(first, last, state.blkIndent, false).trimStart();
  const end = formulaEnd(text, open.length, close, Math.min(text.length, LONGEST_FORMULA));
  const rest = text.slice(end + close.length).match(/^[^\n]*/)[0];
  if (end < 0 || rest.trim()) return false;
  if (silent) return true;
  const formula = environment ? text.slice(0, end + close.length) : text.slice(open.length, end);
  const marks = environment ? { info: "", markup: "" } : { info: open, markup: close };
  Object.assign(state.push("formula", "", 0), { block: true, content: formula, ...marks, meta: { display: true } });
  state.line = first + text.slice(0, end).split("\n").length;
  return true;
}

// MathML as text; a formula that cannot be read stays as it is written.
function formulaMarkup({ content, info: open, markup: close, meta }) {
  const displayMode = Boolean(meta && meta.display) || open === "$$" || open === "\\[";
  try {
    const options = {
      displayMode,
      throwOnError: true,
      trust: false,
      maxSize: [20, 300],
      maxExpand: 1000,
      wrap: "none",
    };
    return window.temml.renderToString(content, options).replace(/ style="/g, ' data-look="');
  } catch {
    const written = open + content + close;
    return `<code dir="ltr">${written.replace(/&/g, "&amp;").replace(/</g, "&lt;")}</code>`;
  }
}

// Every paragraph has its own direction; headings stand below those of the page; a column's side is said without a
// style.
function arrange(state) {
  for (const token of state.tokens) {
    if (/^h\d$/.test(token.tag)) token.tag = "h" + Math.min(6, Number(token.tag[1]) + 3);
    if (token.nesting === 1 && /^(p|h\d|li|td|th|blockquote)$/.test(token.tag)) token.attrSet("dir", "auto");
    const side = /text-align:(\w+)/.exec(token.attrGet("style") || "");
    if (side)
      token.attrs = [
        ["dir", "auto"],
        ["align", side[1]],
      ];
  }
}

function newMarkdown() {
  const markdown = window.markdownit({ html: false, linkify: false, typographer: false, breaks: true, maxNesting: 20 });
  markdown.disable(["image", "link", "autolink", "reference"]);
  markdown.inline.ruler.before("escape", "formula", inlineFormula);
  markdown.block.ruler.before("fence", "formula", blockFormula, { alt: ["paragraph", "blockquote", "list"] });
  markdown.core.ruler.push("arrange", arrange);
  markdown.renderer.rules.formula = (tokens, place) => formulaMarkup(tokens[place]);
  return markdown;
}

// A function from text to a fragment.
function newDisplay() {
  const markdown = newMarkdown();
  const purifier = window.DOMPurify(window);
  const allowed = {
    ALLOWED_TAGS: `${TEXT_TAGS} ${FORMULA_TAGS}`.split(" "),
    ALLOWED_ATTR: `${TEXT_ATTRIBUTES} ${FORMULA_ATTRIBUTES}`.split(" "),
    ADD_URI_SAFE_ATTR: ["data-look"], // "padding:3pt" is no address
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  };
  purifier.addHook("uponSanitizeAttribute", (node, attribute) => {
    if (["class", "data-look"].includes(attribute.attrName) && node.namespaceURI !== MATHML) attribute.keepAttr = false;
  });
  return (text) => {
    const fragment = purifier.sanitize(markdown.render(text), allowed);
    for (const node of fragment.querySelectorAll("[data-look]")) {
      for (const [name, value] of node.dataset.look.split(";").map((style) => style.split(":")))
        if (FORMULA_STYLES.test(name) && /^[\w\s.#%-]+$/.test(value || "")) node.style.setProperty(name, value);
      node.removeAttribute("data-look");
    }
    return fragment;
  };
}

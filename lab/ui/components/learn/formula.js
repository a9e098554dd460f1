// Formulas as native MathML: no font, no library, no request. A string becomes numbers, letters, upright words and
// signs; the other pieces are built around strings. Nothing here knows what a formula means.

const MATH = "http://www.w3.org/1998/Math/MathML";
const MATH_PIECE =
  /\d+(?:[.,]\d+)*|[A-Za-z]{2,}|[A-Za-z\u0370-\u03ff\u2112\u{1d53c}]|[\u3400-\u9fff]+|−|\s+|[^\s\u3400-\u9fff]/gu;

/** @typedef {string | Element} Formula */

/**
 * @param {string} tag
 * @param {...Formula} children
 */
function mathNode(tag, ...children) {
  const node = document.createElementNS(MATH, tag);
  node.append(...children.map((child) => (typeof child === "string" ? mathRow(child) : child)));
  return node;
}

/** @param {string} tag @param {string} text */
function mathLeaf(tag, text) {
  const node = document.createElementNS(MATH, tag);
  node.textContent = text;
  return node;
}

/** @param {string} piece */
function mathPiece(piece) {
  if (/^\d/.test(piece)) return mathLeaf("mn", piece);
  if (/^[\u3400-\u9fff]/.test(piece)) return mathLeaf("mtext", piece);
  if (/^[A-Za-z\u0370-\u03ff\u2112\u{1d53c}]/u.test(piece)) return mathLeaf("mi", piece);
  return mathLeaf("mo", piece);
}

/** One row of strings and pieces. @param {...Formula} parts */
function mathRow(...parts) {
  const nodes = parts.flatMap((part) =>
    typeof part === "string" ? (part.match(MATH_PIECE) || []).filter((piece) => piece.trim()).map(mathPiece) : [part],
  );
  if (nodes.length === 1) return nodes[0];
  const row = document.createElementNS(MATH, "mrow");
  row.append(...nodes);
  return row;
}

/** @type {(over: Formula, under: Formula) => Element} */
const fraction = (over, under) => mathNode("mfrac", over, under);
/** @type {(base: Formula, below: Formula) => Element} */
const sub = (base, below) => mathNode("msub", base, below);
/** @type {(below: Formula) => Element} */
function sumOver(below) {
  const sign = mathLeaf("mo", "∑");
  return mathNode("munder", sign, below);
}

/**
 * A whole formula; `block` on a line of its own.
 * @param {boolean} block
 * @param {...Formula} parts
 */
function formula(block, ...parts) {
  const node = mathNode("math", mathRow(...parts));
  if (block) node.setAttribute("display", "block");
  node.classList.add(block ? "formula" : "inline-formula");
  return node;
}

/** Writes another formula in the place of one. @param {Element} place @param {...Formula} parts */
function refill(place, ...parts) {
  place.replaceChildren(mathRow(...parts));
}

/** The answer y_i with its number below. @param {number} index from 0 */
const answerName = (index) => sub("y", String(index + 1));

/** What a formula comes to, set apart. @param {string} text */
function resultPiece(text) {
  const piece = mathRow(text);
  piece.setAttribute("class", "result");
  return piece;
}

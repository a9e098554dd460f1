// The code editor: a text area over its own coloured copy, with line numbers and marks on lines that are wrong. The
// browser keeps the undo of what is typed; Tab indents, and after Escape it leaves the editor as anywhere else. What
// the code means is not known here.

const INDENT = "    ";

class Editor {
  constructor(onInput) {
    this.lines = [];
    this.marks = new Map();
    this.copy = make("pre.copy-of-code", { "aria-hidden": "true" });
    this.area = make("textarea.source", {
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      autocorrect: "off",
      wrap: "off",
      rows: 1,
      "data-testid": "rule-source",
      "aria-label": word("source"),
      "aria-describedby": "rule-bench-keys",
    });
    this.node = make("div.editor", make("div.sheet", this.copy, this.area));
    this.area.addEventListener("input", () => {
      this.draw();
      onInput(this.area.value);
    });
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.area.addEventListener("blur", () => (this.leaving = false));
  }

  get value() {
    return this.area.value;
  }

  // Another source, from outside; the same one changes nothing, so that the caret stays where it is.
  show(source, { readonly = false } = {}) {
    this.area.readOnly = readonly;
    toggle(this.node, "readonly", readonly);
    if (this.area.value !== source) this.area.value = source;
    this.draw();
  }

  // `problems` by line number: their sentences.
  markLines(problems) {
    this.marks = problems;
    mark(this.area, "aria-invalid", problems.size ? "true" : null);
    this.lines.forEach((line, place) => this.markLine(line, place + 1));
  }

  markLine(line, number) {
    toggle(line.node, "wrong", this.marks.has(number));
    mark(line.node, "title", this.marks.get(number));
  }

  // Draws the lines anew whose text changed, or whose beginning lies in another string than before.
  draw() {
    const texts = this.area.value.split("\n");
    let open = "";
    texts.forEach((text, place) => {
      const line = (this.lines[place] = this.lines[place] || this.newLine(place));
      if (line.text !== text || line.from !== open) {
        const coloured = colourLine(text, open);
        line.node.replaceChildren(
          ...coloured.pieces.map(([kind, piece]) => (kind ? make("span", { class: "py-" + kind }, piece) : piece)),
          "\u200b",
        );
        Object.assign(line, { text, from: open, to: coloured.open });
      }
      open = line.to;
    });
    for (const line of this.lines.splice(texts.length)) line.node.remove();
    const digits = String(String(texts.length).length);
    this.area.style.setProperty("--digits", digits);
    this.copy.style.setProperty("--digits", digits);
  }

  newLine(place) {
    const node = make("div.code-line", { "data-line": place + 1 });
    this.copy.append(node);
    const line = { node, text: null, from: "", to: "" };
    this.markLine(line, place + 1);
    return line;
  }

  goTo(number) {
    const before = this.area.value
      .split("\n")
      .slice(0, number - 1)
      .join("\n");
    const start = before.length + (number > 1 ? 1 : 0);
    const line = this.area.value.split("\n")[number - 1] || "";
    this.area.focus();
    this.area.setSelectionRange(start, start + line.length);
    const box = this.lines[number - 1];
    if (box) box.node.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (isComposing(event)) return undefined;
    if (event.key === "Escape") return void (this.leaving = true);
    if (event.key === "Tab") {
      if (this.leaving || this.area.readOnly || event.ctrlKey || event.altKey || event.metaKey) return undefined;
      event.preventDefault();
      return this.indent(event.shiftKey);
    }
    if (!["Shift", "Control", "Alt", "Meta"].includes(event.key)) this.leaving = false;
    if (this.area.readOnly) return undefined;
    if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.altKey) this.newline(event);
    if (event.key === "Backspace" && !event.ctrlKey && !event.metaKey && !event.altKey) this.unindentByBackspace(event);
    if (event.key === "/" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.comment();
    }
    return undefined;
  }

  newline(event) {
    const { value, selectionStart: at, selectionEnd: end } = this.area;
    const line = value.slice(value.lastIndexOf("\n", at - 1) + 1, at);
    const deeper = /:\s*(#.*)?$/.test(line) && at === end ? INDENT : "";
    event.preventDefault();
    this.type("\n" + line.match(/^\s*/)[0] + deeper);
  }

  unindentByBackspace(event) {
    const { value, selectionStart: at, selectionEnd: end } = this.area;
    const line = value.slice(value.lastIndexOf("\n", at - 1) + 1, at);
    if (at !== end || !line || line.trim() || line.length % INDENT.length || line.includes("\t")) return;
    event.preventDefault();
    this.area.setSelectionRange(at - INDENT.length, at);
    this.type("");
  }

  // One caret: to the next stop. Several lines: all of them, one stop in or out.
  indent(out) {
    const { value, selectionStart: at, selectionEnd: end } = this.area;
    if (at === end && !out) {
      const column = at - (value.lastIndexOf("\n", at - 1) + 1);
      return this.type(INDENT.slice(column % INDENT.length));
    }
    this.eachLine((line) => (out ? line.replace(/^( {1,4}|\t)/, "") : line.trim() ? INDENT + line : line));
  }

  comment() {
    const chosen = this.chosenLines()
      .text.split("\n")
      .filter((line) => line.trim());
    const all = chosen.every((line) => /^\s*#/.test(line));
    this.eachLine((line) =>
      all ? line.replace(/^(\s*)# ?/, "$1") : line.trim() ? line.replace(/^(\s*)/, "$1# ") : line,
    );
  }

  chosenLines() {
    const { value, selectionStart: at, selectionEnd: end } = this.area;
    const from = value.lastIndexOf("\n", at - 1) + 1;
    const last = end > at && value[end - 1] === "\n" ? end - 1 : end;
    const stop = value.indexOf("\n", last);
    const to = stop < 0 ? value.length : stop;
    return { from, to, text: value.slice(from, to) };
  }

  eachLine(change) {
    const { from, to, text } = this.chosenLines();
    const caret =
      this.area.selectionStart === this.area.selectionEnd ? this.area.value.length - this.area.selectionEnd : null;
    const changed = text.split("\n").map(change).join("\n");
    if (changed === text) return;
    this.area.setSelectionRange(from, to);
    this.type(changed);
    if (caret === null) this.area.setSelectionRange(from, from + changed.length);
    else this.area.setSelectionRange(this.area.value.length - caret, this.area.value.length - caret);
  }

  // As if typed, so that the browser's own undo knows it.
  type(text) {
    const done = text === "" ? document.execCommand("delete") : document.execCommand("insertText", false, text);
    if (done) return;
    this.area.setRangeText(text, this.area.selectionStart, this.area.selectionEnd, "end");
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

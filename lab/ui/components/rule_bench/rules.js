// The left side of the bench: the rules of the set with their weights, and the selected one with its source. It shows
// the draft and asks it for changes; what a rule scores is the table's.

const RULE_COLOURS = 8;
const ruleColour = (place) => `var(--rule-${place % RULE_COLOURS})`;
const abouts = JSON.parse(props.abouts || "{}");
const aboutReady = (rule) => (abouts[chosenLanguage()] || {})[rule] || "";
// Sources to begin from: blank, and simpler rules than the ready-made ones that have no short source of their own.
const examples = JSON.parse(props.examples || "{}");
// What ready-made rules score with, by name, where that can stand in a written rule.
const sources = JSON.parse(props.sources || "{}");

const labelOf = (rule) => (rule.source === null ? ruleLabel(rule.name) : rule.name);
const aboutOf = (rule) => (rule.source === null ? aboutReady(rule.name) : rule.description);

// A field for a number: what is no number in its range is marked and changes nothing, and is never overwritten while it
// has the focus.
class Figure {
  constructor(name, attributes, onChange) {
    this.input = make("input.figure", { type: "text", inputmode: "decimal", autocomplete: "off", ...attributes });
    this.name = name;
    this.input.addEventListener("input", () => {
      const value = readFigure(this.input.value);
      mark(this.input, "aria-invalid", value === null ? "true" : null);
      if (value !== null) onChange(value);
    });
    this.input.addEventListener("blur", () => this.show(this.value, true));
  }

  show(value, left = false) {
    this.value = value;
    if (!left && document.activeElement === this.input && readFigure(this.input.value) === value) return;
    if (!left && document.activeElement === this.input && this.input.getAttribute("aria-invalid")) return;
    mark(this.input, "aria-invalid", null);
    const text = plainFigure(value);
    if (this.input.value !== text) this.input.value = text;
  }
}

const plainFigure = (value) => String(Number(value.toPrecision(12))).replace("-", "−");

function readFigure(text) {
  const tidy = text
    .trim()
    .replace(/[−–]/g, "-")
    .replace("，", ".")
    .replace(/^(-?\d*),(\d+)$/, "$1.$2");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(tidy)) return null;
  const value = Number(tidy);
  return Number.isFinite(value) ? value : null;
}

class RuleRow {
  constructor(bench, place) {
    this.bench = bench;
    const act = (what) => () => bench.rulesChanged(what, this.place);
    this.swatch = make("span.swatch");
    this.label = make("span.rule-label");
    this.kind = make("span.rule-kind");
    this.pick = make(
      "button.pick",
      { "data-testid": "rule-row" },
      this.swatch,
      make("span.rule-names", this.label, this.kind),
    );
    this.pick.addEventListener("click", () => bench.choose(this.place));
    this.weight = new Figure("weight", {}, (value) => bench.editRule(this.place, "weight", value));
    const times = make("label.weight", make("span", { "aria-hidden": "true" }, "×"), this.weight.input);
    this.up = iconButton("up", act("up"));
    this.down = iconButton("down", act("down"));
    this.remove = iconButton("remove", act("remove"));
    this.node = make("li.rule-row", this.pick, times, this.up, this.down, this.remove);
    this.place = place;
  }

  show(rule, place, many, chosen, problems) {
    this.place = place;
    const label = labelOf(rule);
    this.swatch.style.background = ruleColour(place);
    say(this.label, label || word("unnamed"));
    say(this.kind, problems ? "✕ " + word("rule_broken") : word(rule.source === null ? "kind_ready" : "kind_written"));
    toggle(this.kind, "wrong", problems);
    mark(this.pick, "aria-current", chosen ? "true" : null);
    toggle(this.node, "chosen", chosen);
    this.weight.show(rule.weight);
    mark(this.weight.input, "aria-label", word("weight_of", { rule: label }));
    nameIt(this.up, word("move_up", { rule: label }));
    nameIt(this.down, word("move_down", { rule: label }));
    nameIt(this.remove, word("remove_rule", { rule: label }));
    this.up.disabled = place === 0;
    this.down.disabled = place === many - 1;
  }
}

const ICON_PATHS = {
  up: "M3.5 10 8 5.5 12.5 10",
  down: "M3.5 6 8 10.5 12.5 6",
  remove: "M2.5 4.5h11M6 4.5V2.8h4v1.7M4 4.5l.6 8.7h6.8l.6-8.7",
};

function iconButton(sign, onClick) {
  const shape = draw(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    draw("path", { d: ICON_PATHS[sign] }),
  );
  return make("button.icon", { onclick: onClick }, shape);
}

function nameIt(node, text) {
  mark(node, "aria-label", text);
  mark(node, "title", text);
}

class RuleList {
  constructor(bench) {
    this.bench = bench;
    this.rows = [];
    this.list = make("ol.rule-list", { "aria-label": word("rules") });
    this.add = make("button.plain.strong", { "data-testid": "write-rule" }, "+ " + word("write_rule"));
    this.add.addEventListener("click", () =>
      bench.addRule(written(freeName("my_rule", bench.state.rules), examples.blank)),
    );
    this.choose = chooser("add_ready", "add-ready", [], (wanted) => {
      this.choose.value = "";
      if (wanted) bench.addRule(readyMade(wanted));
    });
    this.none = make("p.quiet.none", word("no_rules"));
    this.node = make(
      "section.box.rules-box",
      make("h3", word("rules")),
      this.none,
      this.list,
      make("div.row", this.add, this.choose),
    );
  }

  show({ rules, chosen }, problems) {
    while (this.rows.length < rules.length) {
      const row = new RuleRow(this.bench, this.rows.length);
      this.rows.push(row);
      this.list.append(row.node);
    }
    for (const row of this.rows.splice(rules.length)) row.node.remove();
    rules.forEach((rule, place) =>
      this.rows[place].show(rule, place, rules.length, place === chosen, Boolean((problems[place] || []).length)),
    );
    conceal(this.none, rules.length > 0);
    const taken = rules.filter((rule) => rule.source === null).map((rule) => rule.name);
    const free = Object.keys(abouts.en || {}).filter((each) => !taken.includes(each));
    if (free.join() === this.offered) return;
    this.offered = free.join();
    const offered = free.map((each) => [each, ruleLabel(each)]);
    this.choose.replaceChildren(...options([["", "+ " + word("add_ready")], ...offered]));
    this.choose.disabled = !free.length;
  }
}

class RulePanel {
  constructor(bench) {
    this.bench = bench;
    const edit = (field) => (value) => bench.editRule(bench.state.chosen, field, value);
    this.editors = new Map();
    this.title = make("h3");
    this.about = make("p.quiet.about");
    this.name = make("input.name", {
      type: "text",
      maxlength: 80,
      autocomplete: "off",
      spellcheck: "false",
      "data-testid": "rule-name",
    });
    this.name.addEventListener("input", () => edit("name")(this.name.value));
    this.description = make("input.describe", { type: "text", maxlength: 2000, autocomplete: "off" });
    this.description.addEventListener("input", () => edit("description")(this.description.value));
    this.copy = make("button.plain.strong", { "data-testid": "edit-copy" }, "✎ " + word("edit_copy"));
    this.copy.addEventListener("click", () => bench.copyToEdit());
    this.figures = ["low", "high", "fallback"].map((field) => new Figure(field, {}, edit(field)));
    const labelled = (key, input, style) => make("label", { class: "field " + style }, make("span", word(key)), input);
    this.typed = make(
      "div.entries",
      labelled("name", this.name, "wide"),
      labelled("description", this.description, "wider"),
    );
    this.bounds = make(
      "div.entries",
      ...this.figures.map((one) => labelled(one.name, one.input, "narrow")),
      make("p.quiet.hint", word("bounds_hint")),
    );
    this.place = make("div.editor-place");
    this.problems = make("ul.problems", { "data-testid": "rule-problems" });
    const told = make("div", { role: "status" }, this.problems);
    this.keys = make("p.quiet.keys", { id: "rule-bench-keys" }, word("keys"));
    this.onlyReady = make("p.quiet", word("cannot_copy"));
    const head = make("div.row.between", this.title, this.copy);
    this.tests = make("ul.tests", { "data-testid": "rule-tests" });
    this.testsTitle = make("h4", word("tests"));
    this.node = make(
      "section.box.rule-panel",
      head,
      this.about,
      this.typed,
      this.place,
      this.onlyReady,
      told,
      this.keys,
      this.bounds,
      this.testsTitle,
      this.tests,
    );
  }

  // Each rule keeps an editor of its own, by place, so that the browser's undo of one survives a look at another.
  editor(place) {
    if (!this.editors.has(place))
      this.editors.set(place, new Editor((source) => this.bench.editRule(place, "source", source)));
    return this.editors.get(place);
  }

  show({ rules, chosen }, problems, answer) {
    const rule = rules[chosen];
    conceal(this.node, !rule);
    if (!rule) return;
    const own = rule.source !== null;
    const source = own ? rule.source : sources[rule.name];
    const beginning = source || examples[rule.name];
    say(this.title, own ? word("source") : labelOf(rule));
    say(this.about, aboutOf(rule));
    conceal(this.about, own || !this.about.said);
    conceal(this.copy, own || !beginning);
    say(this.copy, "✎ " + word(source ? "edit_copy" : "begin_simpler"));
    conceal(this.onlyReady, own || Boolean(source));
    say(this.onlyReady, word(beginning ? "not_shown" : "cannot_copy"));
    for (const part of [this.typed, this.bounds, this.keys]) conceal(part, !own);
    if (own) {
      if (this.name.value !== rule.name) this.name.value = rule.name;
      if (this.description.value !== rule.description) this.description.value = rule.description;
    }
    this.figures.forEach((one) => one.show(rule[one.name]));
    const editor = this.editor(chosen);
    if (this.place.firstChild !== editor.node) this.place.replaceChildren(editor.node);
    conceal(this.place, !source);
    editor.show(source || "", { readonly: !own });
    const failed = answer && own ? answer.completions.map((completion) => completion.scores[chosen]) : [];
    this.showProblems(editor, own ? problems[chosen] || [] : [], failed);
    this.showTests(rule, chosen, answer ? answer.rules[chosen].pins : []);
  }

  // The scores that are expected of this rule, and whether they came true.
  showTests(rule, chosen, results) {
    conceal(this.testsTitle, !rule.pins.length);
    const text = JSON.stringify([rule.pins, results, chosen, chosenLanguage()]);
    if (text === this.tested) return;
    this.tested = text;
    this.tests.replaceChildren(
      ...rule.pins.map((pin, place) => {
        const result = results[place];
        const failed = result && !result.passed;
        const got =
          result && (typeof result.score === "number" ? brief(result.score) : ruleErrorWords(result.score.error));
        const remove = iconButton("remove", () => this.bench.unpin(chosen, place));
        nameIt(remove, word("remove_test", { n: place + 1 }));
        const verdict = word(!result ? "test_waits" : failed ? "test_failed" : "test_passed", {
          expected: plainFigure(pin.expected),
          got,
        });
        const sign = make(
          "b",
          { class: failed ? "wrong" : "right", "aria-hidden": "true" },
          !result ? "·" : failed ? "✕" : "✓",
        );
        return make(
          "li",
          { "data-passed": result ? result.passed : null },
          sign,
          make("code", { title: pin.completion, dir: "auto" }, pin.completion || "∅"),
          make("span", { class: failed ? "wrong" : "quiet" }, verdict),
          remove,
        );
      }),
    );
  }

  // Marks the lines that are wrong, and those at which the rule failed on a completion: its error ends in "(line 3)".
  showProblems(editor, problems, failed) {
    const lines = new Map();
    for (const score of failed) {
      const found = score && score.error && score.error.match(/\(line (\d+)\)$/);
      if (found) lines.set(Number(found[1]), ruleErrorWords(score.error));
    }
    for (const problem of problems)
      if (problem.params && problem.params.line) lines.set(problem.params.line, errorWords(problem));
    editor.markLines(lines);
    const text = JSON.stringify([problems, chosenLanguage()]);
    if (text === this.told) return;
    this.told = text;
    this.problems.replaceChildren(
      ...problems.map((problem) => {
        const line = problem.params && problem.params.line;
        const sentence = make("span", errorWords(problem));
        if (!line) return make("li", sentence);
        const jump = make("button.plain.small", { onclick: () => editor.goTo(line) }, word("go_to_line", { line }));
        return make("li", sentence, jump);
      }),
    );
  }
}

// The rule bench: holds the draft and the server's last answer together. A change draws at once what was typed, and
// asks for the numbers a moment after the last key; an answer to something older is thrown away.

const AFTER_LAST_KEY = 60;
const TRY_AGAIN = 250;

class RuleBench {
  /** @type {any} */ answer;
  /** @type {Reason[][]} */ problems;
  /** @type {string} */ failure;

  constructor(root) {
    this.root = root;
    this.answer = null;
    this.problems = [];
    this.draft = new Draft(
      freshDraft,
      () => this.changed(),
      () => this.sets.offerDrafts(),
    );
    this.build();
    watchSight(root, (visible) => visible && this.show());
    root.addEventListener("keydown", (event) => this.key(event));
    this.ask();
  }

  get state() {
    return this.draft.now;
  }

  build() {
    this.list = new RuleList(this);
    this.panel = new RulePanel(this);
    this.sets = new Sets(this);
    this.sources = new Sources(this);
    this.preflight = new Preflight(this);
    this.whatIf = new WhatIfPanel(this);
    this.tables = [];
    this.groups = make("div.group-tables");
    this.status = make("p.status", { role: "status", "data-testid": "bench-status" });
    this.fraction = rangeInput(word("fraction"), { min: 1, max: 100, "data-testid": "bench-fraction" }, (percent) =>
      this.draft.change((state) => (state.fraction = percent / 100), "fraction"),
    );
    this.percent = make("output.percent");
    const soft = make("label.soft", make("span.caption", word("top_share")), this.fraction, this.percent);
    const left = make("div.left", this.list.node, this.panel.node);
    const right = make(
      "div.right",
      make(
        "section.box.samples-box",
        make("div.row.between", make("h3", word("samples")), soft),
        this.sources.node,
        this.status,
        this.groups,
        this.sources.ofTyped,
      ),
    );
    this.root.replaceChildren(
      make("div.bench", this.sets.node, make("div.sides", left, right), this.preflight.node, this.whatIf.node),
    );
    this.show();
  }

  // ---- what is typed

  edit(change, burst) {
    this.draft.change(change, burst);
  }

  editRule(place, field, value) {
    this.edit((state) => (state.rules[place][field] = value), `rule-${place}-${field}`);
  }

  addRule(rule) {
    this.edit((state) => {
      state.rules.push(rule);
      state.chosen = state.rules.length - 1;
    });
    if (rule.source !== null) this.panel.editor(this.state.chosen).area.focus();
  }

  // A whole rule set, from the server or a file; what stood here before is one step back.
  takeRules(rules, name, set) {
    this.panel.editors.clear();
    const taken = rules.map((rule) => ({
      ...readyMade(rule.name),
      ...rule,
      pins: (rule.pins || []).map((pin) => ({ ...pin, answer: pin.answer || "" })),
    }));
    this.edit((state) =>
      Object.assign(state, { rules: taken, name, chosen: 0, set: set && { ...set, text: textOf(taken) } }),
    );
  }

  // What another tab left; what stood here before is one step back.
  takeDraft(draft) {
    this.panel.editors.clear();
    this.edit((state) => Object.assign(state, structuredClone(draft)));
  }

  copyToEdit() {
    this.edit((state) => {
      const rule = state.rules[state.chosen];
      const copy = written(freeName("my_" + rule.name, state.rules), sources[rule.name] || examples[rule.name]);
      state.rules[state.chosen] = {
        ...copy,
        weight: rule.weight,
        fallback: rule.fallback,
        description: sources[rule.name] ? aboutReady(rule.name) : "",
      };
    });
    this.panel.editor(this.state.chosen).area.focus();
  }

  rulesChanged(what, place) {
    this.panel.editors.clear();
    this.edit((state) => {
      const { rules } = state;
      const chosen = rules[state.chosen];
      if (what === "remove") rules.splice(place, 1);
      else {
        const other = place + (what === "up" ? -1 : 1);
        [rules[place], rules[other]] = [rules[other], rules[place]];
      }
      state.chosen = Math.max(0, rules.includes(chosen) ? rules.indexOf(chosen) : Math.min(place, rules.length - 1));
    });
  }

  choose(place) {
    this.draft.note((state) => (state.chosen = place));
    this.show();
  }

  editSample(group, place, text) {
    this.edit((state) => (state.groups[group].completions[place].text = text), `sample-${group}-${place}`);
  }

  editGroup(group, field, text) {
    this.edit((state) => (state.groups[group][field] = text), `group-${group}-${field}`);
  }

  addSample(group) {
    this.edit((state) => state.groups[group].completions.push(sample("")));
    const rows = this.tables[group].rows;
    rows[rows.length - 1].text.focus();
  }

  removeSample(group, place) {
    this.edit((state) => {
      state.groups[group].completions.splice(place, 1);
      if (!state.groups[group].completions.length) state.groups.splice(group, 1);
    });
  }

  addGroup() {
    this.edit((state) => state.groups.push(asGroup({ prompt: "", answer: "", completions: ["", ""] })));
    this.tables[this.tables.length - 1].prompt.focus();
  }

  // Pins the score that a completion has now as the one that is expected, or takes the pin away.
  pin(group, place, rule) {
    const found = this.answer && this.answer.completions[this.firstOf(group) + place];
    const score = found && found.scores[rule];
    this.edit((state) => {
      const asked = state.groups[group];
      const { text } = asked.completions[place];
      const { pins } = state.rules[rule];
      const at = pinOf(state.rules[rule], asked, text);
      if (at >= 0) pins.splice(at, 1);
      else if (isNumber(score))
        pins.push({ prompt: asked.prompt, completion: text, answer: asked.answer, expected: score });
    });
  }

  unpin(rule, pin) {
    this.edit((state) => state.rules[rule].pins.splice(pin, 1));
  }

  key(event) {
    if (
      isComposing(event) ||
      !(event.ctrlKey || event.metaKey) ||
      event.altKey ||
      event.target.closest("textarea, input")
    )
      return;
    const pressed = keyOf(event);
    if (pressed !== "z" && pressed !== "y") return;
    event.preventDefault();
    if (pressed === "y" || event.shiftKey) this.draft.redo();
    else this.draft.undo();
  }

  // ---- what is shown

  firstOf(group) {
    return this.state.groups.slice(0, group).reduce((sum, each) => sum + each.completions.length, 0);
  }

  changed() {
    this.fits = false;
    this.show();
    clearTimeout(this.timer);
    mark(this.root, "data-state", "scoring");
    this.timer = setTimeout(() => this.ask(), AFTER_LAST_KEY);
  }

  show() {
    const { state, problems } = this;
    const answer = this.answer && this.answerFits() ? this.answer : null;
    this.list.show(state, problems);
    this.panel.show(state, problems, answer);
    this.sources.show(state);
    this.sets.show(state);
    this.preflight.show(state, this.sets.known.may_save);
    conceal(this.sources.ofTyped, false);
    const percent = Math.round(state.fraction * 100);
    if (this.fraction.value !== String(percent)) this.fraction.value = String(percent);
    this.fraction.style.setProperty("--filled", percent + "%");
    say(this.percent, percent + " %");
    while (this.tables.length < state.groups.length) {
      const table = new GroupTable(this, this.tables.length);
      this.tables.push(table);
      this.groups.append(table.node);
    }
    for (const table of this.tables.splice(state.groups.length)) table.node.remove();
    state.groups.forEach((group, place) =>
      this.tables[place].show(group, state, problems, answer, this.firstOf(place)),
    );
    this.showStatus();
  }

  // Old numbers stay in place while new ones are made, as long as they are of the same rules and rows.
  answerFits() {
    const { rules, groups } = this.state;
    const rows = groups.reduce((sum, group) => sum + group.completions.length, 0);
    return this.answer.rules.length === rules.length && this.answer.completions.length === rows;
  }

  showStatus() {
    const { rules } = this.state;
    const tests = this.answer ? this.answer.rules.flatMap((rule) => rule.pins.map((pin) => pin.passed)) : [];
    const wrong = this.problems.findIndex((each) => each.length);
    let text = "";
    if (this.failure) text = this.failure;
    else if (!rules.length) text = word("status_no_rules");
    else if (wrong >= 0) text = word("status_broken", { rule: labelOf(rules[wrong]) });
    else if (tests.length)
      text = word(tests.every(Boolean) ? "tests_passed" : "tests_failed", {
        passed: tests.filter(Boolean).length,
        total: tests.length,
      });
    say(this.status, text);
    toggle(this.status, "wrong", Boolean(this.failure) || wrong >= 0 || tests.includes(false));
    conceal(this.status, !text);
  }

  // ---- asking

  request() {
    const { rules, groups, fraction } = this.state;
    const rows = groups.flatMap(({ prompt, answer, completions }, group) =>
      completions.map(({ text }) => ({ prompt, completion: text, answer: answer || null, group })),
    );
    return { rules: rules.map(sentRule), rows, fraction };
  }

  async ask() {
    if (this.asking) return void (this.again = true);
    const body = this.request();
    if (!body.rules.length || !body.rows.length) return this.settle(null, [], "");
    const asked = this.state;
    this.asking = true;
    this.again = false;
    mark(this.root, "data-state", "scoring");
    try {
      const answer = await fetchJson("api/rules/bench", { body });
      if (asked === this.state)
        this.settle(
          answer,
          answer.rules.map((rule) => rule.problems),
          "",
        );
    } catch (error) {
      if (error.status === 429) this.later();
      else if (asked === this.state) this.settle(this.answer, this.problems, sentenceOf(error));
    } finally {
      this.asking = false;
      if (this.again) this.ask();
    }
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), TRY_AGAIN);
  }

  settle(answer, problems, failure) {
    Object.assign(this, { answer, problems, failure });
    this.show();
    mark(this.root, "data-state", failure || problems.some((each) => each.length) ? "error" : "scored");
    mark(this.root, "data-seconds", answer ? answer.seconds.toFixed(4) : null);
  }
}

// A rule as the server takes it; pins know an empty answer as none.
function sentRule({ name, weight, fallback, source, low, high, description, pins }) {
  const pinned = pins.map((pin) => ({ ...pin, answer: pin.answer || null }));
  if (source === null) return { name, weight, fallback, pins: pinned };
  return { name: name.trim() || word("unnamed"), weight, fallback, source, low, high, description, pins: pinned };
}

const benchRoot = element.querySelector("[data-testid=rule-bench]");
const ruleBench = new RuleBench(benchRoot);
watch(["lang"], () => ruleBench.build());

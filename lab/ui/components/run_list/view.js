// The list of runs: what each is doing, what it learned, which is selected. It asks when the page's event stream
// says that runs came, went or came further (`lab/ui/changes.js`), while it is looked at; selecting a row tells
// Python (event `select`, data {run}). A filter and a sorting stand above it (`sorting.js`), and once runs are
// ticked, what can be done with them: events `input` and `submit`.

const LIST_PAUSE = 3000; // at most so often, however fast a run is
const LIST_FOLLOWS = ["runs", "progress"];

// The pairs behind a pair accuracy: a preference run has their number, a reward model's are its samples.
const pairsOf = (measured) => (isNumber(measured.pairs) ? measured.pairs : measured.samples);

class Row {
  constructor(onSelect, onTick) {
    this.name = make("span.name");
    this.tags = make("span.tags");
    this.algorithm = make("span.algorithm");
    this.state = make("span.state");
    this.fill = make("span.fill");
    this.bar = make("span.bar", { "aria-hidden": "true" }, this.fill);
    this.facts = make("span.facts");
    this.learned = make("span.learned");
    this.age = make("span.age");
    this.button = make(
      "button.row",
      { "data-testid": "run-row" },
      make("span.line", this.name, this.algorithm),
      make("span.line", this.state, this.tags, make("span.push"), this.age),
      this.facts,
      this.learned,
      this.bar,
    );
    this.button.addEventListener("click", () => onSelect(this.button.dataset.run));
    this.tick = make("input.tick", { type: "checkbox" });
    this.tick.addEventListener("change", () => onTick(this.button.dataset.run, this.tick.checked));
    this.node = make("li", this.tick, this.button);
  }

  show(run, selected, ticked) {
    this.tick.checked = ticked;
    mark(this.tick, "aria-label", word("tick", { name: run.title || run.name }));
    say(this.tags, (run.tags || []).map((tag) => "#" + tag).join(" "));
    mark(this.button, "title", run.note || null);
    mark(this.button, "data-run", run.id);
    mark(this.button, "data-state", run.state);
    mark(this.button, "aria-current", run.id === selected ? "true" : null);
    say(this.name, run.title || run.name || run.id);
    say(this.algorithm, (run.algorithm || "").toUpperCase());
    say(this.state, `${ICONS[run.state] || "·"}\uFE0E ${word("state_" + run.state)}`);
    say(this.facts, this.describe(run));
    conceal(this.facts, !this.facts.said);
    conceal(this.learned, !this.learned.said);
    const created = moment(run.created);
    say(this.age, created === null ? "" : ago(created));
    conceal(this.bar, run.state !== "running");
    this.fill.style.width = (run.steps ? Math.min(1, (run.step || 0) / run.steps) * 100 : 0) + "%";
  }

  describe(run) {
    const facts = [];
    const { result } = run;
    if (run.state === "queued" && isNumber(run.queue_position)) facts.push(word("queue", { n: run.queue_position }));
    if (run.state !== "queued" && run.steps && run.state !== "finished")
      facts.push(word("steps", { step: run.step || 0, steps: run.steps }));
    if (run.state === "running" && isNumber(run.seconds_left))
      facts.push(word("left", { time: spell(run.seconds_left) }));
    const from = moment(run.started);
    const to = moment(run.ended);
    if (from !== null && to !== null) facts.push(spell((to - from) / 1000));
    const change = result && this.change(result);
    say(this.learned, change || "");
    toggle(this.learned, "few", Boolean(change) && this.restsOnFew(result.after));
    return facts.join(" · ");
  }

  restsOnFew(after) {
    const n = isNumber(after.pass_at_1) ? after.samples : isNumber(after.pair_accuracy) ? pairsOf(after) : null;
    return isNumber(n) && n < FEW_SAMPLES;
  }

  change({ before, after }) {
    if (!after) return "";
    if (isNumber(after.pass_at_1)) {
      const was = before && isNumber(before.pass_at_1) ? figure(before.pass_at_1 * 100, 1) + " → " : "";
      return `pass@1 ${was}${shareWords(after.pass_at_1, after.samples)}`;
    }
    if (isNumber(after.pair_accuracy)) return word("pairs", { after: shareWords(after.pair_accuracy, pairsOf(after)) });
    if (!isNumber(after.reward)) return "";
    return word("reward", {
      change: (before && isNumber(before.reward) ? figure(before.reward) + " → " : "") + figure(after.reward),
    });
  }
}

class RunList {
  constructor(root) {
    this.root = root;
    this.rows = [];
    this.runs = null;
    this.typed = "";
    this.sort = SORTS[0];
    /** @type {Set<string>} */
    this.ticked = new Set();
    this.build();
    this.askSoon = spaced(() => this.visible && this.ask(), LIST_PAUSE);
    this.endWait = () => {};
    watchSight(root, (visible) => {
      this.visible = visible;
      if (visible) this.ask();
    });
  }

  // The marks of this moment: when one of them is no longer true, the list is asked for again.
  waitFrom(marks) {
    this.endWait();
    if (window.labChanges) this.endWait = window.labChanges.wait(marks, () => this.askSoon());
  }

  marks() {
    const known = window.labChanges ? window.labChanges.marks : {};
    return Object.fromEntries(LIST_FOLLOWS.map((topic) => [topic, known[topic]]));
  }

  build() {
    this.rows = [];
    this.list = make("ul.runs", { "aria-label": word("runs") });
    this.empty = make("div.empty", { role: "status" });
    this.root.replaceChildren(this.empty, this.bar(), this.list);
    this.show();
  }

  // The filter, the sorting, and what can be done with the runs that are ticked.
  bar() {
    this.filter = make("input.filter", { type: "search", placeholder: word("filter"), "aria-label": word("filter") });
    this.filter.value = this.typed;
    this.filter.addEventListener("input", () => {
      this.typed = this.filter.value;
      this.show();
    });
    const named = SORTS.map((sort) => [sort, word("sort_" + sort)]);
    this.sorts = make("select.sort", { "aria-label": word("sort") }, ...options(named, this.sort));
    this.sorts.addEventListener("change", () => {
      this.sort = this.sorts.value;
      this.show();
    });
    const does = (act, event, least) => {
      const button = make("button", { class: "plain " + act, "data-least": least });
      button.addEventListener("click", () => trigger(event, { act, runs: [...this.ticked] }));
      return button;
    };
    this.acts = [does("compare", "input", 1), does("differences", "input", 2), does("delete", "submit", 1)];
    this.many = make("div.many", make("span", { role: "status" }), ...this.acts);
    this.tools = make("div.tools", this.filter, this.sorts, this.many);
    return this.tools;
  }

  showBar(shown) {
    conceal(this.tools, !(this.runs || []).length);
    conceal(this.many, !this.ticked.size);
    say(this.many.firstChild, word("ticked", { n: this.ticked.size }));
    for (const act of this.acts) {
      say(act, word("act_" + act.classList[1]));
      act.disabled = this.ticked.size < Number(act.dataset.least);
    }
    mark(this.list, "data-shown", shown);
  }

  tick(run, on) {
    if (on) this.ticked.add(run);
    else this.ticked.delete(run);
    this.show();
  }

  async ask() {
    const turn = (this.turn = (this.turn || 0) + 1);
    const before = this.marks();
    try {
      const answer = await fetchJson("api/runs");
      if (turn !== this.turn) return;
      this.runs = answer.runs || [];
      this.failed = false;
    } catch {
      if (turn !== this.turn) return;
      this.failed = true;
    }
    this.show();
    this.waitFrom(this.failed ? { runs: undefined } : before); // after a failure: soon again, whatever the marks say
  }

  show() {
    const known = this.runs || [];
    const there = new Set(known.map(({ id }) => id));
    for (const run of this.ticked) if (!there.has(run)) this.ticked.delete(run);
    const runs = arranged(known, this.typed, this.sort);
    this.showBar(runs.length);
    conceal(this.list, !runs.length);
    conceal(this.empty, runs.length > 0);
    if (known.length && !runs.length) {
      this.empty.replaceChildren(make("strong", word("no_match")), word("no_match_next"));
      return;
    }
    if (!runs.length) {
      const key = this.failed ? "unreachable" : this.runs ? "none" : "loading";
      this.empty.replaceChildren(make("strong", word(key)), word(key + "_next"));
      return;
    }
    const { selected } = given();
    while (this.rows.length < runs.length)
      this.rows.push(
        new Row(
          (run) => this.select(run),
          (run, on) => this.tick(run, on),
        ),
      );
    runs.forEach((run, place) => this.rows[place].show(run, selected, this.ticked.has(run.id)));
    if (this.list.childNodes.length !== runs.length)
      this.list.replaceChildren(...this.rows.slice(0, runs.length).map((row) => row.node));
  }

  select(run) {
    props.value = JSON.stringify({ selected: run });
    this.show();
    trigger("select", { run });
  }
}

const runList = new RunList(element.querySelector("[data-testid=run-list]"));
watch("value", () => {
  runList.show();
  runList.ask();
});
watch("lang", () => runList.build());

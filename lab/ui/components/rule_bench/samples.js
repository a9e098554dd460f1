// Where the completions come from: the worked example, code, a dataset's rows, a group of a recorded run, or nothing
// but what is typed. It fetches them and hands them to the bench; each choice is one step that can be taken back.

const WORKED = JSON.parse(props.worked || "{}");
const MOST_SAMPLES = 64;
const SIZES = Array.from({ length: 15 }, (_, at) => at + 2); // K of 2 to 16; the course's is 5

const sample = (text) => ({ text });
const asGroup = ({ prompt, answer, completions }) => ({
  prompt,
  answer: answer || "",
  completions: completions.map(sample),
});

// What the bench opens with: the worked example, under the rules that it is reckoned by.
function freshDraft() {
  const { rules, groups } = WORKED.equation;
  return {
    name: "",
    set: null,
    rules: rules.map(readyMade),
    chosen: 0,
    groups: groups.map(asGroup),
    fraction: 0.2,
    source: { kind: "equation" },
  };
}

// An example brings its rules only where those of the other stand there as it brought them, or none. Rules that
// somebody chose stay. Gives whether the rules are the example's now.
function bringRules(state, kind) {
  const untouched = (example) => JSON.stringify(state.rules) === JSON.stringify(WORKED[example].rules.map(readyMade));
  if (untouched(kind)) return true;
  if (state.rules.length && !untouched(kind === "code" ? "equation" : "code")) return false;
  state.rules = WORKED[kind].rules.map(readyMade);
  state.chosen = 0;
  return true;
}

class Sources {
  constructor(bench) {
    this.bench = bench;
    this.buttons = {};
    const kinds = ["equation", "code", "data", "run", "model", "typed"];
    this.choices = make("div.segments", { role: "group", "aria-label": word("samples") });
    for (const kind of kinds) {
      const button = make("button", { "data-source": kind, onclick: () => this.choose(kind) }, word("source_" + kind));
      this.buttons[kind] = button;
      this.choices.append(button);
    }
    this.data = chooser("dataset", "bench-dataset", [], () => this.fetchData(0));
    this.next = make("button.plain", word("next_rows"));
    this.next.addEventListener("click", () => this.fetchData(this.bench.state.source.next || 0));
    this.run = chooser("run", "bench-run", [], (run) => this.openRun(run));
    this.step = chooser("step", "bench-step", [], (step) => this.openStep(Number(step)));
    this.group = chooser("group", "bench-group-choice", [], (group) => this.openGroup(Number(group)));
    this.model = chooser("start_model", "bench-model");
    for (const long of [this.run, this.model]) long.classList.add("run");
    this.size = make(
      "select.plain",
      { "aria-label": word("how_many") },
      ...options(SIZES.map((n) => [n, word("n_completions", { n })])),
    );
    this.size.value = "5";
    this.sampleNow = make("button.plain.strong", { "data-testid": "bench-sample" }, word("sample_now"));
    this.sampleNow.addEventListener("click", () => this.askModel());
    this.ofModel = make("div.row", this.model, this.size, this.sampleNow);
    this.told = make("p.quiet.told", { role: "status" });
    this.ofData = make("div.row", this.data, this.next);
    this.ofRun = make("div.row", this.run, this.step, this.group);
    this.ofTyped = make("button.plain.small", { onclick: () => bench.addGroup() }, "+ " + word("add_group"));
    this.node = make("div.sources", this.choices, this.ofData, this.ofRun, this.ofModel, this.told);
  }

  // `opened` is a source that was chosen and has brought nothing yet: only what is on the bench is in the draft.
  show({ source }) {
    const chosen = this.opened || source.kind;
    for (const [kind, button] of Object.entries(this.buttons)) {
      mark(button, "aria-pressed", kind === chosen);
      toggle(button, "on", kind === chosen);
    }
    conceal(this.ofData, chosen !== "data");
    conceal(this.ofRun, chosen !== "run");
    conceal(this.ofModel, chosen !== "model");
    conceal(this.buttons.model, !this.bench.sets.known.may_save);
    if (chosen === "model" && !this.models) this.fetchModels();
    if (chosen === "data" && !this.datasets) this.fetchNames();
    if (chosen === "run" && !this.runs) this.fetchRuns();
  }

  choose(kind) {
    tell(this.told, "");
    const { bench } = this;
    this.opened = null;
    if (kind === "equation" || kind === "code") {
      let brought = true;
      bench.draft.change((state) => {
        state.groups = WORKED[kind].groups.map(asGroup);
        state.source = { kind };
        brought = bringRules(state, kind);
      });
      return brought ? undefined : tell(this.told, word("rules_stay"));
    }
    if (kind === "typed") {
      const empty = [asGroup({ prompt: "", answer: "", completions: ["", "", "", ""] })];
      return bench.draft.change((state) => Object.assign(state, { groups: empty, source: { kind } }));
    }
    this.opened = kind;
    this.show(bench.state);
    if (kind === "data") this.fetchNames(true);
    if (kind === "run") this.fetchRuns(true);
  }

  // Whether this source is still the one that is chosen; what came for another is thrown away.
  wants(kind) {
    const wanted = (this.opened || this.bench.state.source.kind) === kind;
    if (wanted) this.opened = null;
    return wanted;
  }

  // Fetches, and says what went wrong where something did; null then.
  async ask(path) {
    try {
      const found = await fetchJson(path);
      tell(this.told, "");
      return found;
    } catch (error) {
      tell(this.told, sentenceOf(error));
      return null;
    }
  }

  async fetchNames(open = false) {
    this.datasets = [];
    const found = await this.ask("api/rules/datasets");
    this.datasets = found ? found.datasets : null;
    const named = (each) => [each, each === "equations" ? word("equations") : each];
    this.data.replaceChildren(...options((this.datasets || []).map(named)));
    const { dataset } = this.bench.state.source;
    if (dataset) this.data.value = dataset;
    if (open && found) this.fetchData(0);
  }

  async fetchData(first) {
    const dataset = this.data.value;
    const found = await this.ask(`api/rules/groups?dataset=${encodeURIComponent(dataset)}&first=${first}`);
    if (!found || !this.wants("data")) return;
    this.bench.draft.change((state) => {
      state.groups = found.groups.map(asGroup);
      state.source = { kind: "data", dataset, next: found.next };
    });
    const { first: before, groups, total } = found;
    tell(this.told, word("rows_of", { first: before + 1, last: before + groups.length, total }));
  }

  async fetchRuns(open = false) {
    this.runs = [];
    const found = await this.ask("api/runs");
    if (!found) return void (this.runs = null);
    this.runs = found.runs.filter((run) => run.has_groups);
    this.run.replaceChildren(...runOptions(this.runs));
    for (const choice of [this.run, this.step, this.group]) conceal(choice, !this.runs.length);
    if (!this.runs.length) return tell(this.told, word("no_groups_yet"));
    const { run } = this.bench.state.source;
    if (this.runs.some((each) => each.id === run)) this.run.value = run;
    if (open || !this.index) this.openRun(this.run.value, open);
  }

  // The steps of a run; with `open`, its newest group is put on the bench.
  async openRun(run, open = true) {
    const found = await this.ask(`api/runs/${encodeURIComponent(run)}/groups`);
    if (!found || this.run.value !== run) return;
    this.index = { run, rows: found.rows.map(groupRow) };
    const steps = [...new Set(this.index.rows.map((row) => row.step))];
    this.step.replaceChildren(...options(steps.map((step) => [step, word("step_n", { n: step })])));
    const { source } = this.bench.state;
    const step = !open && source.run === run ? source.step : steps[steps.length - 1];
    if (step === undefined) return;
    this.step.value = step;
    this.offerGroups(step);
    if (!open && source.run === run) this.group.value = source.group;
    else this.openGroup(Number(this.group.value));
  }

  offerGroups(step) {
    const rows = this.index.rows.filter((row) => row.step === step);
    const named = ({ group, mean, std }) => word("group_n", { n: group + 1, mean: figure(mean), std: figure(std) });
    const spread = rows.find((row) => row.std > 1e-6);
    this.group.replaceChildren(
      ...options(
        rows.map((row) => [row.group, named(row)]),
        spread && spread.group,
      ),
    );
  }

  openStep(step) {
    this.offerGroups(step);
    this.openGroup(Number(this.group.value));
  }

  async openGroup(group) {
    const { run } = this.index;
    const step = Number(this.step.value);
    const found = await this.ask(`api/runs/${encodeURIComponent(run)}/groups/lines?first=${step}&last=${step}`);
    const line = found && found.lines.find((each) => each.group === group);
    if (!line || !this.wants("run")) return;
    const completions = line.completions.slice(0, MOST_SAMPLES).map((completion) => completion.text);
    this.bench.draft.change((state) => {
      state.groups = [asGroup({ prompt: line.prompt, answer: line.answer, completions })];
      state.source = { kind: "run", run, step, group };
    });
  }

  async fetchModels() {
    this.models = [];
    this.sampleNow.disabled = true; // no model is named yet
    try {
      this.models = (await jobChoices()).models;
      this.model.replaceChildren(...options(this.models));
      this.sampleNow.disabled = false;
    } catch (error) {
      this.models = null;
      tell(this.told, sentenceOf(error));
    }
  }

  // The prompt that stands first, answered by a model now: a job, whose completions become the group.
  async askModel() {
    const asked = this.bench.state.groups[0];
    if (!asked || !asked.prompt.trim()) return tell(this.told, word("prompt_first"));
    const prompts = [{ prompt: asked.prompt, answer: asked.answer || null }];
    this.sampleNow.disabled = true;
    try {
      const { id } = await fetchJson("api/jobs", {
        body: {
          kind: "sample",
          spec: { model: this.model.value, prompts, completions: Number(this.size.value), seed: Date.now() % 2 ** 31 },
        },
      });
      const over = await followJob(id, (look) => tell(this.told, `${jobStage(look)} …`));
      if (over.error) throw new RequestError(0, over.error);
      const texts = over.lines.sort((a, b) => a.completion_number - b.completion_number).map((line) => line.text);
      tell(this.told, "");
      if (!texts.length || !this.wants("model")) return;
      this.bench.draft.change((state) => {
        state.groups = [asGroup({ prompt: asked.prompt, answer: asked.answer, completions: texts })];
        state.source = { kind: "model" };
      });
    } catch (error) {
      tell(this.told, sentenceOf(error));
    } finally {
      this.sampleNow.disabled = false;
    }
  }
}

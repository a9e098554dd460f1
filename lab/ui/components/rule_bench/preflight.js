// Will it learn? Samples the start model on some prompts, scores what it writes by the rules on the bench, and says
// what a run would find to learn from. The sampling is a job of the lab's; the verdict and its numbers come from there.

const PREFLIGHT_KEY = "lab-preflight";
const recipes = JSON.parse(props.recipes || "{}");

class Preflight {
  constructor(bench) {
    this.bench = bench;
    const presets = Object.entries(recipes).map(([name, { title }]) => [name, title[chosenLanguage()]]);
    this.preset = chooser("preset", "preflight-preset", presets, () => this.offerModels());
    this.preset.value = props.usual_preset || this.preset.value;
    this.model = chooser("start_model", "preflight-model");
    this.people = chooser("people", "preflight-people");
    conceal(this.people, true);
    this.models = [];
    this.offerModels();
    const counts = [16, 32, 64, 128, 256].map((n) => [n, word("n_prompts", { n })]);
    this.count = chooser("prompts_asked", "preflight-prompts", [["", word("a_minute")], ...counts]);
    this.begin = make("button.plain.strong", { "data-testid": "preflight-start" }, word("preflight_start"));
    this.begin.addEventListener("click", () => this.start());
    this.end = make("button.plain", { hidden: true, onclick: () => this.job && endJob(this.job) }, word("cancel"));
    this.told = make("p.told", { role: "status", hidden: true, "data-testid": "preflight-told" });
    this.bar = make("progress", { max: 1, value: 0, hidden: true, "aria-label": word("preflight") });
    this.report = make("div.report", { "data-testid": "preflight-report" });
    this.asking = make("div.row", this.preset, this.model, this.count, this.people, this.begin, this.end);
    this.onlyOwner = make("p.quiet", word("preflight_owner"));
    this.node = make(
      "details.box.more",
      { "data-testid": "preflight" },
      make("summary", make("h3", word("preflight")), make("span.quiet", word("preflight_about"))),
      this.asking,
      this.onlyOwner,
      this.bar,
      this.told,
      this.report,
    );
    this.node.addEventListener("toggle", () => this.node.open && this.opened());
    const kept = localStorage.getItem(PREFLIGHT_KEY);
    if (kept) this.node.open = true;
  }

  async opened() {
    if (this.bench.sets.known.may_save) await this.fetchChoices();
    const kept = localStorage.getItem(PREFLIGHT_KEY);
    if (kept && !this.job && !this.followed) this.follow(kept);
  }

  // Asked each time that it is opened: models are fetched and pairs are judged meanwhile. What is chosen stays.
  async fetchChoices() {
    this.asked = true;
    try {
      const { models, collections } = await jobChoices();
      const { value } = this.people;
      this.people.replaceChildren(...options([["", word("people_none")], ...collections]));
      this.people.value = collections.some(([id]) => id === value) ? value : "";
      conceal(this.people, !collections.length);
      this.models = models;
      this.offerModels(this.model.value);
    } catch (error) {
      tell(this.told, sentenceOf(error), true);
    }
  }

  // A preset brings its own model, also where that is not here yet: the lab then says how to get it.
  offerModels(chosen = recipes[this.preset.value]?.recipe.model) {
    const own = recipes[this.preset.value]?.recipe.model;
    const here = !this.models.length || this.models.some(([model]) => model === own);
    const named = here ? own : word("model_not_here", { model: own });
    this.model.replaceChildren(
      ...options([...(own ? [[own, named]] : []), ...this.models.filter(([model]) => model !== own)]),
    );
    this.model.value = chosen;
    if (!this.model.value && own) this.model.value = own;
  }

  show(state, may) {
    conceal(this.asking, !may);
    conceal(this.onlyOwner, may);
    this.begin.disabled = !state.rules.length || Boolean(this.job);
    if (may && this.node.open && !this.asked) this.fetchChoices();
  }

  async start() {
    const recipe = {
      ...recipes[this.preset.value].recipe,
      model: this.model.value,
      rules: this.bench.state.rules.map(usedRule),
    };
    this.report.replaceChildren();
    try {
      const { id } = await fetchJson("api/jobs", {
        body: {
          kind: "preflight",
          spec: { recipe, prompts: Number(this.count.value) || null, collection: this.people.value },
        },
      });
      localStorage.setItem(PREFLIGHT_KEY, id);
      await this.follow(id);
    } catch (error) {
      tell(this.told, sentenceOf(error), true);
    }
  }

  async follow(id) {
    this.job = this.followed = id;
    this.begin.disabled = true;
    conceal(this.bar, false);
    conceal(this.end, false);
    try {
      const over = await followJob(id, (look) => {
        tell(this.told, `${jobStage(look)} … ${look.total ? `${look.done || 0} / ${look.total}` : ""}`);
        this.bar.value = look.total ? (look.done || 0) / look.total : 0;
      });
      const report = over.result && over.result.report;
      if (report) this.showReport(report);
      tell(this.told, report ? "" : over.error ? errorWords(over.error) : word("preflight_ended"), !report);
    } catch (error) {
      if (error.status === 404) localStorage.removeItem(PREFLIGHT_KEY);
      tell(this.told, error.status === 404 ? "" : sentenceOf(error), true);
    } finally {
      this.job = null;
      this.begin.disabled = !this.bench.state.rules.length;
      conceal(this.bar, true);
      conceal(this.end, true);
    }
  }

  showReport(report) {
    const percent = (share) => (isNumber(share) ? figure(share * 100, 0) + " %" : "–");
    const between = ({ low, high }) => `(${figure(low * 100, 0)}–${percent(high)})`;
    const { verdict, no_spread: flat } = report;
    const sign = { good: "✓", warning: "!", bad: "✕" }[verdict.kind];
    const head = make(
      "p",
      { class: "verdict " + verdict.kind, "data-testid": "verdict", "data-kind": verdict.kind },
      make("b", word("verdict", { sign, verdict: preflightWord("verdict_" + verdict.kind) })),
      " ",
      preflightWord(verdict.key, withLabels(verdict.params)),
    );
    const notes = make(
      "ul.notes",
      ...report.notes.map((note) => make("li", preflightWord(note.key, withLabels(note.params)))),
    );
    /** @type {[string, string, any?][]} */
    const facts = [
      ["number_reward", `${figure(report.reward.mean)} ± ${figure(report.reward.std)}`],
      ["number_group_std", figure(report.group_std)],
      ["number_no_spread", `${percent(flat.share)} ${between(flat)}`],
      ["number_truncated", percent(report.truncated)],
      [
        "number_tokens",
        figure(typeof report.tokens === "object" && report.tokens ? report.tokens.mean : report.tokens, 1),
      ],
    ];
    const { people } = report;
    if (people) facts.push(["number_people", `${percent(people.agree)} ${between(people)}`, people]);
    const tiles = make(
      "dl.tiles",
      ...facts.map(([key, value, holes]) =>
        make(
          "div.tile",
          { "data-fact": key },
          make("dt", preflightWord(key, holes)),
          make("dd", value),
          holes && holes.ties ? make("dd.besides", preflightWord(key + "_ties", holes)) : null,
        ),
      ),
    );
    const columns = ["rule", "weight", "mean", "std", "errors", "variance"];
    const line = make(
      "tr",
      ...columns.map((column, place) =>
        make("th", { scope: "col", class: place ? "" : "writing" }, preflightWord("column_" + column)),
      ),
    );
    const rows = report.rules.map((rule) => {
      const cells = [
        plainFigure(rule.weight),
        figure(rule.mean),
        figure(rule.std),
        percent(rule.errors),
        percent(rule.share_of_variance),
      ];
      return make(
        "tr",
        { class: rule.name === report.dominant ? "dominant" : "" },
        make("th.writing", { scope: "row" }, ruleLabel(rule.name)),
        ...cells.map((cell) => make("td", cell)),
      );
    });
    const beside = (title, table) => make("section", make("h4", title), table);
    const tables = make(
      "div.tables",
      beside(word("rules"), scrolled(word("rules"), line, rows)),
      beside(preflightWord("together"), correlations(report)),
    );
    this.report.replaceChildren(head, notes, tiles, tables);
  }
}

// How the rules go with each other and with the length: a row a rule, a column a rule by its number.
function correlations({ rules, correlations: pairs, with_length: rewardWithLength }) {
  const columns = rules.slice(0, -1);
  const head = make(
    "tr",
    make("th.writing", { scope: "col" }, preflightWord("column_rule")),
    ...columns.map((rule, place) => make("th", { scope: "col", title: ruleLabel(rule.name) }, String(place + 1))),
    make("th", { scope: "col" }, preflightWord("column_length")),
  );
  const row = (label, cells) =>
    make("tr", make("th.writing", { scope: "row" }, label), ...cells.map((cell) => make("td", cell)));
  const between = (first, second) => pairs.find((pair) => pair[0] === first.name && pair[1] === second.name);
  const rows = rules.map((rule, place) => {
    const cells = columns.map((other) => (between(other, rule) ? signed(between(other, rule)[2]) : ""));
    return row(`${place + 1} ${ruleLabel(rule.name)}`, [...cells, signed(rule.with_length)]);
  });
  const reward = row(preflightWord("the_reward"), [...columns.map(() => ""), signed(rewardWithLength)]);
  const node = scrolled(preflightWord("together"), head, [...rows, reward]);
  mark(node, "data-testid", "preflight-together");
  return node;
}

const scrolled = (label, head, rows) =>
  make(
    "div.scroll",
    { role: "region", tabindex: 0, "aria-label": label },
    make("table.plain-table", make("thead", head), make("tbody", ...rows)),
  );

// A rule as a recipe holds it.
function usedRule(rule) {
  const { pins, ...used } = sentRule(rule);
  return used;
}

// Rules are named in a sentence as everywhere on the page.
function withLabels(params) {
  const named = ["rule", "first", "second"].filter((key) => typeof params[key] === "string");
  return { ...params, ...Object.fromEntries(named.map((key) => [key, ruleLabel(params[key])])) };
}

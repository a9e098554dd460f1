// What if? The groups of a recorded run scored anew by the rules on the bench, under another threshold or estimator:
// old and new side by side, and who would rank elsewhere. Nothing is trained; every number is the server's.

class WhatIfPanel {
  constructor(bench) {
    this.bench = bench;
    const choice = (key, pairs) => chooser(key, "whatif-" + key, pairs);
    this.run = choice("run", []);
    this.span = choice(
      "steps",
      [1, 4, 16, 64].map((n) => [n, word(n === 1 ? "last_step" : "last_steps", { n })]),
    );
    this.span.value = "4";
    this.rules = choice("which_rules", [
      ["bench", word("rules_bench")],
      ["recorded", word("rules_recorded")],
    ]);
    this.threshold = choice("threshold", [
      ["", word("as_recorded")],
      ...KINDS.map((kind) => [kind, word("threshold_" + kind)]),
    ]);
    this.estimator = choice("estimator", [
      ["", word("as_recorded_estimator")],
      ...["group_scaled", "unscaled", "leave_one_out"].map((kind) => [kind, word("estimator_" + kind)]),
    ]);
    this.begin = make("button.plain.strong", { "data-testid": "whatif-start" }, word("compare"));
    this.begin.addEventListener("click", () => this.start());
    this.told = make("p.told", { role: "status", hidden: true });
    this.tiles = make("dl.tiles");
    this.which = chooser("group", "whatif-group", [], (place) => this.showGroup(Number(place)));
    this.table = make("div.scroll", { role: "region", tabindex: 0, "aria-label": word("what_if") });
    this.found = make(
      "div.report",
      { hidden: true, "data-testid": "whatif-report" },
      this.tiles,
      this.which,
      this.table,
    );
    this.asking = make("div.row", this.run, this.span, this.rules, this.threshold, this.estimator, this.begin);
    this.node = make(
      "details.box.more",
      { "data-testid": "what-if" },
      make("summary", make("h3", word("what_if")), make("span.quiet", word("what_if_about"))),
      this.asking,
      this.told,
      this.found,
    );
    this.node.addEventListener("toggle", () => this.node.open && this.opened());
  }

  async opened() {
    try {
      const [{ runs }, { recordings }] = await Promise.all([fetchJson("api/runs"), fetchJson("api/recordings")]);
      const recorded = [...runs.filter((run) => run.has_groups), ...recordings];
      const before = this.run.value;
      this.run.replaceChildren(...runOptions(recorded));
      if (recorded.some((run) => run.id === before)) this.run.value = before;
      conceal(this.asking, !recorded.length);
      tell(this.told, recorded.length ? "" : word("no_groups_yet"));
    } catch (error) {
      tell(this.told, sentenceOf(error), true);
    }
  }

  async start() {
    this.begin.disabled = true;
    tell(this.told, word("comparing"));
    try {
      const run = this.run.value;
      const { rows } = await fetchJson(`api/runs/${encodeURIComponent(run)}/groups`);
      const steps = [...new Set(rows.map((row) => groupRow(row).step))];
      const last = steps[steps.length - 1];
      const soft = this.threshold.value === "top_fraction";
      this.answer = await fetchJsonWhenFree("api/rules/what-if", {
        body: {
          run,
          first: steps[Math.max(0, steps.length - Number(this.span.value))],
          last,
          rules: this.rules.value === "bench" ? this.bench.state.rules.map(sentRule) : null,
          threshold: this.threshold.value || null,
          fraction: soft ? this.bench.state.fraction : null,
          estimator: this.estimator.value || null,
        },
      });
      tell(this.told, this.answer.problems.map(errorWords).join(" "), true);
      this.showAnswer();
    } catch (error) {
      tell(this.told, sentenceOf(error), true);
    } finally {
      this.begin.disabled = false;
    }
  }

  showAnswer() {
    const { summary, groups } = this.answer;
    const percent = (share) => figure(share * 100, 0) + " %";
    const change = (key, show) => `${show(summary.old[key])} → ${show(summary.new[key])}`;
    const facts = [
      ["mean_reward", change("reward", (value) => figure(value))],
      ["kept_share", change("kept_share", percent)],
      ["flat_share", change("no_spread_share", percent)],
      ["newly_kept", summary.newly_kept],
      ["newly_dropped", summary.newly_dropped],
      ["another_best", `${summary.another_best} / ${summary.groups}`],
    ];
    this.tiles.replaceChildren(
      ...facts.map(([key, value]) =>
        make("div.tile", { "data-fact": key }, make("dt", word(key)), make("dd", String(value))),
      ),
    );
    this.which.replaceChildren(
      ...options(
        groups.map((group, place) => [
          place,
          word("changed_group", {
            step: group.step,
            group: group.group + 1,
            n: group.changed,
            size: group.completions.length,
            prompt: group.prompt.slice(0, 60),
          }),
        ]),
      ),
    );
    conceal(this.found, !groups.length);
    if (groups.length) this.showGroup(0);
  }

  showGroup(place) {
    const group = this.answer.groups[place];
    const head = ["completion", "reward", "advantage", "kept_mark", "rank"].map((key, at) =>
      make("th", { scope: "col", class: at ? "" : "writing" }, word(key)),
    );
    const rows = group.completions.map((one) => {
      const pair = (key, show, style = "") => {
        const [old, now] = [show(one.old[key]), show(one.new[key])];
        return make(
          "td",
          { class: style + (old === now ? "" : " changed") },
          old === now ? now : make("span", make("span.quiet", `${old} → `), make("b", now)),
        );
      };
      const kept = (value) => (value ? "✓" : "✕");
      const moved = one.old.rank - one.new.rank;
      const rank = moved ? `${one.old.rank} → ${one.new.rank} ${moved > 0 ? "▲" : "▼"}` : String(one.new.rank);
      return make(
        "tr",
        { "data-testid": "whatif-row" },
        make("th.writing.wrap", { scope: "row", dir: "auto" }, one.text || "∅"),
        pair("reward", (value) => figure(value)),
        pair("advantage", (value) => signed(value)),
        pair("kept", kept),
        make("td", { class: moved ? "changed" : "" }, rank),
      );
    });
    const asked = make(
      "p.asked-of",
      make("bdi.asked-prompt", group.prompt),
      ` μ ${figure(group.old.mean)} → ${figure(group.new.mean)}`,
      ` · σ ${figure(group.old.std)} → ${figure(group.new.std)}`,
    );
    this.table.replaceChildren(
      asked,
      make("table.plain-table", make("thead", make("tr", ...head)), make("tbody", ...rows)),
    );
  }
}

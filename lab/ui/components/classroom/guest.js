// A guest's page: the vote, judging, a rule set for the board, a run.

class GuestPage extends ClassPage {
  /** @param {(view: any) => void} took */
  constructor(took) {
    super(took, "guest");
    /** @type {Map<string, number>} the rules that are chosen, with their weights */
    this.weights = new Map([["equals_answer", 1]]);
    this.title = "";
    /** @type {Set<number>} */
    this.chosen = new Set();
    this.asked = "";
    this.preset = "tiny/grpo";
    this.rules = "";
  }

  show(view) {
    this.view = view;
    if (view.question.id !== this.asked) {
      this.asked = view.question.id;
      this.chosen = new Set(view.question.mine || []);
    }
    if (
      this.node.contains(document.activeElement) &&
      /** @type {any} */ (document.activeElement).matches("input[type=text], select")
    ) {
      this.later = true; // what somebody types in is not drawn anew under their hands
      return;
    }
    const parts = [
      this.judging(view),
      this.vote(view),
      view.may.rules ? this.rulesForm(view) : null,
      view.may.train ? this.training(view) : null,
      this.board(view),
    ];
    const held = view.paused ? make("p.held", { role: "status" }, "❚❚ " + word("held")) : null;
    this.node.replaceChildren(
      ...[make("h2", word("hello", { name: view.me.name })), held, this.problem, ...parts].filter(Boolean),
    );
    this.node.classList.toggle("paused", view.paused);
  }

  judging({ collections, may }) {
    if (!may.judge || !collections.length)
      return card("judging", word("your_judgements"), [], make("p.quiet", word("nothing_to_judge")));
    const line = ({ id, name, judged, left }) =>
      make(
        "li",
        make("b", name),
        bar(judged + left ? judged / (judged + left) : 0, left ? "" : "done"),
        make("span.count", `${judged} / ${judged + left}`),
        make(
          "a.plain.primary",
          { href: address(`judge/${encodeURIComponent(id)}`) },
          word(left ? "judge_now" : "look"),
        ),
      );
    return card("judging", word("your_judgements"), [], make("ul.to-judge", ...collections.map(line)));
  }

  vote({ question }) {
    const send = () => this.act("votes", { question: question.id, chosen: [...this.chosen] });
    const head = [make("span.quiet", word("threshold"))];
    return card("votes", word("who_kept_title"), head, questionForm(question, this.chosen, send));
  }

  rulesForm({ mine }) {
    const labels = JSON.parse(props.rules || "{}")[chosenLanguage()] || {};
    const line = (name) => {
      const input = make("input", { type: "checkbox", checked: this.weights.has(name) });
      const weights = options(
        [0.5, 1, 2].map((value) => [value, `× ${value}`]),
        this.weights.get(name) || 1,
      );
      const weight = make("select", { "aria-label": word("weight_of", { rule: labels[name] }) }, ...weights);
      conceal(weight, !input.checked);
      const keep = () => {
        if (input.checked) this.weights.set(name, Number(weight.value));
        else this.weights.delete(name);
        conceal(weight, !input.checked);
      };
      input.addEventListener("change", keep);
      weight.addEventListener("change", keep);
      return make("li", make("label", input, labels[name]), weight);
    };
    const names = Object.keys(labels).filter((name) => name !== "reward_model");
    const title = make("input", {
      type: "text",
      maxlength: 60,
      placeholder: word("title"),
      "aria-label": word("title"),
      value: this.title,
    });
    title.addEventListener("input", () => (this.title = title.value));
    const send = () => {
      const rules = [...this.weights].map(([name, weight]) => ({ name, weight }));
      if (!rules.length) return this.tell(word("no_rules"));
      if (!this.title.trim()) return this.tell(word("no_title"));
      return this.act("rules", { title: this.title.trim(), rules });
    };
    return card(
      "rules",
      word("your_rules"),
      [make("span.quiet", word("your_rules_help"))],
      make("ul.rules", ...names.map(line)),
      make("div.row", title, button(word("submit"), send, "primary")),
      make("p.quiet", mine.length ? word("submitted", { titles: mine.join(" · ") }) : word("bench_hint")),
    );
  }

  training(view) {
    const head = [make("span.quiet", word("quota", { runs: view.most_runs, steps: view.steps }))];
    const lines = view.runs.map((run) => runLine(run, () => this.act("runs/stop", { run: run.id })));
    const waits = view.runs.some(({ state }) => ACTIVE.includes(state));
    const had = view.runs.filter(({ state }) => state !== "stopped").length >= view.most_runs;
    const full = waits ? null : make("p.quiet", word("had_runs", { runs: view.most_runs }));
    const more = waits || had ? full : this.startRow(view);
    return card("training", word("your_runs"), head, ...lines, more);
  }

  // What is started next: a preset, and by which rules.
  startRow(view) {
    const titled = (name) => word("preset_steps", { preset: presetTitle(name), steps: view.preset_steps[name] });
    const known = view.presets.map((name) => [name, titled(name)]);
    const presets = make("select", { "aria-label": word("preset") }, ...options(known, this.preset));
    const own = [["", word("presets_own_rules")], ...view.mine.map((title) => [title, title])];
    const rules = make("select", { "aria-label": word("rules_of_run") }, ...options(own, this.rules));
    const fit = () => {
      this.preset = presets.value;
      this.rules = rules.value;
      conceal(rules, !view.takes_rules.includes(presets.value) || !view.mine.length);
    };
    presets.addEventListener("change", fit);
    rules.addEventListener("change", fit);
    conceal(rules, !view.takes_rules.includes(presets.value) || !view.mine.length);
    const start = () => this.act("runs", { preset: presets.value, title: (!rules.hidden && rules.value) || null });
    return make("div.row", presets, rules, button(word("start"), start, "primary"));
  }

  board({ board }) {
    return card("board", word("board"), [make("span.quiet", word("board_help"))], boardList(board));
  }
}

function runLine(run, stop) {
  const active = ACTIVE.includes(run.state);
  const told =
    run.state === "queued"
      ? word("starts_in", { time: clock(run.starts_in) })
      : run.state === "running"
        ? word("left", { time: clock(run.seconds_left) })
        : word(`state_${run.state}`);
  return make(
    "div.run-line",
    { "data-testid": "class-run", "data-state": run.state },
    make("span", { "aria-hidden": "true" }, ICONS[run.state] || "?"),
    make("b", run.name),
    bar(run.steps ? run.step / run.steps : 0, run.state === "finished" ? "done" : ""),
    make("span", `${run.step} / ${run.steps}`),
    make("span.quiet", { role: "status" }, told),
    make("a.plain.small", { href: address(`?run=${run.id}`) }, word("look")),
    active ? button(word("stop"), stop, "small") : null,
    run.error ? make("p.problem", errorWords(run.error)) : null,
  );
}

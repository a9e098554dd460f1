// What a run is doing, in one line and a bar: state, stage, steps done, honest time left, speed, what it learned; and
// the sentence of its error where it failed.

// Where an estimate lies further above what was measured than this, it is said what it is made for.
const FAR_ABOVE = 1.15;

class Status {
  constructor() {
    this.state = make("span.state");
    this.stage = make("span.stage");
    this.fill = make("span.fill");
    this.bar = make("div.bar", { role: "progressbar", "aria-label": word("progress"), "aria-valuemin": 0 }, this.fill);
    this.steps = make("span.steps");
    this.facts = make("ul.facts");
    this.error = make("p.problem", { role: "alert" });
    const line = make("div.line", this.state, this.stage, make("span.push"), this.steps);
    this.node = make("div.status", line, this.bar, this.facts, this.error);
  }

  show(run) {
    say(this.state, `${ICONS[run.state] || "·"}\uFE0E ${word("state_" + run.state)}`);
    mark(this.state, "data-state", run.state);
    say(this.stage, this.doing(run));
    const share = run.steps ? Math.min(1, (run.step || 0) / run.steps) : 0;
    this.fill.style.width = share * 100 + "%";
    mark(this.bar, "aria-valuemax", run.steps || 0);
    mark(this.bar, "aria-valuenow", run.step || 0);
    say(this.steps, run.steps ? word("steps", { step: run.step || 0, steps: run.steps }) : "");
    const facts = this.list(run);
    if (facts.join("\n") !== this.said) this.facts.replaceChildren(...facts.map((fact) => make("li", fact)));
    this.said = facts.join("\n");
    const error = run.error || (run.result && run.result.error);
    conceal(this.error, !error);
    if (error) say(this.error, errorWords(error));
  }

  doing(run) {
    if (run.state === "queued")
      return isNumber(run.queue_position) ? word("queue", { n: run.queue_position }) : word("queue_soon");
    if (run.state !== "running") return "";
    if (isNumber(run.stop_at_step)) return word("stopping", { step: run.stop_at_step });
    const stage =
      run.stage && hasWord("stage_" + run.stage) ? word("stage_" + run.stage) : run.stage || word("stage_starting");
    if (!run.step_part || !hasWord("part_" + run.step_part)) return stage;
    const share = isNumber(run.step_fraction) ? ` ${Math.round(100 * run.step_fraction)} %` : "";
    return `${stage} · ${word("part_" + run.step_part)}${share}`;
  }

  seconds(run) {
    if (run.result && isNumber(run.result.seconds)) return run.result.seconds;
    const from = moment(run.started);
    const to = moment(run.ended);
    return from === null || to === null ? null : (to - from) / 1000;
  }

  // What the run took at its peak, and how far off the estimate was that was made before it; both without the
  // libraries.
  memory({ measured_bytes, estimated_bytes, libraries_bytes }) {
    const size = (bytes) => (bytes >= 1e9 ? figure(bytes / 1e9, 2) + " GB" : figure(bytes / 1e6, 0) + " MB");
    const off = signed(100 * (estimated_bytes / measured_bytes - 1), 0) + " %";
    const told = { measured: size(measured_bytes), estimated: size(estimated_bytes), off };
    const line = libraries_bytes
      ? word("memory_told_apart", { ...told, libraries: size(libraries_bytes) })
      : word("memory_told", told);
    return estimated_bytes > FAR_ABOVE * measured_bytes ? [line, word("memory_longest")] : [line];
  }

  list(run) {
    const facts = [];
    const { result } = run;
    const active = run.state === "running";
    if (active)
      facts.push(
        isNumber(run.seconds_left)
          ? word(run.seconds_left_rough ? "left_rough" : "left", { time: spell(run.seconds_left) })
          : word("left_unknown"),
      );
    if (active && isNumber(run.tokens_per_second))
      facts.push(word("speed", { n: Math.round(run.tokens_per_second).toLocaleString("en-US") }));
    const took = this.seconds(run);
    if (!active && isNumber(took)) facts.push(word("took", { time: spell(took) }));
    const before = result && result.before && result.before.pass_at_1;
    const after = result && result.after && result.after.pass_at_1;
    const n = result && result.after && result.after.samples;
    if (isNumber(after) && isNumber(before))
      facts.push(word("learned", { before: shareWords(before, null), after: shareWords(after, n) }));
    else if (isNumber(after)) facts.push(word("measured", { after: shareWords(after, n) }));
    const right = result && result.after && result.after.pair_accuracy;
    const pairs = result && result.after && (isNumber(result.after.pairs) ? result.after.pairs : n);
    if (isNumber(right)) facts.push(word("pairs_right", { after: shareWords(right, pairs) }));
    const agreed = result && result.after && result.after.agreement;
    if (isNumber(agreed)) facts.push(word("agreed", { after: shareWords(agreed, result.after.agreement_pairs) }));
    if (run.memory) facts.push(...this.memory(run.memory));
    else if (result && isNumber(result.peak_memory_bytes))
      facts.push(word("memory", { n: figure(result.peak_memory_bytes / 1e9, 2) }));
    if (["stopped", "failed", "lost"].includes(run.state)) facts.push(word("next_" + run.state));
    return facts;
  }
}

// Steps 7 and 8: what the algorithms cost, claimed and measured; and reward hacking, seen happen. Both show recorded
// runs, marked as such, with the command that makes them.

const MEASURED_ALGORITHMS = ["sft", "rm", "dpo", "ppo", "grpo"];
const CLAIMED_ALGORITHMS = ["ppo", "dpo", "grpo"]; // those of the course's two tables

function costStep() {
  const { stages, command, seeds } = JSON.parse(props.recorded || "{}").costs;
  const claims = JSON.parse(props.claims || "{}")[chosenLanguage()] || {};
  const claimed = (caption, columns) =>
    costTable(
      word(caption),
      CLAIMED_ALGORITHMS,
      columns.map((column) => [claims["column." + column]]),
      (name, at) => claims[`claim.${name}_${columns[at]}`],
    );
  const measured = ["roles", "seconds_chain", "memory", "tokens", "gain"];
  return {
    node: make(
      "div",
      { class: "stack" },
      claimed("claimed_key", ["reward_model", "objective", "cost", "fits"]),
      claimed("claimed_takes", ["stages", "complexity", "data"]),
      costTable(
        word("measured"),
        MEASURED_ALGORITHMS,
        measured.map((column) => richWord("cost_" + column)),
        (name, at) => measuredCell(stages, name, measured[at]),
      ),
      make(
        "p",
        { class: "finding" },
        ...richWord("cost_finding", {
          ppo: stages.ppo.roles.length,
          grpo: stages.grpo.roles.length,
          sum: figure(chainSeconds(stages, "ppo"), 0),
          alone: figure(chainSeconds(stages, "grpo"), 0),
        }),
      ),
      make("p", { class: "quiet" }, word("recorded", { command }), " ", word("cost_seeds", { seeds })),
    ),
  };
}

/**
 * @param {string} caption
 * @param {string[]} names of algorithms
 * @param {(Node | string)[][]} columns
 * @param {(name: string, at: number) => string} cell
 */
function costTable(caption, names, columns, cell) {
  const termOf = (name) => term(name === "rm" ? "reward_model" : name, word("algorithm_" + name));
  const head = [[word("cost_algorithm")], ...columns].map((column) => make("th", { scope: "col" }, ...column));
  const rows = names.map((name) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, termOf(name)),
      ...columns.map((_, at) => make("td", {}, cell(name, at))),
    ),
  );
  return scrolling(
    make(
      "table",
      { class: "card" },
      make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...head)),
      make("tbody", {}, ...rows),
    ),
  );
}

/** What was measured of an algorithm, in words. @param {any} stages @param {string} name @param {string} column */
function measuredCell(stages, name, column) {
  const of = stages[name];
  if (column === "roles") return of.roles.map((role) => word("role_" + role)).join(" · ");
  if (column === "seconds_chain") return word("seconds", { seconds: figure(chainSeconds(stages, name), 0) });
  if (column === "memory") return `${figure(of.memory_mb, 0)} MB`;
  if (column === "tokens")
    return word("cost_tokens_of", { generated: brief(of.generated), trained: brief(of.trained) });
  return isNumber(of.gain) ? signed(of.gain * 100, 1) + word("points") : "–";
}

/** Seconds of the whole chain that an algorithm needs: SFT first, and for PPO the reward model that it waits for. */
function chainSeconds(stages, name) {
  const before = { sft: [], rm: ["sft"], dpo: ["sft"], ppo: ["sft", "rm"], grpo: ["sft"] }[name];
  return [...before, name].reduce((sum, stage) => sum + stages[stage].seconds, 0);
}

function hackingStep() {
  const record = JSON.parse(props.recorded || "{}").hacked;
  const chart = hackingChart(record);
  const list = make("ul", { class: "written pairs" });
  const told = make("p", { class: "question" });
  const verdict = make("p", { class: "finding", role: "status" });
  const steps = record.groups.map(({ step }) => step);
  const show = (at) => {
    const { step, prompt, completions } = record.groups[at];
    say(told, word("hack_step", { step, prompt }));
    list.replaceChildren(
      ...completions.map(([text, reward]) =>
        make(
          "li",
          { class: reward >= 1 ? "right" : "" },
          make("bdi", { class: "text" }, text),
          make("b", { class: "push" }, `r = ${figure(reward, 1)}`),
        ),
      ),
    );
    chart.point(step);
    const place = record.steps.indexOf(step);
    say(
      verdict,
      word("hack_now", { reward: figure(record.reward[place]), right: figure(record.right[place] * 100, 0) }),
    );
  };
  const range = make("input", {
    type: "range",
    min: 0,
    max: steps.length - 1,
    step: 1,
    value: 0,
    "aria-label": word("hack_slider"),
  });
  range.addEventListener("input", () => {
    show(Number(range.value));
    mark(range, "aria-valuetext", word("step_n", { step: steps[Number(range.value)] }));
    range.style.setProperty("--filled", (Number(range.value) / (steps.length - 1)) * 100 + "%");
  });
  show(0);
  const answer = make("p", { class: "finding", role: "status" });
  const [start] = record.held_out;
  const end = record.held_out[record.held_out.length - 1];
  return {
    node: make(
      "div",
      { class: "stack" },
      make("p", {}, ...richWord("hack_rules")),
      chart.node,
      make("label", { class: "slider" }, make("span", {}, word("hack_slider")), range),
      told,
      list,
      verdict,
      make("p", {}, make("b", {}, word("hack_question"))),
      segmented(
        word("hack_question"),
        [
          ["equals", word("hack_equals")],
          ["modest", word("hack_modest")],
        ],
        null,
        (guess) =>
          say(answer, word("hack_guess_" + guess, { from: figure(start[1] * 100, 1), to: figure(end[1] * 100, 1) })),
      ),
      answer,
      make(
        "p",
        { class: "quiet" },
        word("recorded", { command: record.command }),
        " ",
        word("hack_seconds", { seconds: record.seconds }),
      ),
    ),
  };
}

/** Reward and the share of right answers over the steps, as two lines that differ in more than colour. */
function hackingChart({ steps, reward, right }) {
  const width = 640;
  const height = 190;
  const x = (step) => 30 + ((step - steps[0]) / (steps[steps.length - 1] - steps[0])) * (width - 40);
  const y = (value) => height - 24 - value * (height - 40);
  const line = (values, name) =>
    draw("path", { class: name, d: steps.map((step, at) => `${at ? "L" : "M"}${x(step)} ${y(values[at])}`).join("") });
  const cursor = draw("line", { class: "cursor", y1: 8, y2: height - 24 });
  const ticks = [0, 0.5, 1].flatMap((value) => {
    const label = draw("text", { x: 24, y: y(value) + 4, "text-anchor": "end" });
    label.textContent = figure(value, 1);
    return [draw("line", { class: "grid", x1: 30, x2: width - 10, y1: y(value), y2: y(value) }), label];
  });
  const stops = [1, 15, 30, 45, 60].map((step) => {
    const label = draw("text", { x: x(step), y: height - 8, "text-anchor": "middle" });
    label.textContent = String(step);
    return label;
  });
  const svg = draw(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": word("hack_chart") },
    ...ticks,
    ...stops,
    line(reward, "reward"),
    line(right, "right"),
    cursor,
  );
  const key = make(
    "p",
    { class: "key" },
    make("span", { class: "reward" }, word("hack_reward")),
    make("span", { class: "right" }, word("hack_right")),
  );
  return {
    node: make("figure", { class: "card hack-chart" }, svg, key),
    point: (step) => set(cursor, { x1: x(step), x2: x(step) }),
  };
}

// Step 8: reward hacking, seen happen. It shows a recorded run, marked as such, with the command that makes it.

function hackingStep() {
  const record = JSON.parse(props.recorded || "{}").hacked;
  const chart = hackingChart(record);
  const list = make("ul.written.pairs");
  const told = make("p.question");
  const verdict = make("p.finding", { role: "status" });
  const steps = record.groups.map(({ step }) => step);
  const show = (at) => {
    const { step, prompt, completions } = record.groups[at];
    const other = /[\u4e00-\u9fff]/.test(prompt) !== (chosenLanguage() === "zh");
    say(told, word("hack_step", { step, prompt }) + (other ? " " + word("hack_other") : ""));
    list.replaceChildren(
      ...completions.map(([text, reward]) =>
        make(reward >= 1 ? "li.paid" : "li", make("bdi.text", text), make("b.push", `r = ${figure(reward, 1)}`)),
      ),
    );
    chart.point(step);
    const place = record.steps.indexOf(step);
    const [paid, right] = [figure(record.reward[place]), figure(record.right[place] * 100, 0)];
    say(verdict, word("hack_now", { reward: paid, right }));
  };
  const range = rangeInput(word("hack_slider"), { min: 0, max: steps.length - 1, value: 0 }, (at) => {
    show(at);
    mark(range, "aria-valuetext", word("step_n", { step: steps[at] }));
    range.style.setProperty("--filled", (at / (steps.length - 1)) * 100 + "%");
  });
  show(0);
  const answer = make("p.finding", { role: "status" });
  const [start] = record.held_out;
  const end = record.held_out[record.held_out.length - 1];
  return {
    node: make(
      "div.stack",
      make("p", ...richWord("hack_rules")),
      chart.node,
      make("label.slider", make("span", word("hack_slider")), range),
      told,
      list,
      verdict,
      make("p", make("b", word("hack_question"))),
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
      recordedBy(record.command, " ", word("hack_seconds", { seconds: record.seconds })),
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
  const ticks = [0, 0.5, 1].flatMap((value) => [
    draw("line", { class: "grid", x1: 30, x2: width - 10, y1: y(value), y2: y(value) }),
    draw("text", { x: 24, y: y(value) + 4, "text-anchor": "end" }, figure(value, 1)),
  ]);
  const stops = [1, 15, 30, 45, 60].map((step) =>
    draw("text", { x: x(step), y: height - 8, "text-anchor": "middle" }, String(step)),
  );
  const svg = draw(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": word("hack_chart") },
    ...ticks,
    ...stops,
    line(reward, "reward"),
    line(right, "right"),
    cursor,
  );
  const key = make("p.key", make("span.reward", word("hack_reward")), make("span.right", word("hack_right")));
  return { node: make("figure.card.hack-chart", svg, key), point: (step) => set(cursor, { x1: x(step), x2: x(step) }) };
}

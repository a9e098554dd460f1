// Step 5: DPO. The two log-ratios of one pair from the tiny model, β as a slider, and the weight of the gradient; real
// steps on the pair move log π away from the reference.

function dpoStep() {
  const { prompt } = worked();
  const pair = { chosen: "3x = 15 → x = 5", rejected: word("worked_none") };
  let beta = 0.5;
  let steps = 0;
  let takenWith = beta;
  /** @type {{ chosen: number, rejected: number, ref_chosen: number, ref_rejected: number } | null} */
  let now = null;
  const row = () => [make("td.number"), make("td.number"), make("td.number.strong"), make("td")];
  /** @type {Record<string, HTMLElement[]>} log π, log π_ref, their difference in figures and as a bar */
  const rows = { chosen: row(), rejected: row() };
  const written = formula(true, "…");
  const weighted = formula(true);
  const tiles = { margin: make("span"), loss: make("span"), weight: make("span") };
  const meter = make("i");
  const taken = make("p.finding", { role: "status" });

  const show = () => {
    if (!now) return;
    const ratios = { chosen: now.chosen - now.ref_chosen, rejected: now.rejected - now.ref_rejected };
    const reach = Math.max(Math.abs(ratios.chosen), Math.abs(ratios.rejected), 0.5);
    for (const name of ["chosen", "rejected"]) {
      const [policy, reference, ratio, side] = rows[name];
      say(policy, figure(now[name], 3));
      say(reference, figure(now["ref_" + name], 3));
      say(ratio, signed(ratios[name], 3));
      side.replaceChildren(bar(ratios[name], reach));
    }
    const { margin, loss, weight } = dpoPair(ratios.chosen, ratios.rejected, beta);
    say(tiles.margin, signed(margin, 3));
    say(tiles.loss, figure(loss, 3));
    say(tiles.weight, figure(weight, 3));
    meter.style.width = weight * 100 + "%";
    refill(
      written,
      "ℒ = −log σ(β [",
      `${figure(ratios.chosen, 3)} − (${figure(ratios.rejected, 3)})`,
      `]) = −log σ(${figure(beta)} × ${figure(ratios.chosen - ratios.rejected, 3)}) = ${figure(loss, 3)}`,
    );
    refill(weighted, "σ(−", `${figure(margin, 3)}`, ") =", figure(weight, 3));
    const fell = ratios.chosen < 0 ? word("dpo_fell") : "";
    say(taken, [word(steps ? "dpo_taken" : "dpo_start", { steps, beta: figure(takenWith) }), fell].join(" ").trim());
  };
  const ask = async () => {
    takenWith = beta;
    now = await askModel({ kind: "prefer", prompt, ...pair, beta, steps });
    show();
  };
  const step = asking(word("dpo_step"), async () => {
    steps = Math.min(20, steps + 2);
    await ask();
  });
  const again = buttonOf("button.plain", word("start_over"), () => {
    steps = 0;
    first.run();
  });
  const first = asking("", ask, step.status); // what is shown before any step; its button is not
  step.node.append(again);
  return {
    node: make(
      "div.stack",
      make("p.question", make("b", prompt)),
      scrolling(formula(true, "ℒ = −log σ( β [", logRatio("w"), "−", logRatio("l"), "] )"), "formula_label"),
      dpoTable(pair, rows),
      slider("β", { label: word("beta_label"), min: 0.05, max: 5, step: 0.05, value: beta }, (value) => {
        beta = value;
        show();
      }),
      make(
        "div.tiles",
        tile(word("dpo_margin"), tiles.margin),
        tile(word("dpo_loss"), tiles.loss),
        make(
          "div.tile",
          make("span", ...richWord("dpo_weight")),
          make("b", tiles.weight),
          make("span.meter", { "aria-hidden": "true" }, meter),
        ),
      ),
      scrolling([written, weighted], "formula_label"),
      step.node,
      taken,
    ),
    warm: true,
    shown: () => now || first.run(),
  };
}

/**
 * Both answers, each with log π, log π_ref and their difference.
 * @param {Record<string, string>} pair
 * @param {Record<string, HTMLElement[]>} rows
 */
function dpoTable(pair, rows) {
  const columns = ["dpo_answer", "dpo_policy", "dpo_reference", "dpo_ratio", "dpo_side"];
  const line = (name) => {
    const chip = make(name === "chosen" ? "span.chip.kept" : "span.chip.dropped", word("dpo_" + name));
    return make("tr", make("th", { scope: "row" }, make("bdi", pair[name]), " ", chip), ...rows[name]);
  };
  return make(
    "div.card.scroll",
    { tabindex: 0, role: "group", "aria-label": word("dpo_table") },
    make(
      "table",
      tableHead(columns.map((key, at) => [richWord(key), at > 0 && at < 4])),
      make("tbody", line("chosen"), line("rejected")),
    ),
  );
}

/** log π_θ/π_ref of one of the two answers. @param {string} which */
const logRatio = (which) =>
  mathRow(
    "log",
    fraction(
      mathRow(sub("π", "θ"), "(", sub("y", which), "|x)"),
      mathRow(sub("π", "ref"), "(", sub("y", which), "|x)"),
    ),
  );

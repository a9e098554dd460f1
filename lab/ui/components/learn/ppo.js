// Step 4: PPO. The four models, value and GAE of one recorded completion token by token, and the clipped ratio with the
// branch of min() that holds lit. λ and ρ are the reader's; the values and token rewards are a real run's, recorded.

const PPO_EPSILON = 0.2;

function ppoStep() {
  const recorded = JSON.parse(props.recorded || "{}").tokens;
  const found = recorded[chosenLanguage()];
  const seen = (values) => values.map((value) => Number(value.toFixed(3))); // as they are shown, so that sums come out
  const sample = { ...found, values: seen(found.values), rewards: seen(found.rewards) };
  return { node: make("div.stack", fourModels(sample), tokenCard(recorded, sample), ratioCard()) };
}

function fourModels(sample) {
  const cards = ["policy", "reference", "reward_model", "critic"].map((key) =>
    make(
      "section.card.model",
      make("h3", term(key, word("model_" + key))),
      key === "policy" || key === "critic"
        ? make("p.chip.kept", word("trains"))
        : make("p.chip.dropped", word("frozen")),
      make(
        "p",
        ...richWord("model_" + key + "_does", { reward: figure(sample.reward, 1), value: figure(sample.values[0]) }),
      ),
    ),
  );
  return make("div.columns.four", ...cards);
}

function tokenCard(recorded, sample) {
  let at = 0;
  let lam = recorded.gae_lambda;
  const names = ["value", "reward", "delta", "advantage"];
  const cells = Object.fromEntries(names.map((name) => [name, make("dd")]));
  const written = formula(true, "0");
  const blamed = make("p.finding", { role: "status" });
  const chips = sample.tokens.map((text, index) =>
    make(
      "button.token",
      { "aria-pressed": "false", onclick: () => show(index) },
      make("span.text", visibleText(text)),
      make("i", { "aria-hidden": "true" }),
    ),
  );
  const show = (index = at) => {
    at = index;
    const { deltas, advantages } = gae(sample.rewards, sample.values, recorded.discount, lam);
    const reach = Math.max(...advantages.map(Math.abs));
    chips.forEach((chip, n) => {
      mark(chip, "aria-pressed", String(n === at));
      const tint = /** @type {HTMLElement} */ (chip.lastElementChild);
      tint.style.setProperty("--size", String(Math.abs(advantages[n]) / reach));
      toggle(tint, "minus", advantages[n] < 0);
      const told = { text: visibleText(sample.tokens[n]), advantage: signed(advantages[n]) };
      mark(chip, "aria-label", word("token_says", told));
    });
    const below = advantages.filter((advantage) => advantage < 0).length;
    say(blamed, word("tokens_blamed", { below, of: advantages.length, lambda: figure(lam) }));
    say(cells.value, figure(sample.values[at], 3));
    say(cells.reward, signed(sample.rewards[at], 3));
    say(cells.delta, signed(deltas[at], 3));
    say(cells.advantage, signed(advantages[at], 3));
    const next = sample.values[at + 1] ?? 0;
    const [reward, value, after] = [sample.rewards[at], sample.values[at], advantages[at + 1] ?? 0];
    const delta = `(${figure(reward, 3)} + ${figure(next, 3)} − ${figure(value, 3)})`;
    const following = after < 0 ? `(${figure(after, 3)})` : figure(after, 3);
    refill(
      written,
      sub("A", "t"),
      "=",
      sub("δ", "t"),
      "+ λ",
      sub("A", "t+1"),
      `= ${delta} + ${figure(lam)} × ${following} ≈ ${figure(advantages[at], 3)}`,
    );
  };
  show();
  return make(
    "section.card",
    make("h3", word("tokens_title")),
    make(
      "p",
      ...richWord("tokens_about", {
        prompt: sample.prompt,
        text: sample.text,
        reward: figure(sample.reward, 1),
        right: sample.answer,
      }),
    ),
    make("div.tokens", { role: "group", "aria-label": word("tokens_title") }, ...chips),
    make("dl.tiles", ...names.map((name) => make("div.tile", make("dt", ...richWord("token_" + name)), cells[name]))),
    scrolling(written, "formula_label"),
    slider("λ", { label: word("lambda_label"), min: 0, max: 1, step: 0.05, value: lam }, (value) => {
      lam = value;
      show();
    }),
    blamed,
    recordedBy(recorded.command, " ", word("tokens_step", { step: recorded.step })),
  );
}

/** Blanks as signs, so that nothing of a token is invisible. @param {string} text */
const visibleText = (text) => text.replace(/ /g, "␣").replace(/\n/g, "⏎") || "◌";

function ratioCard() {
  let ratio = 1;
  let advantage = 0.7;
  const value = make("b");
  const chip = make("span.chip");
  const plot = new ClipPlot({ label: word("ratio_label"), epsilon: PPO_EPSILON }, (now) => {
    ratio = now;
    show();
  });
  const branches = branchPair((branch) => [formula(false, branch === "free" ? "ρ A" : "clip(ρ) A")]);
  const show = () => {
    plot.show(ratio, advantage);
    branches.show(clippedGain(ratio, advantage, PPO_EPSILON));
    say(value, figure(ratio));
    const { key, held } = ratioWords(ratio, advantage, PPO_EPSILON);
    say(chip, word(key));
    toggle(chip, "warn", held);
  };
  show();
  return make(
    "section.card.ratio",
    make("h3", word("ratio_title")),
    make("p", ...richWord("ratio_about")),
    formula(true, "ρ =", fraction(mathRow(sub("π", "θ"), "(y|x)"), mathRow(sub("π", "old"), "(y|x)"))),
    segmented(
      word("advantage_sign"),
      [
        [0.7, "A = +0.70"],
        [-0.7, "A = −0.70"],
      ],
      advantage,
      (now) => {
        advantage = now;
        show();
      },
    ),
    make("p.ratio-head", "ρ = ", value, " ", chip),
    plot.node,
    branches.node,
  );
}

// Step 6, pages 1 to 4: five answers, their rewards with μ and σ, the threshold with a guess, and who is kept.

/** A page is drawn anew when it is opened. @typedef {{ node: HTMLElement, shown?: () => unknown }} LearnPage */

/** @param {LearnGroup} group @returns {LearnPage} */
function answersPage(group) {
  const inputs = group.answers.map((text, at) => {
    const input = answerField(word("answer_n", { n: at + 1 }), text);
    input.addEventListener("input", () => group.write(at, input.value));
    return input;
  });
  const refresh = () => inputs.forEach((input, at) => (input.value = group.answers[at]));
  const sample = asking(word("group_sample"), async () => {
    const seed = Math.floor(Math.random() * 1e6);
    const question = { kind: "write", models: ["pretrained"], prompts: [group.prompt], completions: 5, seed };
    const { models } = await askModel(question);
    models.pretrained[0].forEach((text, at) => group.write(at, text || "∅"));
    refresh();
  });
  sample.button.className = "plain";
  sample.node.append(
    buttonOf("button.plain", word("group_reset"), () => {
      group.reset();
      refresh();
    }),
  );
  return {
    node: make(
      "div.stack",
      groupQuestion(group),
      make("ol.own-answers", ...inputs.map((input, at) => make("li", formula(false, answerName(at)), input))),
      sample.node,
    ),
  };
}

/** @param {LearnGroup} group */
const groupQuestion = (group) =>
  make(
    "p.question",
    make("b", group.prompt),
    " ",
    make("span.quiet", word("group_facts", { right: group.right, count: group.answers.length })),
  );

/** @param {LearnGroup} group @returns {LearnPage} */
function rewardsPage(group) {
  const body = make("tbody");
  const foot = make("div.stack");
  const spreadFormula = make("div");
  const spread = make("details.quiet", make("summary", word("spread_formula")), spreadFormula);
  const status = make("p.status", { role: "status" });
  const head = make("thead");
  const draw = () => {
    head.replaceChildren(
      make(
        "tr",
        make("th", { scope: "col" }, word("answer")),
        ...group.rules.map((name) => make("th.number", { scope: "col" }, ruleLabel(name))),
        make("th.number", { scope: "col" }, ...richWord("head_reward")),
      ),
    );
    body.replaceChildren(
      ...group.answers.map((text, at) =>
        make(
          "tr",
          make("th", { scope: "row" }, formula(false, answerName(at)), " ", make("bdi", text)),
          ...group.rules.map((_, rule) => make("td.number", group.rewards ? figure(group.scores[at][rule]) : "…")),
          make("td.number.strong", group.rewards ? figure(group.rewards[at]) : "…"),
        ),
      ),
    );
    if (!group.rewards) return foot.replaceChildren();
    const { mean, std } = meanAndStd(group.rewards);
    const count = group.rewards.length;
    const deviations = group.rewards.flatMap((reward, at) => [at ? "+" : "", squared(figure(reward - mean))]);
    spreadFormula.replaceChildren(
      scrolling(
        formula(
          true,
          mathNode("msup", "σ", "2"),
          "=",
          fraction(mathRow(...deviations), `${count} − 1`),
          `= ${figure(std ** 2, 4)}, σ = ${figure(std, 4)}`,
        ),
      ),
    );
    foot.replaceChildren(
      scrolling(
        formula(
          true,
          "μ =",
          fraction(group.rewards.map((r) => figure(r)).join(" + "), String(count)),
          "=",
          figure(mean),
        ),
      ),
      spread,
      make(
        "p.finding",
        ...richWord(std < NO_SPREAD ? "spread_none" : "spread_some", { mean: figure(mean), std: figure(std, 4) }),
      ),
    );
  };
  const score = async () => {
    if (!group.filled) return say(status, word("group_empty"));
    try {
      await group.score();
      say(status, "");
    } catch (error) {
      say(status, requestWords(error));
    }
    draw();
  };
  const toggles = WORKED_RULES.map((name) => {
    const box = make("input", { type: "checkbox", checked: group.rules.includes(name) });
    box.addEventListener("change", () => {
      const rules = WORKED_RULES.filter((other) => (other === name ? box.checked : group.rules.includes(other)));
      if (!rules.length) {
        box.checked = true;
        return say(status, word("group_one_rule"));
      }
      group.rules = rules;
      group.forget();
      score();
    });
    return make("label.choice", box, ruleLabel(name));
  });
  draw();
  return {
    node: make(
      "div.stack",
      groupQuestion(group),
      make("fieldset.chips", make("legend.quiet", ...richWord("group_rules")), ...toggles),
      scrolling(make("table.card", head, body)),
      status,
      foot,
    ),
    shown: score,
  };
}

/** @param {string} text */
const squared = (text) => mathNode("msup", mathRow(`(${text})`), "2");

/** The choice of the threshold. @param {LearnGroup} group @param {() => void} changed */
function thresholdChoice(group, changed) {
  const part = slider(
    "T",
    { label: word("fraction_label"), min: 20, max: 100, step: 20, value: group.fraction * 100, digits: 0, unit: " %" },
    (value) => {
      group.choose({ fraction: value / 100 });
      changed();
    },
  );
  conceal(part, group.kind !== "top_fraction");
  const choice = segmented(
    word("threshold"),
    [
      ["all", word("threshold_all")],
      ["above_mean", word("threshold_hard")],
      ["top_fraction", word("threshold_soft")],
    ],
    group.kind,
    (kind) => {
      group.choose({ kind });
      conceal(part, kind !== "top_fraction");
      changed();
    },
  );
  return make("div.row", choice, part);
}

/** @param {LearnGroup} group @returns {LearnPage} */
function thresholdPage(group) {
  const list = make("ul.guesses");
  const told = make("p.finding", { role: "status" });
  let revealed = false;
  const draw = () => {
    if (!group.rewards) return;
    const { mean, kept, why } = group.verdict;
    list.replaceChildren(
      ...group.answers.map((text, at) => {
        const button = make(
          "button.guess",
          {
            "aria-pressed": String(group.guess[at]),
            disabled: revealed,
            onclick: () => {
              group.guess[at] = !group.guess[at];
              mark(button, "aria-pressed", String(group.guess[at]));
            },
          },
          formula(false, answerName(at)),
          make("bdi", text),
          make("span.quiet", `r = ${figure(group.rewards[at])}`),
          revealed ? keptChip(why[at], { mean: figure(mean) }) : null,
        );
        return make("li", button);
      }),
    );
    const hits = kept.filter((is, at) => is === group.guess[at]).length;
    const hint = word(group.kind === "above_mean" ? "guess_above" : "guess_hint", { mean: figure(mean) });
    const tie = revealed && group.kind === "top_fraction" && tieAtCut(group.rewards, why).length;
    const hit = word("guess_hits", { hits, of: kept.length }) + (tie ? " " + word("kept_tie") : "");
    say(told, revealed ? hit : hint);
    say(reveal, word(revealed ? "guess_again" : "guess_reveal"));
  };
  const reveal = buttonOf("button.primary", "", () => {
    revealed = !revealed;
    draw();
  });
  const ready = withRewards(group, draw);
  return {
    node: make(
      "div.stack",
      groupQuestion(group),
      thresholdChoice(group, () => {
        revealed = false;
        draw();
      }),
      list,
      make("div.asking", reveal),
      told,
      ready.status,
    ),
    shown: ready.shown,
  };
}

/** Scores the group where that has not been done, then draws. @param {LearnGroup} group @param {() => void} draw */
function withRewards(group, draw) {
  const status = make("p.status", { role: "status" });
  const shown = async () => {
    if (!group.filled) return say(status, word("group_empty"));
    try {
      if (!group.rewards) await group.score();
      say(status, "");
      draw();
    } catch (error) {
      say(status, requestWords(error));
    }
  };
  return { status, shown };
}

/** @param {LearnGroup} group @returns {LearnPage} */
function keptPage(group) {
  const halves = make("div.columns.two");
  const told = make("div.stack");
  const draw = () => {
    const { mean, kept, why, advantages } = group.verdict;
    const half = (wanted) => {
      const members = group.answers.map((_, at) => at).filter((at) => kept[at] === wanted);
      return make(
        wanted ? "section.card.half-kept" : "section.card.half-dropped",
        make("h3", (wanted ? "✓ " : "✕ ") + word(wanted ? "kept_count" : "dropped_count", { count: members.length })),
        make(
          "ul",
          ...members.map((at) =>
            make(
              "li",
              formula(false, answerName(at)),
              make("bdi", group.answers[at]),
              make(
                "span.quiet",
                wanted ? `r − μ = ${signed(group.rewards[at] - mean)}` : word("why_" + why[at], { mean: figure(mean) }),
              ),
            ),
          ),
        ),
        members.length ? null : make("p.quiet", word(wanted ? "kept_nobody" : "dropped_nobody")),
      );
    };
    halves.replaceChildren(half(true), half(false));
    const rule =
      group.kind === "above_mean"
        ? `r > μ = ${figure(mean)}`
        : group.kind === "all"
          ? "1 ≤ i ≤ K"
          : `rank(r) ≤ ⌈T K⌉ = ${topIndices(group.rewards, group.fraction).length}`;
    const below = group.kind === "top_fraction" && kept.some((is, at) => is && advantages[at] < 0);
    const tie = group.kind === "top_fraction" ? tieAtCut(group.rewards, why) : [];
    told.replaceChildren(
      formula(true, "D = {", sub("y", "i"), ":", rule, "}"),
      ...(group.kind === "above_mean" ? [make("p.finding", word("kept_effect"))] : []),
      ...(tie.length ? [make("p.quiet", word("kept_tie"))] : []),
      ...(below ? [make("p.quiet", word("kept_below"))] : []),
    );
  };
  const ready = withRewards(group, draw);
  return {
    node: make("div.stack", groupQuestion(group), thresholdChoice(group, draw), halves, told, ready.status),
    shown: ready.shown,
  };
}

// Step 6, page 5: the loss in both forms with its numbers filled in, and a row for each answer whose ρ is dragged along
// its own plot. The sums are group_state.js's; the real step is group_step.js's.

/** @param {LearnGroup} group @returns {LearnPage} */
function lossPage(group) {
  const top = make("div.columns.forms");
  const rows = make("div.answer-rows", { role: "list", tabindex: 0, "aria-label": word("loss_rows") });
  const jump = make("div.jump", { role: "group", "aria-label": word("loss_rows") });
  const total = make("div.card.loss-total");
  const tiles = make("div.tiles");
  const step = stepCard(group);
  /** @type {{ show: () => void }[]} */
  let drawn = [];
  const sums = () => {
    const { members, clipped, course } = group.loss;
    top.replaceChildren(clippedForm(group, members, clipped), courseForm(group, members, course));
    total.replaceChildren(
      make("span", word("loss_sum", { count: members.length })),
      make("b.big", { "data-testid": "learn-loss" }, clipped === null ? word("loss_none") : figure(clipped, 3)),
    );
    for (const row of drawn) row.show();
    step.sums(clipped);
  };
  const draw = () => {
    const { mean, std, kept } = group.verdict;
    tiles.replaceChildren(
      tile("[[mean|μ]]", figure(mean)),
      tile("[[std|σ]]", figure(std, 4)),
      tile(word("kept_tile"), `${kept.filter(Boolean).length} / ${kept.length}`),
    );
    drawn = group.answers.map((_, at) => answerRow(group, at, sums));
    rows.replaceChildren(.../** @type {any[]} */ (drawn).map(({ node }) => node));
    jump.replaceChildren(...kept.map((is, at) => jumpTo(rows, at, is)));
    sums();
    step.draw();
  };
  const ready = withRewards(group, async () => {
    draw();
    if (group.logps) return;
    try {
      await group.ask();
    } catch (error) {
      return say(ready.status, requestWords(error));
    }
    sums(); // not the rows anew: a reader may be dragging a ρ
    step.draw();
  });
  const scale = segmented(
    word("scale"),
    [
      [false, "A = r − μ"],
      [true, "A = (r − μ) / σ"],
    ],
    group.scaled,
    (scaled) => {
      group.choose({ scaled });
      draw();
    },
  );
  const level = buttonOf("button.plain", word("ratios_level"), () => {
    group.ratios = group.ratios.map(() => 1);
    sums();
  });
  return {
    node: make(
      "div.stack.loss-page",
      make("div.row.between", groupQuestion(group), tiles),
      top,
      make("div.row", scale, thresholdChoice(group, draw), level),
      jump,
      rows,
      total,
      ready.status,
      step.node,
    ),
    shown: ready.shown,
  };
}

/**
 * On a phone, where the answers are cards side by side: brings one of them in sight.
 * @param {HTMLElement} rows
 * @param {number} at
 * @param {boolean} kept
 */
const jumpTo = (rows, at, kept) =>
  make(
    kept ? "button.plain" : "button.plain.dropped",
    {
      "aria-label": word("answer_n", { n: at + 1 }),
      onclick: () => {
        const card = rows.children[at];
        if (card instanceof HTMLElement) rows.scrollTo({ left: card.offsetLeft - rows.offsetLeft, behavior: "smooth" });
      },
    },
    formula(false, answerName(at)),
    kept ? "" : " ✕",
  );

/** @param {LearnGroup} group @param {LearnGroup["loss"]["members"]} members @param {number | null} sum */
function clippedForm(group, members, sum) {
  const general = formula(true, "ℒ = −", fraction("1", "|D|"), sumOver("y ∈ D"), "min(ρ A, clip(ρ, 1 − ε, 1 + ε) A)");
  const gains = members.map(({ ratio, advantage }) => figure(clippedGain(ratio, advantage, GROUP_EPSILON).gain, 3));
  const filled = members.length
    ? formula(
        true,
        "ℒ = −",
        fraction("1", String(members.length)),
        "(",
        ...members.flatMap(({ at }, n) => [n ? "+" : "", mathNode("munder", mathRow(gains[n]), answerName(at))]),
        ") =",
        resultPiece(figure(sum, 3)),
      )
    : make("p.finding", word("loss_nobody"));
  return make("section.card.form", make("h3", ...richWord("form_clipped")), scrolling(general), scrolling(filled));
}

/** @param {LearnGroup} group @param {LearnGroup["loss"]["members"]} members @param {number | null} sum */
function courseForm(group, members, sum) {
  const shares = members.map(({ logp, advantage }) => (isNumber(logp) ? figure(-logp * advantage, 3) : "…"));
  return make(
    "section.card.form",
    make("h3", word("form_course")),
    scrolling(formula(true, "ℒ =", sub("𝔼", "D"), "[ −log", sub("π", "θ"), "(y|x) · A ]")),
    members.length
      ? scrolling(
          formula(
            true,
            fraction("1", String(members.length)),
            `( ${shares.join(" + ")} ) =`,
            resultPiece(isNumber(sum) ? figure(sum, 3) : "…"),
          ),
        )
      : null,
    make("p.quiet", word("form_note")),
  );
}

/**
 * One answer with its numbers; where it is kept, the plot whose axis is the slider.
 * @param {LearnGroup} group
 * @param {number} at
 * @param {() => void} changed
 */
function answerRow(group, at, changed) {
  const { mean, why, kept } = group.verdict;
  const holes = { reward: figure(group.rewards[at]), mean: figure(mean) };
  const head = make(
    "div.answer-name",
    make("span.name", formula(false, answerName(at)), " ", make("bdi", group.answers[at])),
    keptChip(why[at], holes),
  );
  const about = { role: "listitem", "data-answer": at + 1 };
  if (!kept[at])
    return { node: make("div.answer-row.dropped", about, head, make("p.left-out", word("left_out"))), show: () => {} };
  const numbers = answerNumbers(group, at);
  const part = keptPart(group, at, numbers.node, kept.indexOf(true) === at, changed);
  const show = () => {
    const now = group.logpNow(at);
    const was = group.logps ? `${figure(group.logps[at], 3)} + ln ρ` : word("asked");
    numbers.show(isNumber(now) ? figure(now, 3) : "…", was);
    part.show(now);
  };
  return { node: make("div.answer-row", about, head, ...part.nodes), show };
}

/** Reward, advantage and log π of an answer. @param {LearnGroup} group @param {number} at */
function answerNumbers(group, at) {
  const { mean, std, advantages } = group.verdict;
  const difference = group.rewards[at] - mean;
  const scaled = difference / (std + ADVANTAGE_EPSILON);
  const logp = make("b");
  const below = make("span.quiet");
  const node = make(
    "dl.numbers",
    pairOf(
      richWord("head_reward"),
      make("b", figure(group.rewards[at])),
      group.scores[at].map((score) => brief(score)).join(" + "),
    ),
    pairOf(
      richWord("head_advantage"),
      make(advantages[at] < 0 ? "b.minus" : "b.plus", signed(advantages[at])),
      group.scaled ? `r − μ = ${signed(difference)}` : `÷ σ = ${signed(scaled, 3)}`,
    ),
    make("div", make("dt", formula(false, "log", sub("π", "θ"), "(y|x)")), make("dd", logp, below)),
  );
  return {
    node,
    /** @param {string} now @param {string} was */
    show(now, was) {
      say(logp, now);
      say(below, was);
    },
  };
}

/**
 * A kept answer's numbers, its plot, its branches and its share of the loss. Of all but the first, ρ and the share
 * alone are shown, and the rest is a tap away, since they work alike.
 * @param {LearnGroup} group
 * @param {number} at
 * @param {HTMLElement} numbers
 * @param {boolean} first
 * @param {() => void} changed
 */
function keptPart(group, at, numbers, first, changed) {
  const { kept, advantages } = group.verdict;
  const advantage = advantages[at];
  const count = kept.filter(Boolean).length;
  const value = make("b");
  const chip = make("span.chip");
  const share = make("b");
  const course = make("span.quiet");
  const plot = new ClipPlot({ label: word("ratio_of", { n: at + 1 }), epsilon: GROUP_EPSILON }, (ratio) => {
    group.drag(at, ratio);
    changed();
  });
  const branches = branchPair((branch) => [formula(false, branch === "free" ? "ρ A" : "clip(ρ) A")]);
  const shared = make("span.share", make("span", word("share_of")), share);
  const pushed = make("b", signed(advantage));
  const head = make("span.ratio-head", ...(first ? [] : ["A = ", pushed, " · "]), "ρ = ", value, " ", chip);
  return {
    nodes: first
      ? [numbers, make("div.plot", head, plot.node), make("div.choice-of", branches.node, shared, course)]
      : [folded(group, at, [head, shared], [numbers, plot.node, branches.node, course])],
    /** @param {number | null} logp */
    show(logp) {
      const ratio = group.ratios[at];
      const gain = clippedGain(ratio, advantage, GROUP_EPSILON);
      const { key, held } = ratioWords(ratio, advantage, GROUP_EPSILON);
      plot.show(ratio, advantage);
      branches.show(gain);
      say(value, figure(ratio));
      say(chip, word(key));
      toggle(chip, "warn", held);
      say(share, `${figure(-gain.gain, 3)} ÷ ${count} = ${figure(-gain.gain / count, 3)}`);
      say(course, isNumber(logp) ? `−log π · A = ${figure(-logp * advantage, 3)}` : "");
    },
  };
}

/**
 * What is a tap away of a kept answer; once opened it stays so.
 * @param {LearnGroup} group
 * @param {number} at
 * @param {Node[]} head
 * @param {Node[]} nodes
 */
function folded(group, at, head, nodes) {
  const fold = make("details", make("summary", ...head), make("div.folded", ...nodes));
  fold.open = group.opened.has(at);
  fold.addEventListener("toggle", () => group.opened[fold.open ? "add" : "delete"](at));
  return fold;
}

/** @param {(Node | string)[]} name @param {Node} value @param {string} below */
const pairOf = (name, value, below) => make("div", make("dt", ...name), make("dd", value, make("span.quiet", below)));

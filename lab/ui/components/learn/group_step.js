// Step 6, page 5, its end: a guess, a real optimiser step on the kept answers, and log π before and after.

/** What the steps did to the loss. @param {LearnGroup} group @param {any} done */
const stepWords = (group, done) =>
  word("step_done", {
    steps: group.steps,
    before: figure(done.losses[0], 3),
    after: figure(done.losses[1], 3),
    seconds: figure(done.seconds, 1),
  });

/** Whether the guess was right. @param {any} done @param {boolean[]} kept @param {number | null} guess */
function guessWords(done, kept, guess) {
  const rises = kept.map((is, at) => (is ? done.after[at] - done.before[at] : -Infinity));
  if (guess === null || !kept[guess]) return "";
  const most = rises.map((rise) => Math.max(...rises) - rise < 1e-6); // answers of one text rise alike
  const names = most.flatMap((is, at) => (is ? ["y" + (at + 1)] : [])).join(", ");
  return word(most[guess] ? "step_guess_right" : "step_guess_wrong", { names });
}

/** Which answers were pushed up and became less likely all the same. @param {LearnGroup} group @param {any} done */
function fallenWords(group, done) {
  const { kept, advantages } = group.verdict;
  const fallen = kept.flatMap((is, at) =>
    is && advantages[at] > 0 && done.after[at] < done.before[at] ? ["y" + (at + 1)] : [],
  );
  return fallen.length ? word("step_fallen", { names: fallen.join(", ") }) : "";
}

/** @param {number} at @param {boolean} chosen @param {() => void} choose */
const guessButton = (at, chosen, choose) =>
  make("button.plain.small", { "aria-pressed": String(chosen), onclick: choose }, formula(false, answerName(at)));

/** The real step: its button, and log π before and after. @param {LearnGroup} group */
function stepCard(group) {
  const body = make("tbody");
  const told = make("p.finding", { role: "status" });
  const guesses = make("div.chips");
  /** @type {number | null} */
  let guess = null;
  const lossNow = make("b", "–");
  const go = asking(word("step_take"), async () => {
    await group.take(Math.min(10, group.steps + 1));
    draw();
  });
  const undo = buttonOf("button.plain", word("undo"), () => {
    Object.assign(group, { stepped: null, steps: 0 });
    draw();
  });
  go.node.prepend(make("span.loss-now", make("span.quiet", word("loss_now")), lossNow));
  go.node.append(undo);
  const draw = () => {
    const { kept } = group.verdict;
    const done = group.stepped;
    undo.disabled = !done;
    go.button.disabled = group.steps >= 10 || !kept.some(Boolean);
    say(go.button, word(group.steps ? "step_another" : "step_take"));
    body.replaceChildren(
      ...group.answers.map((text, at) => {
        const before = done ? done.before[at] : group.logps && group.logps[at];
        const after = done ? done.after[at] : null;
        const change = done ? after - before : null;
        return make(
          kept[at] ? "tr" : "tr.dropped",
          make("th", { scope: "row" }, formula(false, answerName(at)), " ", make("bdi", text)),
          make("td.number", isNumber(before) ? figure(before, 3) : "…"),
          make("td.number.strong", done ? figure(after, 3) : "–"),
          make(change < 0 ? "td.number.minus" : "td.number.plus", done ? signed(change, 3) : "–"),
        );
      }),
    );
    guesses.replaceChildren(
      ...kept.flatMap((is, at) => (is && !done ? [guessButton(at, at === guess, () => pick(at))] : [])),
    );
    if (!done) say(told, word(kept.some(Boolean) ? "step_none_yet" : "step_nobody"));
    else if (!done.losses) say(told, word("step_nobody"));
    else say(told, [stepWords(group, done), guessWords(done, kept, guess), fallenWords(group, done)].join(" ").trim());
  };
  /** @param {number} at */
  const pick = (at) => {
    guess = at;
    draw();
  };
  return {
    node: make(
      "section.card.step-card",
      make("h3", word("step_title")),
      make("p.quiet", ...richWord("step_about")),
      scrolling(
        make(
          "table",
          tableHead(["answer", "step_before", "step_after", "step_change"].map((key, at) => [[word(key)], at > 0])),
          body,
        ),
      ),
      guesses,
      told,
      go.node,
    ),
    draw,
    /** @param {number | null} loss */
    sums: (loss) => say(lossNow, loss === null ? "–" : figure(loss, 3)),
  };
}

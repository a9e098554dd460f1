// The live vote: who of the group is kept?

/** The votes of everybody as bars, for the owner. */
function questionBars(question) {
  const most = Math.max(1, question.voted);
  return make(
    "ol.answers",
    ...question.answers.map((answer, place) =>
      make(
        "li",
        { class: question.revealed ? (answer.kept ? "kept" : "dropped") : "" },
        answerName(place),
        make("span.text", answer.text),
        bar(answer.votes / most),
        make("b.count", String(answer.votes)),
      ),
    ),
  );
}

/**
 * The question as a guest answers it.
 * @param {any} question
 * @param {Set<number>} chosen
 * @param {() => void} send
 */
function questionForm(question, chosen, send) {
  const locked = question.revealed;
  const choice = (answer, place) => {
    const input = make("input", { type: "checkbox", checked: chosen.has(place), disabled: locked });
    input.addEventListener("change", () => (input.checked ? chosen.add(place) : chosen.delete(place)));
    const verdict = locked
      ? make(
          "b",
          { class: answer.kept ? "kept" : "dropped" },
          answer.kept ? "✓ " + word("kept") : "✕ " + word("dropped"),
        )
      : null;
    return make(
      "li",
      make(
        "label",
        input,
        answerName(place),
        make("span.text", answer.text),
        make("span.quiet", `r = ${figure(answer.reward, 1)}`),
        verdict,
      ),
    );
  };
  const right =
    locked && question.mine && question.answers.every((answer, place) => answer.kept === question.mine.includes(place));
  const told = locked
    ? word(question.mine ? (right ? "vote_right" : "vote_wrong") : "vote_missed", { mean: figure(question.mean) })
    : question.mine
      ? word("voted")
      : "";
  return make(
    "div",
    { "data-testid": "class-vote" },
    make("p.prompt", question.prompt),
    make("ol.answers.choices", ...question.answers.map(choice)),
    make(
      "div.row",
      locked ? null : button(word(question.mine ? "vote_again" : "vote"), send, "primary"),
      make("span", { role: "status" }, told),
    ),
  );
}

// Step 3: from preferences to a reward model. Five pairs are judged; Bradley–Terry gives each answer a strength, and
// σ(r_chosen − r_rejected) is how sure it is of each judgement. Everything is computed in the browser.

const JUDGED_PAIRS = /** @type {[number, number][]} */ ([
  [0, 1],
  [2, 3],
  [4, 1],
  [0, 3],
  [4, 2],
]);

function preferenceStep() {
  const answers = ["x = 5", "x = 15/3", word("worked_none"), "x = 7", "3x = 15 → x = 5"];
  let votes = keptOf("votes", []).slice(0, JUDGED_PAIRS.length);
  const place = make("div.stack");
  const vote = (now) => {
    votes = now;
    keepOf("votes", votes);
    draw();
  };

  const pairCard = () => {
    const at = votes.length;
    const [first, second] = JUDGED_PAIRS[at];
    const choose = (winner) => () => {
      vote([...votes, winner]);
      const next = place.querySelector("button.answer, .judged");
      if (next instanceof HTMLElement) next.focus({ preventScroll: true });
    };
    return make(
      "section.card.pair",
      make("p.quiet", word("pair_of", { at: at + 1, of: JUDGED_PAIRS.length })),
      make("p.question", make("b", worked().prompt)),
      make(
        "div.columns.two",
        ...[first, second].map((answer) =>
          make("button.answer", { onclick: choose(answer) }, make("bdi", answers[answer])),
        ),
      ),
      make("p.quiet", word("pair_hint")),
    );
  };

  const judged = () =>
    votes.map((winner, at) => {
      const [first, second] = JUDGED_PAIRS[at];
      return /** @type {[number, number]} */ ([winner, winner === first ? second : first]);
    });

  const result = () => {
    const pairs = judged();
    const strengths = bradleyTerry(answers.length, pairs);
    const order = answers.map((_, at) => at).sort((a, b) => strengths[b] - strengths[a]);
    const reach = Math.max(...strengths.map(Math.abs), 0.1);
    const total = pairs.reduce((sum, [w, l]) => sum + minusLogSigmoid(strengths[w] - strengths[l]), 0) / pairs.length;
    return make(
      "div.stack.judged",
      { tabindex: -1 },
      make(
        "section.card",
        make("h3", ...richWord("strengths")),
        make(
          "ul.strengths",
          ...order.map((at) =>
            make("li", make("bdi", answers[at]), bar(strengths[at], reach), make("b", signed(strengths[at]))),
          ),
        ),
        make("p.quiet", word("strengths_note")),
      ),
      make(
        "section.card",
        make("h3", word("sure_of")),
        formula(true, "σ(", sub("r", "w"), "−", sub("r", "l"), ")"),
        make(
          "ul.sure",
          ...pairs.map(([w, l], at) => {
            const margin = strengths[w] - strengths[l];
            return make(
              "li",
              make("span.names", make("bdi", answers[w]), " ≻ ", make("bdi", answers[l])),
              formula(
                false,
                "σ(",
                figure(strengths[w]),
                "−",
                strengths[l] < 0 ? `(${figure(strengths[l])})` : figure(strengths[l]),
                ") =",
                figure(sigmoid(margin), 3),
              ),
              make(
                "button.plain.small",
                {
                  "aria-label": word("turn_pair", { at: at + 1 }),
                  onclick: () => vote(votes.map((own, n) => (n === at ? l : own))),
                },
                "⇄ " + word("turn"),
              ),
            );
          }),
        ),
        formula(
          true,
          "ℒ = −",
          fraction("1", "5"),
          sumOver("(w, l)"),
          "log σ(",
          sub("r", "w"),
          "−",
          sub("r", "l"),
          ") =",
          figure(total, 3),
        ),
      ),
      buttonOf("button.plain", word("judge_again"), () => vote([])),
    );
  };

  const draw = () => place.replaceChildren(votes.length < JUDGED_PAIRS.length ? pairCard() : result());
  draw();
  return { node: place };
}

// Step 1: what a reward is. An answer is typed, three rules score it, and their sum is its reward.

const WORKED_RULES = ["integer_answer", "consistent", "equals_answer"];

/** The worked example in the reader's language: the prompt as the tiny model knows it, and its five answers. */
const worked = () => ({
  prompt: word("worked_prompt"),
  right: "5",
  answers: ["x = 5", "x = 15/3", "x = 5", word("worked_none"), "3x = 15 → x = 5"],
});

function rewardStep() {
  const { prompt, right } = worked();
  const input = answerField(word("reward_field"), keptOf("reward", "x = 5"));
  const rows = WORKED_RULES.map((name) => ({ value: make("b", "–"), meter: make("i"), name }));
  const total = make("b.big", "–");
  const status = make("p.status", { role: "status" });
  const note = make("p.finding", { role: "status" });
  const score = async () => {
    const text = input.value;
    keepOf("reward", text);
    if (!text.trim()) {
      for (const { value, meter } of rows) {
        say(value, "–");
        meter.style.width = "0";
      }
      say(total, "–");
      return say(note, word("reward_note_empty"));
    }
    try {
      const [{ scores, reward }] = await scoreAnswers(prompt, right, [text], WORKED_RULES);
      if (text !== input.value) return;
      rows.forEach(({ value, meter }, at) => {
        say(value, figure(scores[at], 2));
        meter.style.width = Math.max(0, Math.min(1, scores[at])) * 100 + "%";
      });
      say(total, figure(reward, 2));
      say(status, "");
      say(note, word(reward >= 3 ? "reward_note_full" : "reward_note_less"));
    } catch (error) {
      say(status, requestWords(error));
    }
  };
  const soon = settled(score, 250);
  input.addEventListener("input", soon);
  const tries = ["x = 5", "x = 15/3", "x = 7", word("worked_none"), "3x = 15 → x = 5", word("reward_try_odd")];
  const chips = tries.map((text) =>
    buttonOf("button.plain.try", text, () => {
      input.value = text;
      score();
    }),
  );
  return {
    node: make(
      "div.stack",
      make("p.question", make("b", prompt), " ", make("span.quiet", word("right_is", { right }))),
      input,
      make("div.chips", ...chips),
      make(
        "div.card.scores",
        ...rows.map(({ name, value, meter }) =>
          make(
            "div.score",
            make("span", ruleLabel(name), make("small.quiet", word("reward_rule_" + name))),
            make("span.meter", { "aria-hidden": "true" }, meter),
            value,
          ),
        ),
        make("div.score.total", make("span", ...richWord("reward_sum")), total),
      ),
      note,
      status,
    ),
    shown: score,
  };
}

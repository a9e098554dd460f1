// Step 2: pretraining, then SFT. The same question to three models, live: the empty one, the shipped one, and the
// shipped one after a short SFT that the worker does when it is first asked.

const WRITERS = ["empty", "pretrained", "tuned"];

function sftStep() {
  const questions = [worked().prompt, word("sft_question_2"), word("sft_question_3")];
  const rights = ["5", "4", "6"];
  let chosen = 0;
  let seed = 1;
  const columns = Object.fromEntries(
    WRITERS.map((name) => [name, { list: make("ul.written"), share: make("p.share.quiet") }]),
  );
  const facts = make("span");
  const show = async () => {
    const prompt = questions[chosen];
    const { models, sft } = await askModel({ kind: "write", prompts: [prompt], completions: 4, seed });
    seed += 1;
    for (const name of WRITERS) {
      const [texts] = models[name];
      const scored = await scoreAnswers(
        prompt,
        rights[chosen],
        texts.map((text) => text || " "),
        ["equals_answer"],
      );
      const { list, share } = columns[name];
      list.replaceChildren(
        ...texts.map((text, at) =>
          make(
            scored[at].reward ? "li.right" : "li",
            make(
              "span.sign",
              { role: "img", "aria-label": word(scored[at].reward ? "right" : "wrong") },
              scored[at].reward ? "✓" : "✕",
            ),
            make("bdi.text", text || "∅"),
          ),
        ),
      );
      say(share, word("sft_share", { right: scored.filter(({ reward }) => reward).length, of: texts.length }));
    }
    say(facts, word("sft_facts", { steps: sft.steps, rows: sft.rows, seconds: figure(sft.seconds, 1) }));
  };
  const ask = asking(word("sft_ask"), show);
  const pick = segmented(
    word("sft_pick"),
    questions.map((text, at) => /** @type {[number, string]} */ ([at, text])),
    chosen,
    (at) => {
      chosen = at;
      ask.run();
    },
  );
  return {
    node: make(
      "div.stack",
      pick,
      ask.node,
      make(
        "div.columns.three",
        ...WRITERS.map((name) =>
          make(
            "section.card",
            make("h3", word("writer_" + name)),
            make("p.quiet", ...richWord("writer_" + name + "_about")),
            columns[name].list,
            columns[name].share,
          ),
        ),
      ),
      originOf("sft_origin", facts),
    ),
    warm: true,
  };
}

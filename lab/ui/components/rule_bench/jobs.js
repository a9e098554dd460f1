// A job of the lab's followed to its end, and what went wrong in one sentence.

// One sentence for what went wrong.
function sentenceOf(error) {
  if (error.reason && error.reason.key) return errorWords(error.reason);
  return word(error.status === 0 ? "unreachable" : "failed", { status: error.status });
}

// Says what happened, or what is wrong, under the controls; an empty text hides the line.
function tell(node, text, wrong = false) {
  say(node, text);
  toggle(node, "wrong", wrong);
  conceal(node, !text);
}

const JOB_PAUSE = 600;
const JOB_OVER = ["finished", "failed", "stopped", "lost"];

// Follows a job until it has ended; each look is told to `seen`. Gives the last look, with every line that the job has
// written.
async function followJob(id, seen) {
  const lines = [];
  let cursor = 0;
  for (;;) {
    const look = await fetchJson(`api/jobs/${encodeURIComponent(id)}?since=${cursor}`);
    lines.push(...look.lines);
    cursor = look.cursor;
    seen(look);
    if (JOB_OVER.includes(look.state)) return { ...look, lines };
    await new Promise((resolve) => setTimeout(resolve, JOB_PAUSE));
  }
}

async function endJob(id) {
  await request(`api/jobs/${encodeURIComponent(id)}`, { method: "DELETE" }).catch(() => {}); // whoever follows it sees
}

// What a job is doing, in the pre-flight's words.
function jobStage(look) {
  if (look.waits_for)
    return preflightWord(look.waits_for.kind === "run" ? "waits_for_run" : "waits_for_job", look.waits_for);
  return preflightWord("stage_" + (look.stage || "loading"));
}

function preflightWord(key, holes) {
  const sentence = (JSON.parse(props.preflight || "{}")[chosenLanguage()] || {})[key];
  return sentence === undefined ? key : fill(sentence, holes);
}

// What a model can be asked with: the models that are here, and the collections that people have judged, as choices.
async function jobChoices() {
  const { models, collections } = await fetchJson("api/preflight");
  return {
    models: models.map(({ model, name }) => [model, name]),
    collections: collections.map(({ id, name, judgements }) => [id, word("people_of", { name, n: judgements })]),
  };
}

// Recorded runs as a select offers them.
const runOptions = (runs) => options(runs.map((run) => [run.id, run.title || run.name || run.id]));

/**
 * A select of the bench.
 * @param {string} key of the word that names it
 * @param {string} testid
 * @param {any[][]} [pairs] what it offers from the beginning
 * @param {(value: string) => void} [changed] is told the value that somebody chose
 */
function chooser(key, testid, pairs = [], changed = () => {}) {
  const select = make("select.plain", { "aria-label": word(key), "data-testid": testid }, ...options(pairs));
  select.addEventListener("change", () => changed(select.value));
  return select;
}

// Asking the lab: JSON in and out, and a refusal as an error that can be worded.

async function askLab(path, body) {
  const options = { headers: { Accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(address(path), options);
  } catch {
    throw Object.assign(new Error("unreachable"), { status: 0 });
  }
  if (answer.ok) return answer.json();
  const told = await answer.json().catch(() => null);
  throw Object.assign(new Error(`${answer.status}`), { status: answer.status, told: told && told.error });
}

// One sentence for what went wrong.
function sentenceOf(error) {
  if (error.told && error.told.key) return errorWords(error.told);
  return word(error.status === 0 ? "unreachable" : "failed", { status: error.status });
}

const JOB_PAUSE = 600;
const JOB_OVER = ["finished", "failed", "stopped", "lost"];

// Follows a job until it has ended; each look is told to `seen`. Gives the last look, with every line that the job has written.
async function followJob(id, seen) {
  const lines = [];
  let cursor = 0;
  for (;;) {
    const look = await askLab(`api/jobs/${encodeURIComponent(id)}?since=${cursor}`);
    lines.push(...look.lines);
    cursor = look.cursor;
    seen(look);
    if (JOB_OVER.includes(look.state)) return { ...look, lines };
    await new Promise((resolve) => setTimeout(resolve, JOB_PAUSE));
  }
}

async function endJob(id) {
  await fetch(address(`api/jobs/${encodeURIComponent(id)}`), { method: "DELETE", credentials: "same-origin" });
}

// What a job is doing, in the pre-flight's words.
function jobStage(look) {
  if (look.waits_for) return preflightWord(look.waits_for.kind === "run" ? "waits_for_run" : "waits_for_job", look.waits_for);
  return preflightWord("stage_" + (look.stage || "loading"));
}

function preflightWord(key, holes) {
  const sentence = (JSON.parse(props.preflight || "{}")[chosenLanguage()] || {})[key];
  return sentence === undefined ? key : fill(sentence, holes);
}

// What a model can be asked with: the models that are here, and the collections that people have judged, as choices.
async function jobChoices() {
  const { models, collections } = await askLab("api/preflight");
  return {
    models: models.map(({ model, name }) => [model, name]),
    collections: collections.map(({ id, name, judgements }) => [id, word("people_of", { name, n: judgements })]),
  };
}

const options = (pairs) => pairs.map(([value, label]) => make("option", { value }, label));

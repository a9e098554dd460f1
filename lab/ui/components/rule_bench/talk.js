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

// Requests to the lab's own routes: JSON in, JSON out, and one kind of error for whatever goes wrong. It keeps nothing and words nothing.

// `status` is the answer's, and 0 where there was none; `reason` is the server's {key, params}, or null.
class RequestError extends Error {
  constructor(status, reason = null) {
    super(status ? String(status) : "unreachable");
    Object.assign(this, { status, reason });
  }
}

// Routes stand beside the page's root; a proxy may have put that below a path of its own.
function address(path) {
  const root = (window.gradio_config && window.gradio_config.root) || document.baseURI;
  const folder = new URL(root, location.href).pathname.replace(/\/+$/, "");
  return location.origin + folder + "/" + path;
}

// The answer to a request; with a `body`, which becomes JSON, it is a POST. Other options are fetch's.
async function request(path, { body, ...options } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let answer;
  try {
    answer = await fetch(address(path), { headers, credentials: "same-origin", ...options });
  } catch {
    throw new RequestError(0);
  }
  if (answer.ok) return answer;
  const refusal = await answer.json().catch(() => null);
  throw new RequestError(answer.status, (refusal && refusal.error) || null);
}

async function fetchJson(path, options) {
  const answer = await request(path, options);
  return answer.json();
}

// The server answered, and said no: there is no such run, or not for us. Asking again would not help.
const isGone = ({ status }) => status >= 400 && status < 500;

// One row of a run's groups, as the server lists them ([step, group, prompt, mean, std, kept, size]), by names.
function groupRow([step, group, prompt, mean, std, kept, size]) {
  return { step, group, prompt, mean, std, kept, size };
}

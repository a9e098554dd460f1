// Requests to the lab's own routes: JSON in, JSON out, and one kind of error for whatever goes wrong. It keeps nothing
// and words nothing.

class RequestError extends Error {
  /**
   * @param {number} status the answer's; 0 where there was none
   * @param {Reason | null} reason the server's own, where it gave one
   */
  constructor(status, reason = null) {
    super(status ? String(status) : "unreachable");
    this.status = status;
    this.reason = reason;
  }
}

// Routes stand beside the page's root; a proxy may have put that below a path of its own.
/** @param {string} path */
function address(path) {
  const root = (window.gradio_config && window.gradio_config.root) || document.baseURI;
  const folder = new URL(root, location.href).pathname.replace(/\/+$/, "");
  return location.origin + folder + "/" + path;
}

const LONGEST_READING = 60000; // ms: a connection can be lost without a word, and whoever waits for it never asks again

/**
 * The answer to a request; with a `body`, which becomes JSON, it is a POST. Other options are fetch's.
 * What only reads is given up after a minute.
 * @param {string} path
 * @param {Omit<RequestInit, "body"> & { body?: unknown }} [options]
 * @returns {Promise<Response>} or a RequestError
 */
async function request(path, { body, ...options } = {}) {
  const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const headers = { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const reads = body === undefined && !options.method;
  const signal = reads ? AbortSignal.timeout(LONGEST_READING) : undefined;
  let answer;
  try {
    answer = await fetch(address(path), { headers, credentials: "same-origin", signal, ...sent, ...options });
  } catch {
    throw new RequestError(0);
  }
  if (answer.ok) return answer;
  const refusal = await answer.json().catch(() => null);
  throw new RequestError(answer.status, (refusal && refusal.error) || null);
}

/**
 * @param {string} path
 * @param {Parameters<typeof request>[1]} [options]
 * @returns {Promise<any>} or a RequestError
 */
async function fetchJson(path, options) {
  const answer = await request(path, options);
  try {
    return await answer.json();
  } catch {
    throw new RequestError(0); // the connection was lost in the middle of the answer
  }
}

const MOST_TRIES = 8;
const TRY_AGAIN_AFTER = 1000; // ms, and by chance up to half as much again: a class must not come back at once

/**
 * As `fetchJson`. Told that the lab is busy with what others have sent (429), it asks again for some ten seconds.
 * @param {string} path
 * @param {Parameters<typeof request>[1]} [options]
 * @returns {Promise<any>} or a RequestError
 */
async function fetchJsonWhenFree(path, options) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await fetchJson(path, options);
    } catch (error) {
      if (error.status !== 429 || tries === MOST_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_AFTER * (1 + Math.random() / 2)));
    }
  }
}

/**
 * The server answered, and said no: there is no such run, or not for us. Asking again would not help.
 * @param {{ status?: number }} error
 */
const isGone = ({ status }) => status >= 400 && status < 500;

/**
 * A row of a run's groups by names.
 * @param {ListedGroupRow} row
 * @returns {GroupRow}
 */
function groupRow([step, group, prompt, mean, std, kept, size]) {
  return { step, group, prompt, mean, std, kept, size };
}

// Judgements on their way: each is kept in this browser from the key press until the lab has said that it is stored.
// They leave in order, one at a time, and again after a pause where the lab cannot be reached; each has the id of its
// showing, so that one which arrives twice is stored once. What the lab refuses for good is set aside with its
// sentence. An entry that the browser has no room for is `unkept`: it leaves as the others do, and is lost if the page
// goes before.

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;
const PATIENCE = 15000;
const KEEPALIVE_BYTES = 60000;
const WAIT_FOR_SIGN_IN = [401, 403];

// The lab answered, and will not answer otherwise to the same again.
const isRefused = ({ status }) =>
  status >= 400 && status < 500 && ![408, 425, 429, ...WAIT_FOR_SIGN_IN].includes(status);

// Of these entries the judgements that none of the undos among them takes back.
function standing(entries) {
  const undone = entries.filter(({ path }) => path.endsWith("undo")).map(({ body }) => body.judgement);
  return entries.filter(({ path, body }) => !path.endsWith("undo") && !undone.includes(body.id));
}

/**
 * @param {string} name
 * @returns {OutboxEntry}
 */
const keptEntry = (name) => readKept(localStorage, name, /** @type {any} */ ({}));

class Outbox {
  /** @type {() => void} */ changed;
  /** @type {(entry: OutboxEntry, answer: any) => void} */ arrived;
  /** @type {(entry: OutboxEntry) => void} */ refused;
  /** @type {(entry: OutboxEntry) => void} */ elsewhere;
  /** @type {RequestError | null} why the last try failed */
  problem = null;
  failures = 0;
  /** @type {number | null} milliseconds since 1970 */
  retryAt = null;
  busy = false;
  count = 0;
  /** @type {OutboxEntry[]} */ entries = [];

  // `changed()` after every change; `arrived(entry, answer)` once one is stored; `refused(entry)` once one is set
  // aside; `elsewhere(entry)` when another tab of this person's has put one into its own.
  constructor(who, { changed, arrived, refused, elsewhere }) {
    this.prefix = `lab-annotate.outbox.${who}.`;
    this.asideName = `lab-annotate.refused.${who}`;
    Object.assign(this, { changed, arrived, refused, elsewhere });
    this.entries = namesKept(localStorage, this.prefix).map((name) => ({ ...keptEntry(name), name }));
    this.entries = this.entries.filter((entry) => entry.path && entry.body);
    this.aside = readKept(localStorage, this.asideName, []);
    this.others = new Map(); // what other tabs have put there since, by its name
    window.addEventListener("storage", ({ key }) => key && key.startsWith(this.prefix) && this.heard(key));
    window.addEventListener("online", () => this.retry());
    window.addEventListener("pagehide", () => this.lastTry());
    window.addEventListener("beforeunload", (event) => this.entries.length && event.preventDefault());
  }

  get unkept() {
    return this.entries.some(({ unkept }) => unkept);
  }

  get state() {
    if (!this.entries.length) return "saved";
    return this.problem ? "unsaved" : "saving";
  }

  // The judgements that are not stored yet and not taken back either.
  get judgements() {
    return standing(this.entries);
  }

  // The pairs that they judge, and those of other tabs.
  pairs(collection) {
    const judgements = standing([...this.entries, ...this.others.values()]);
    return judgements.filter(({ body }) => body.collection === collection).map(({ body }) => body.pair);
  }

  // Another tab has put an entry there, or has sent it.
  heard(name) {
    const entry = keptEntry(name);
    if (!entry.path) return void this.others.delete(name);
    this.others.set(name, entry);
    this.elsewhere(entry);
  }

  // `awaits`: the undo whose answer will name the showing that this judges.
  add(path, body, awaits = null) {
    this.count = (this.count + 1) % 1000;
    const name =
      this.prefix + String(Date.now()).padStart(15, "0") + String(this.count).padStart(3, "0") + "." + body.id;
    const entry = { path, body, awaits, name };
    this.entries.push(entry);
    this.keep(entry);
    return entry;
  }

  keep(entry) {
    const { path, body, awaits, name } = entry;
    entry.unkept = !keepBeforeDrafts(name, { path, body, awaits });
  }

  // An undo was stored: what waits for it learns the id of the new showing.
  name(undo, shown) {
    for (const entry of this.entries) {
      if (entry.awaits === undo) {
        for (const other of this.entries)
          if (other.body.judgement === entry.body.id)
            this.keep(Object.assign(other, { body: { ...other.body, judgement: shown } }));
        this.keep(Object.assign(entry, { awaits: null, body: { ...entry.body, id: shown } }));
      }
    }
  }

  retry() {
    clearTimeout(this.timer);
    this.retryAt = null;
    return this.drain();
  }

  async drain() {
    if (this.busy || this.retryAt) return;
    this.busy = true;
    while (this.entries.length) {
      const entry = this.entries[0];
      try {
        const answer = await fetchJson(entry.path, { body: entry.body, signal: AbortSignal.timeout(PATIENCE) });
        Object.assign(this, { problem: null, failures: 0 });
        if (answer.pair) this.name(entry.body.id, answer.pair.shown);
        this.remove(entry);
        this.arrived(entry, answer);
      } catch (error) {
        if (isRefused(error)) this.setAside(entry, error);
        else {
          this.wait(error);
          break;
        }
      }
      this.changed();
    }
    this.busy = false;
    this.changed();
  }

  wait(error) {
    this.problem = error;
    const pause = Math.min(FIRST_PAUSE * 2 ** this.failures, LONGEST_PAUSE) * (0.8 + 0.4 * Math.random());
    this.failures += 1;
    this.retryAt = Date.now() + pause;
    this.timer = setTimeout(() => this.retry(), pause);
  }

  remove(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
    dropKept(localStorage, entry.name);
    for (const other of this.entries) if (other.unkept) this.keep(other); // there is more room now
  }

  // With what only made sense after it: a judgement of the showing that a refused undo would have named, an undo of a
  // refused judgement.
  setAside(entry, error) {
    const lost = new Set([entry]);
    for (const {
      body: { id },
    } of lost)
      for (const other of this.entries) if (other.awaits === id || other.body.judgement === id) lost.add(other);
    const why = error.reason || { key: "request_refused", params: { detail: String(error.status) } };
    for (const one of lost) this.remove(one);
    this.aside.push(...[...lost].map(({ path, body }) => ({ path, body, error: why })));
    keepBeforeDrafts(this.asideName, this.aside);
    for (const one of lost) this.refused(one);
  }

  forgetAside() {
    this.aside = [];
    dropKept(localStorage, this.asideName);
    this.changed();
  }

  // The page is going: what still waits is handed to the browser, as far as order does not matter. It stays kept;
  // whether it arrived shows at the next visit.
  lastTry() {
    let room = KEEPALIVE_BYTES;
    for (const { path, body } of this.entries) {
      room -= 3 * JSON.stringify(body).length;
      if (room < 0 || path.endsWith("undo")) return;
      request(path, { body, keepalive: true }).catch(() => {});
    }
  }
}

// What becomes of a judgement or an undo after it has left the page: stored, refused, or put into the outbox of another
// tab.

function arrived({ queue }, { path, body }, answer) {
  if (!queue) return;
  if (answer.progress && (!body.collection || body.collection === queue.collection) && !queue.away().length)
    queue.progress = answer.progress;
  if (path.endsWith("undo")) queue.named(body.id, answer.pair);
  const record = queue.history.find(({ id }) => id === body.id);
  if (record && answer.sources) record.sources = answer.sources;
  queue.keepSoon();
}

// The page says why. What was typed on a pair that waited for a refused undo stands there again if the pair comes
// again.
function refused(annotator, { body, awaits }) {
  const edits = body.edited ? { edits: { [body.choice]: body.edited } } : {};
  if (awaits) annotator.drafts.change(body.pair, { reason: body.reason, ...edits }, body.collection);
  if (!annotator.queue) return;
  annotator.queue.refused(body.id);
  annotator.queue.refill(true);
  annotator.show();
}

function judgedElsewhere({ queue }, { path, body }) {
  if (queue && path && !path.endsWith("undo") && body.collection === queue.collection) queue.judgedElsewhere(body.pair);
}

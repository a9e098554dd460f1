// The queue of pairs claimed for one person: the one on screen, the next few, and those just judged, to which undo goes
// back. It survives a reload of its browser tab, so that judging goes on while the lab cannot be reached.

const QUEUED = 6;
const REMEMBERED = 30;
const KEPT = 10; // of these through a reload: they are written anew at each judgement, texts and all
const LOOK_AGAIN = 15000;
const FREED_SOON = 2000; // while others hold the last pairs: one of them may be skipped or given up
const JUST_ASKED = 3000; // milliseconds; whoever comes back sooner has missed nothing
const ANSWER_PATIENCE = 2000;
// Milliseconds for which the lab keeps a pair for this person (lab/annotation/judgements.py); then others may have it.
const CLAIM = 600000;

// An id of a showing that is made here: randomUUID itself is missing where the page came over plain http.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

// What came with the page (lab/ui/judge_page.py), or what the page's first script has asked for already
// (lab/ui/opening_tab.py) while Gradio was still drawing; once. A promise, or what it came to: then the first pair is
// in the very first picture.
function earlyPairs() {
  const early = window.labEarly;
  window.labEarly = null;
  return early || null;
}

class PairQueue {
  /** @type {string} */ collection;
  /** @type {() => string[]} */ away;
  /** @type {(pair: string) => boolean} */ begun;
  /** @type {() => void} */ changed;
  /** @type {ShownPair[]} */ pairs = [];
  /** @type {JudgedRecord[]} */ history = [];
  /** @type {Progress | null} */ progress = null;
  /** @type {CollectionSettings} */ settings = {};
  /** @type {RequestError | null} */ problem = null;
  /** @type {Promise<void> | null} */ asking = null;
  asked = 0; // milliseconds since 1970
  due = false;
  finished = false;

  // `away()` names the pairs that are judged and not stored yet; `begun(pair)` says whether something was typed on one;
  // `changed()` is called when pairs or progress came.
  constructor(who, collection, { away, begun, changed }) {
    Object.assign(this, { collection, away, begun, changed });
    this.name = `lab-annotate.hand.${who}.${collection}`;
    /** @type {{ pairs?: ShownPair[], history?: JudgedRecord[], progress?: Progress, settings?: CollectionSettings }} */
    const kept = readKept(sessionStorage, this.name, {});
    this.pairs = Array.isArray(kept.pairs) ? kept.pairs : [];
    this.history = Array.isArray(kept.history) ? kept.history : [];
    if (kept.progress) Object.assign(this, { progress: kept.progress, settings: kept.settings || {} });
    this.pairs = this.pairs.filter(({ pair }) => !away().includes(pair));
  }

  get now() {
    return this.pairs[0] || null;
  }

  // What was judged last and can be taken back.
  get last() {
    return this.history[this.history.length - 1] || null;
  }

  // Whether the claims on these pairs may have run out. By a clock that goes on while the machine sleeps.
  get stale() {
    return this.pairs.length > 0 && Date.now() - this.asked > CLAIM;
  }

  // Once for several changes, when the browser has nothing better to do. Only for what the lab would say again: what is
  // judged is kept at once.
  keepSoon() {
    if (this.keeping) return;
    this.keeping = whenIdle(() => this.keep());
  }

  keep() {
    this.keeping = null;
    const { pairs, history, progress, settings } = this;
    if (writeKept(sessionStorage, this.name, { pairs, history: history.slice(-KEPT), progress, settings })) return;
    writeKept(sessionStorage, this.name, { pairs: pairs.slice(0, 1), history: [], progress, settings });
  }

  // The pair on screen was judged: the next one is on screen now.
  judged(record) {
    const pair = this.pairs.shift();
    this.history.push({ ...record, pair });
    if (this.history.length > REMEMBERED) this.history.shift();
    if (this.progress) this.count(1, record.choice);
  }

  // The last judgement was taken back: its pair is on screen again. Until the answer to the undo names the new showing,
  // it has an id that was made here. `again`: it was asked for, and stays even where enough others have judged it.
  // `revealed`: its sources were looked at.
  undone(undo) {
    const record = this.history.pop();
    const revealed = record.revealed || record.pair.revealed || false;
    this.pairs.unshift({ ...record.pair, shown: newId(), awaits: undo, again: true, revealed });
    if (this.progress) this.count(-1, record.choice);
    return record;
  }

  // The answer to an undo came.
  named(undo, fresh) {
    const pair = this.pairs.find(({ awaits }) => awaits === undo);
    if (pair) Object.assign(pair, { shown: fresh.shown, awaits: null });
    const record = this.history.find((one) => one.pair.awaits === undo);
    if (record) Object.assign(record, { id: fresh.shown, pair: { ...record.pair, awaits: null } });
    this.keep();
  }

  // A judgement or an undo was refused: it is no longer in the history, nor on screen what only the undo put there.
  refused(id) {
    this.history = this.history.filter((record) => record.id !== id);
    this.pairs = this.pairs.filter(({ awaits }) => awaits !== id);
    this.keep();
  }

  // Another tab of this person's has judged a pair.
  judgedElsewhere(pair) {
    const before = this.pairs.length;
    this.pairs = this.pairs.filter((one) => one.pair !== pair || one.awaits);
    if (this.pairs.length === before) return;
    this.keepSoon();
    this.refill();
    this.changed();
  }

  // The figures before the server has counted; a skipped pair is left to others and counts as none.
  count(step, choice) {
    const { judged, left, total } = this.progress;
    const counted = choice === "skip" ? 0 : step;
    this.progress = {
      ...this.progress,
      judged: Math.max(0, judged + counted),
      left: Math.max(0, left - step),
      total: choice === "skip" ? total - step : total,
    };
  }

  // Asks for more where there are few, and `anyway` where it is to be known which of them are still this person's. A
  // promise, or null where there was no need.
  refill(anyway = false) {
    this.due = this.due || anyway;
    if (!this.asking && !this.closed && (this.due || this.pairs.length < QUEUED - 1)) this.asking = this.ask();
    return this.asking;
  }

  // Once the lab has said which of these pairs are still this person's, or has not answered soon.
  renewed() {
    return Promise.race([this.refill(true), new Promise((done) => setTimeout(done, ANSWER_PATIENCE))]);
  }

  async ask() {
    clearTimeout(this.timer);
    const settled = this.pairs.filter(({ awaits }) => !awaits);
    const holding = [...this.pairs.map(({ pair }) => pair), ...this.away()];
    let fewer = false;
    const count = Math.max(0, QUEUED - this.pairs.length);
    const signal = AbortSignal.timeout(PATIENCE);
    const query = `count=${count}&holding=${holding.map(encodeURIComponent).join(",")}`;
    try {
      const path = `api/annotate/collections/${encodeURIComponent(this.collection)}/pairs?${query}`;
      const answer = await fetchJson(path, { signal });
      this.due = false;
      if (!this.closed) fewer = this.receive(answer, settled);
    } catch (error) {
      if (this.closed) return;
      this.problem = error;
      if (isGone(error) && error.status === 404) this.pairs = [];
      this.later(this.pairs.length ? 5000 : 2000);
    } finally {
      this.asking = null;
      this.asked = Date.now();
      if (!this.closed) this.changed();
    }
    if (fewer) this.refill();
  }

  // `settled` are the pairs that were asked about: a pair that an undo has put back meanwhile is not meant by the
  // answer. What somebody has begun to type on is theirs to finish. Whether some are gone.
  receive(answer, settled = []) {
    this.problem = null;
    this.asked = Date.now();
    this.settings = answer.settings || {};
    if (!this.away().length) this.progress = answer.progress;
    this.progress = this.progress || answer.progress;
    const gone = settled.filter(({ pair, again }) => answer.gone.includes(pair) && !again && !this.begun(pair));
    this.pairs = this.pairs.filter((pair) => !gone.includes(pair));
    const known = [...this.pairs.map(({ pair }) => pair), ...this.away()];
    const fresh = answer.pairs.filter(({ pair }) => !known.includes(pair));
    this.pairs.push(...fresh);
    this.finished = !this.pairs.length && !answer.pairs.length && !gone.length;
    if (this.finished) this.later(this.progress.left > 0 ? FREED_SOON : LOOK_AGAIN);
    this.keepSoon();
    return gone.length > 0;
  }

  later(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (document.hidden ? this.later(pause) : this.refill()), pause);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    if (this.keeping) this.keep();
  }
}

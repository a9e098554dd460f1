// What a person has typed on a pair and not sent yet, kept in this browser. It knows no server.

const DRAFTS_KEPT = 60;
const DRAFTS = "lab-annotate.draft.";

/**
 * @typedef {{ reason?: string, strength?: number, edits?: Partial<Record<Side, string>>, editing?: Side | null,
 *   at?: number }} PairDraft
 */

/** @param {string} prefix */
const draftsByAge = (prefix) => {
  const at = new Map(
    namesKept(localStorage, prefix).map((name) => [
      name,
      readKept(localStorage, name, /** @type {PairDraft} */ ({})).at || 0,
    ]),
  );
  return [...at.keys()].sort((one, other) => at.get(one) - at.get(other));
};

// The same for what must not be lost: where the storage is full, the oldest drafts make room.
function keepBeforeDrafts(name, value) {
  if (writeKept(localStorage, name, value)) return true;
  for (const draft of draftsByAge(DRAFTS)) {
    if (draft === name) continue;
    dropKept(localStorage, draft);
    if (writeKept(localStorage, name, value)) return true;
  }
  return false;
}

// One draft a pair of a collection: {reason, strength, edits: {a, b}, editing}. Only pairs on which something was typed
// have one. What the storage has no room for stands in `unkept`, and is lost with the page: leaving it asks first.
class Drafts {
  constructor(who) {
    this.prefix = `${DRAFTS}${who}.`;
    this.collection = "";
    /** @type {Map<string, PairDraft>} */
    this.unkept = new Map();
    window.addEventListener("beforeunload", (event) => this.unkept.size && event.preventDefault());
  }

  name(pair, collection = this.collection) {
    return `${this.prefix}${collection}.${pair}`;
  }

  /**
   * @param {string} pair
   * @param {string} [collection]
   * @returns {PairDraft}
   */
  of(pair, collection) {
    const name = this.name(pair, collection);
    return this.unkept.get(name) || readKept(localStorage, name, {});
  }

  change(pair, change, collection) {
    const draft = { ...this.of(pair, collection), ...change, at: Date.now() };
    const { at, ...typed } = draft;
    if (Object.values(typed).every((value) => !value || (typeof value === "object" && !Object.keys(value).length)))
      return this.drop(pair, collection);
    const name = this.name(pair, collection);
    this.unkept.delete(name);
    if (!keepBeforeDrafts(name, draft)) this.unkept.set(name, draft);
    else if (namesKept(localStorage, this.prefix).length > DRAFTS_KEPT)
      dropKept(localStorage, draftsByAge(this.prefix)[0]);
  }

  drop(pair, collection) {
    const name = this.name(pair, collection);
    this.unkept.delete(name);
    dropKept(localStorage, name);
  }
}

// What this browser keeps: JSON under a name, in storage that may be full, forbidden or hold nonsense; and what a person has
// typed on a pair and not sent yet. It knows no server.

const DRAFTS_KEPT = 60;

function readKept(storage, name, otherwise) {
  try {
    const value = JSON.parse(storage.getItem(name));
    return value === null || typeof value !== typeof otherwise || Array.isArray(value) !== Array.isArray(otherwise) ? otherwise : value;
  } catch {
    return otherwise;
  }
}

// Whether it was really kept.
function writeKept(storage, name, value) {
  try {
    storage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

function dropKept(storage, name) {
  try {
    storage.removeItem(name);
  } catch {
    // Where nothing can be kept there is nothing to drop.
  }
}

function namesKept(storage, prefix) {
  try {
    return Object.keys(storage).filter((name) => name.startsWith(prefix)).sort();
  } catch {
    return [];
  }
}

// One draft a pair: {reason, strength, edits: {a, b}, editing}. Only pairs on which something was typed have one.
class Drafts {
  constructor(who) {
    this.prefix = `lab-annotate.draft.${who}.`;
  }

  of(pair) {
    return readKept(localStorage, this.prefix + pair, {});
  }

  change(pair, change) {
    const draft = { ...this.of(pair), ...change, at: Date.now() };
    const { at, ...typed } = draft;
    if (Object.values(typed).every((value) => !value || (typeof value === "object" && !Object.keys(value).length))) return this.drop(pair);
    if (!writeKept(localStorage, this.prefix + pair, draft)) return;
    const names = namesKept(localStorage, this.prefix);
    if (names.length <= DRAFTS_KEPT) return;
    const oldest = names.sort((one, other) => readKept(localStorage, one, {}).at - readKept(localStorage, other, {}).at)[0];
    dropKept(localStorage, oldest);
  }

  drop(pair) {
    dropKept(localStorage, this.prefix + pair);
  }
}

// The drafts that this browser keeps. Each tab writes its own and no other: beside the others' (localStorage), where it
// outlives the tab, and in sessionStorage, where a reload finds it. A new tab begins as the newest draft; what other
// tabs left can be opened on the bench.

const DRAFTS_KEY = "lab-rules";
const MOST_DRAFTS = 12;

// What a browser without storage gives.
function attempt(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

class SavedDrafts {
  constructor() {
    this.key = `${DRAFTS_KEY}.${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
    this.before = attempt(() => JSON.parse(sessionStorage.getItem(DRAFTS_KEY)));
  }

  // The draft of this tab before a reload, else the newest of any; null where there is none.
  read() {
    const own = this.before && attempt(() => unpacked(this.before.text));
    if (own) return own.draft;
    this.before = null;
    const [newest] = this.kept();
    return newest ? newest.draft : null;
  }

  // A tab that was duplicated brings the same `before` along as its twin: it is cleared away only where it still says
  // what it said.
  write(draft) {
    const text = JSON.stringify({ saved: Date.now(), draft });
    attempt(() => sessionStorage.setItem(DRAFTS_KEY, JSON.stringify({ key: this.key, text })));
    if (attempt(() => (localStorage.setItem(this.key, text), true)) !== true) return;
    if (this.before && localStorage.getItem(this.before.key) === this.before.text)
      localStorage.removeItem(this.before.key);
    this.before = null;
    for (const { key } of this.kept().slice(MOST_DRAFTS)) localStorage.removeItem(key);
  }

  // Whether what this tab began as has been cleared away by its twin.
  get bare() {
    return Boolean(this.before) && attempt(() => localStorage.getItem(this.before.key)) === null;
  }

  // All drafts that are kept, the newest first: `{key, saved, draft}`.
  kept() {
    const keys = attempt(() => Object.keys(localStorage)) || [];
    const found = keys
      .filter((key) => key === DRAFTS_KEY || key.startsWith(DRAFTS_KEY + "."))
      .map((key) => ({ key, ...attempt(() => unpacked(localStorage.getItem(key))) }));
    return found.filter(({ draft }) => draft).sort((a, b) => b.saved - a.saved);
  }

  // Those that differ from `draft`, each once.
  others(draft) {
    const seen = new Set([contentOf(draft)]);
    return this.kept().filter((one) => !seen.has(contentOf(one.draft)) && seen.add(contentOf(one.draft)));
  }
}

const contentOf = ({ name, rules, groups }) => JSON.stringify([name, rules, groups]);

// A draft with the moment that it was kept at; earlier labs kept one, without its moment. Null where it is none.
function unpacked(text) {
  const kept = JSON.parse(text);
  const { saved, draft } = kept && kept.draft ? kept : { saved: 0, draft: kept };
  return isDraft(draft) ? { saved, draft } : null;
}

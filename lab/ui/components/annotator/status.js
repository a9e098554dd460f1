// What the annotator is told: how far, how fast, whether everything is saved, what was judged last, and what to do
// where there is nothing to judge.

class ProgressLine {
  constructor() {
    this.fill = make("span.fill");
    this.bar = make("div.bar", { role: "progressbar", "aria-label": word("progress"), "aria-valuemin": 0 }, this.fill);
    this.text = make("span.count");
  }

  show(progress) {
    conceal(this.bar, !progress);
    if (!progress) return say(this.text, "");
    const { judged, left, per_hour: pace } = progress;
    const all = judged + left;
    this.fill.style.transform = `scaleX(${all ? judged / all : 0})`;
    mark(this.bar, "aria-valuemax", all);
    mark(this.bar, "aria-valuenow", judged);
    const parts = [word("judged", { judged, all })];
    if (isNumber(pace) && pace > 0) {
      parts.push(word("pace", { n: Math.round(pace) }));
      if (left > 0 && judged >= 5) parts.push(word("time_left", { time: spellRoughly((left / pace) * 3600) }));
    }
    return say(this.text, parts.join(" · "));
  }
}

// A guess is told in minutes, or in hours where there are some.
function spellRoughly(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  return spell(60 * (minutes > 90 ? Math.round(minutes / 30) * 30 : minutes));
}

class SaveState {
  constructor(retry) {
    this.mark = make("span.save-mark", { "aria-hidden": "true" });
    this.text = make("span");
    this.again = make("button.plain.small", { onclick: retry }, word("retry_now"));
    this.node = make("span.save", { role: "status", "data-testid": "save-state" }, this.mark, this.text, this.again);
  }

  show({ state, entries, problem, retryAt, unkept }) {
    mark(this.node, "data-state", state);
    say(this.mark, { saved: "✓\uFE0E", saving: "…", unsaved: "!" }[state]);
    conceal(this.again, state !== "unsaved");
    clearTimeout(this.timer);
    if (state !== "unsaved") return say(this.text, word(state));
    const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
    const why = isPaused(problem)
      ? "unsaved_paused"
      : WAIT_FOR_SIGN_IN.includes(problem.status)
        ? "unsaved_sign_in"
        : "unsaved";
    say(this.text, [word(why, { n: entries.length, seconds }), ...(unkept ? [word("unkept")] : [])].join(" · "));
    this.timer = setTimeout(() => this.show({ state, entries, problem, retryAt, unkept }), 1000);
    return null;
  }
}

// The owner of a class holds everybody where they are; it goes on by itself.
const isPaused = (error) => Boolean(error.reason) && error.reason.key === "class_paused";

class LastLine {
  // `revealed(record)` once somebody looked where the two of a judgement came from.
  constructor(revealed) {
    this.revealed = revealed;
    this.text = make("span");
    this.sources = make("span.sources", { hidden: true });
    this.ask = make("button.link", { onclick: () => this.reveal() }, word("show_sources"));
    this.node = make("p.last", { "data-testid": "last-judgement" }, this.text, this.ask, this.sources);
  }

  show(record) {
    conceal(this.node, !record);
    if (!record) return;
    say(this.text, word("last", { what: word("last_" + record.choice) + (record.edited ? word("last_edited") : "") }));
    conceal(this.ask, !record.sources || record.revealed);
    conceal(this.sources, !record.sources || !record.revealed);
    this.record = record;
    if (!record.sources) return;
    const [a, b] = SIDES.map((side) => record.sources[side] || word("source_unknown"));
    say(this.sources, word("sources", { a, b }));
  }

  reveal() {
    this.record.revealed = true;
    this.show(this.record);
    this.revealed(this.record);
  }
}

class Nothing {
  constructor({ add, again }) {
    this.title = make("strong");
    this.text = make("p");
    this.add = make("button.plain.primary", { onclick: add }, word("add_pairs"));
    this.again = make("button.plain", { onclick: again }, word("look_again"));
    this.node = make("div.empty", { role: "status" }, this.title, this.text, make("div.next", this.add, this.again));
  }

  show(key, { owner, holes, unkept }) {
    const away = ["unreachable", "sign_in", "paused"].includes(key);
    say(this.title, word(key, holes));
    const next = key + (owner && hasWord(key + "_owner") ? "_owner" : "_next");
    say(this.text, away && unkept ? word("unkept") : word(next, holes));
    conceal(this.add, !owner || !["no_collections", "all_done"].includes(key));
    conceal(this.again, key === "loading");
  }
}

// Which of the empty states it is.
function whyNothing({ queue, collections, problem }) {
  const trouble = (queue && queue.problem) || problem;
  if (trouble && isPaused(trouble)) return "paused";
  if (trouble) return WAIT_FOR_SIGN_IN.includes(trouble.status) ? "sign_in" : "unreachable";
  if (collections && !collections.length) return "no_collections";
  if (!queue || !queue.finished) return "loading";
  return queue.progress && queue.progress.left > 0 ? "others_hold" : "all_done";
}

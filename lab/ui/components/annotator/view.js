// The annotator: which collection, which pair is on screen, what a key or a click does with it. A choice shows the next
// pair at once and puts the judgement into the outbox; everything that can wait waits until that pair has been painted.

const TOO_SOON = 350;
const CHOSEN_COLLECTION = "lab-annotate.collection";

class Annotator {
  constructor(root) {
    this.root = root;
    this.who = given().who || (window.gradio_config && window.gradio_config.username) || "somebody";
    this.keys = new Keys();
    this.drafts = new Drafts(this.who);
    this.looks = new Looks({ changed: () => this.redraw(), reset: () => this.pair.forget() });
    this.outbox = new Outbox(this.who, {
      changed: () => this.saveChanged(),
      arrived: (entry, answer) => arrived(this, entry, answer),
      refused: (entry) => refused(this, entry),
      elsewhere: (entry) => judgedElsewhere(this, entry),
    });
    this.build();
    document.addEventListener("keydown", (event) => onKeyPress(this, event));
    watchZoom(root);
    this.presence = new Presence(root, {
      back: () => this.back(),
      stirs: () => this.queue && this.queue.stale && this.queue.refill(true),
      placed: () => this.place(),
    });
    new ResizeObserver(() => this.place()).observe(document.body);
    window.addEventListener("resize", () => this.place());
    this.show();
    this.outbox.drain();
    this.open();
  }

  build() {
    const act = (action, event) => this.act(action, event);
    this.top = new TopBar({ act, choose: (collection) => this.take(collection), retry: () => this.outbox.retry() });
    this.last = new LastLine(() => this.queue.keepSoon());
    this.pair = new Pair(
      { click: (event, side) => this.act(side, event), edit: (side) => this.edit(side) },
      this.looks.display,
    );
    this.swipe = new Swipe(this.pair, {
      subject: () => (this.queue && this.mode !== "editing" && this.queue.now) || null,
      choose: (side) => this.act(side),
    });
    this.editor = new Editor(this.pair.cards, {
      typed: (side, text) => this.typed({ editing: side, edits: { [side]: text } }),
      save: (side, text) => this.prefer(side, text),
      cancel: () => this.cancelEdit(),
    });
    this.controls = new Controls({
      act,
      strong: (degree) => this.strong(degree),
      typed: (text) => this.typed({ reason: text }),
      back: () => this.setMode("judging"),
    });
    this.refusals = make("div.problem", { role: "alert", hidden: true });
    this.nothing = new Nothing({ add: () => trigger("select", { to: "collections" }), again: () => this.lookAgain() });
    this.help = new Help(this.keys, () => this.showKeys());
    this.body = make("div.body", this.pair.node, this.controls.node);
    this.root.replaceChildren(
      this.top.line.bar,
      this.top.node,
      this.refusals,
      this.body,
      this.nothing.node,
      this.last.node,
      this.help.node,
    );
    this.setMode("judging", false);
    this.showKeys();
    this.showLooks();
  }

  // ---- which collection

  async open() {
    const early = earlyPairs();
    const first = early instanceof Promise ? await early : early;
    if (first && first.pairs && !this.queue) {
      this.collections = first.collections;
      return this.take(first.collection, first.pairs);
    }
    const before = readKept(localStorage, CHOSEN_COLLECTION, "");
    if (before && !this.queue) this.take(before);
    try {
      this.collections = (await fetchJson("api/annotate/collections")).collections;
      this.problem = null;
    } catch (error) {
      this.problem = error;
      clearTimeout(this.openTimer);
      this.openTimer = setTimeout(() => this.open(), 4000);
      return this.show();
    }
    const wanted = given().collection || (this.queue && this.queue.collection);
    const found =
      this.collections.find(({ id }) => id === wanted) ||
      this.collections.find(({ left }) => left > 0) ||
      this.collections[0];
    if (!found) {
      if (this.queue) this.queue.close();
      this.queue = null;
    } else if (!this.queue || this.queue.collection !== found.id) this.take(found.id);
    return this.show();
  }

  take(collection, pairs = null) {
    if (this.queue) this.queue.close();
    writeKept(localStorage, CHOSEN_COLLECTION, collection);
    this.shown = null;
    this.drafts.collection = collection;
    this.queue = new PairQueue(this.who, collection, {
      away: () => this.outbox.pairs(collection),
      begun: (pair) => Boolean(this.drafts.of(pair, collection).at),
      changed: () => this.show(),
    });
    const kept = this.queue.pairs.length > 0;
    if (pairs) this.queue.receive(pairs);
    this.queue.refill(kept);
    this.show();
  }

  lookAgain() {
    this.open();
    if (this.queue) this.queue.refill(true);
  }

  // Somebody is back at the page: what they hold may be judged elsewhere by now, or with others.
  back() {
    if (!this.queue || Date.now() - this.queue.asked > JUST_ASKED) this.lookAgain();
  }

  // ---- what a person does

  act(action, event) {
    // The second half of a double click is no judgement of the pair that has just come.
    if (event && event.detail > 1) return;
    if (action === "help") return void this.help.open();
    if (SWITCHES.includes(action)) return this.looks.switch(action);
    if (action === "undo") return this.undo();
    if (!this.queue || !this.queue.now || this.mode === "editing") return;
    // Nor is anything a judgement of a pair that has just come by itself.
    if (this.sudden && this.presence.passed < TOO_SOON) return;
    if (action === "reason") return void (this.queue.settings.reason && this.controls.reason.focus());
    if (action === "edit") return this.setMode(this.mode === "choose_edit" ? "judging" : "choose_edit");
    if (!SIDES.includes(action)) return this.judge(action);
    if (this.mode === "choose_edit") return this.edit(action);
    return this.prefer(action, null);
  }

  prefer(side, edited) {
    if (!this.queue.settings.strength) return this.judge(side, { edited });
    this.pending = { side, edited };
    return this.setMode("strength");
  }

  strong(degree) {
    const { side, edited } = this.pending;
    this.judge(side, { edited, strength: degree });
  }

  edit(side) {
    const { now } = this.queue;
    const draft = (this.drafts.of(now.pair).edits || {})[side];
    this.setMode("editing", false);
    mark(this.root, "data-mode", "editing");
    this.editor.open(side, now[side], draft);
  }

  cancelEdit() {
    const { pair } = this.queue.now;
    this.setMode("judging");
    this.drafts.change(pair, { editing: null, edits: {} });
  }

  // Where the claim may have run out, the lab is asked first: the pair may be with others by now.
  async judge(choice, said) {
    const { queue } = this;
    const pair = queue.now;
    if (queue.stale) await queue.renewed();
    if (this.queue === queue && queue.now === pair) this.store(choice, said);
  }

  store(choice, { edited = null, strength = null } = {}) {
    const pair = this.queue.now;
    const { reason = "" } = this.drafts.of(pair.pair);
    const response = SIDES.includes(choice);
    const body = {
      id: pair.shown,
      pair: pair.pair,
      collection: this.queue.collection,
      choice,
      strength: response ? strength : null,
      reason,
      milliseconds: this.presence.looked,
      edited: response ? edited : null,
      revealed: Boolean(pair.revealed),
    };
    this.outbox.add("api/annotate/judgements", body, pair.awaits || null);
    this.drafts.drop(pair.pair);
    this.queue.judged({ id: pair.shown, choice, reason, edited: body.edited });
    this.expected = true;
    this.show();
    afterPaint(() => {
      this.queue.keep();
      this.outbox.drain();
      this.queue.refill();
    });
  }

  undo() {
    const record = this.queue && this.queue.last;
    if (!record) return;
    const undo = newId();
    const { pair } = record.pair;
    const side = record.edited ? record.choice : null;
    this.drafts.change(pair, {
      reason: record.reason,
      ...(side ? { editing: side, edits: { [side]: record.edited } } : {}),
    });
    this.outbox.add("api/annotate/undo", { id: undo, judgement: record.id });
    this.queue.undone(undo);
    this.expected = true;
    this.show();
    this.queue.keep();
    afterPaint(() => this.outbox.drain());
  }

  saveChanged() {
    mark(this.root, "data-state", this.outbox.state);
    this.top.saving.show(this.outbox);
    const { aside } = this.outbox;
    conceal(this.refusals, !aside.length);
    if (aside.length) {
      const forget = make("button.plain.small", { onclick: () => this.outbox.forgetAside() }, word("understood"));
      this.refusals.replaceChildren(
        make("span", word("refused", { n: aside.length, why: errorWords(aside[aside.length - 1].error) })),
        forget,
      );
    }
    this.top.line.show(this.queue ? this.queue.progress : null);
    this.last.show(this.queue ? this.queue.last : null);
  }

  setMode(mode, redraw = true) {
    this.mode = mode;
    if (mode !== "editing") this.editor.close();
    mark(this.root, "data-mode", mode);
    if (redraw) this.showControls();
  }

  // The same pair in another look.
  redraw() {
    this.showLooks();
    if (!this.queue || !this.queue.now) return;
    this.pair.show(this.queue.now, this.looks.switches.differences);
    this.pair.tell(this.hint);
    this.pair.fit();
  }

  showLooks() {
    this.top.showSwitches(this.looks.switches);
    this.pair.together = Boolean(this.looks.switches.together);
  }

  showKeys() {
    for (const side of SIDES) say(this.pair.cards[side].key, this.keys.sign(side));
    this.top.showKeys(this.keys);
    this.showControls();
  }

  showControls() {
    const { queue } = this;
    const pair = queue && queue.now;
    this.controls.show({
      keys: this.keys,
      reason: Boolean(queue && queue.settings.reason),
      canUndo: Boolean(queue && queue.last),
      strengthOf: this.mode === "strength" ? this.pending.side : null,
      choosingEdit: this.mode === "choose_edit",
      text: pair ? this.drafts.of(pair.pair).reason || "" : "",
    });
    this.pair.news = Boolean(pair && queue.progress && queue.progress.judged < SWIPE_LESSONS && swipeIsNews());
    this.pair.tell(this.hint);
    for (const side of SIDES)
      toggle(this.pair.cards[side].node, "picked", this.mode === "strength" && this.pending.side === side);
  }

  // What the line above the cards has to say just now; null where it is nothing.
  get hint() {
    const { now } = this.queue || {};
    if (this.mode === "choose_edit") return "choose_edit";
    if (this.drafts.unkept.size) return "draft_unkept";
    if (now && now.revealed) return "not_blind";
    return this.sudden ? "moved_on" : null;
  }

  typed(change) {
    this.drafts.change(this.queue.now.pair, change);
    this.pair.tell(this.hint);
  }

  show() {
    const { queue } = this;
    const pair = queue && queue.now;
    conceal(this.body, !pair);
    conceal(this.nothing.node, Boolean(pair));
    mark(this.root, "data-pair", pair ? pair.pair : "");
    this.top.showCollections(this.collections || [], queue ? queue.collection : "");
    const fresh = pair && this.shown !== pair;
    if (!pair || fresh) this.setMode("judging", false);
    if (!pair) this.showNothing();
    else if (fresh) this.showPair(pair);
    this.saveChanged();
    if (fresh) this.pair.fit();
  }

  showPair(pair) {
    this.sudden = Boolean(this.shown) && !this.expected; // not because of anything that was done here
    this.expected = false;
    this.shown = pair;
    this.presence.begin();
    this.pair.show(pair, this.looks.switches.differences);
    this.showControls();
    const draft = this.drafts.of(pair.pair);
    if (draft.editing) this.edit(draft.editing);
    afterPaint(() => this.queue && this.pair.prepare(this.queue.pairs.slice(0, 4), this.looks.switches.differences));
  }

  showNothing() {
    this.shown = null;
    const { queue } = this;
    const holes = { n: this.outbox.judgements.length, judged: queue && queue.progress ? queue.progress.judged : 0 };
    this.nothing.show(whyNothing(this), { owner: Boolean(given().owner), holes, unkept: this.outbox.unkept });
  }

  // The component ends where the window ends: both choices are in view, however long the answers are.
  place() {
    const { top, width } = this.root.getBoundingClientRect();
    if (width) this.root.style.setProperty("--top", Math.round(top + window.scrollY) + "px");
  }
}

const annotatorRoot = element.querySelector("[data-testid=annotator]");
const annotator = new Annotator(annotatorRoot);
watch("value", () => annotator.open());
watch(["lang"], () => {
  annotator.shown = null;
  annotator.build();
  annotator.show();
});

// Play: the models and settings above, the turns, the box for all below. It joins conversation, chat and page.

class Play {
  constructor(root) {
    this.root = root;
    this.conversation = new Conversation();
    this.display = new TextDisplay(() => this.showTurns());
    this.talk = new Talk(
      (line) => this.take(line),
      () => this.showState(),
      () => this.conversation.forgetHalf(),
    );
    this.holder = null;
    this.beside = false;
    /** @type {Map<string, TurnView>} */
    this.views = new Map();
    this.redraw = beforeFrame(() => this.drawChanged());
    this.changedTurns = new Set();
    this.build();
    watchSight(root, (visible) => this.sight(visible));
  }

  build() {
    this.settings = new Settings(() => this.showState());
    this.state = make("span.state", { role: "status", "data-testid": "play-state" });
    this.load = make("button.plain.small", { onclick: () => this.warm() }, word("load"));
    this.unload = make("button.plain.small", { onclick: () => this.talk.close() }, word("unload"));
    this.notice = make("div.notice", { role: "status" });
    this.system = make("textarea", { rows: 2, "data-testid": "system", placeholder: word("system_hint") });
    this.system.value = this.conversation.system;
    this.system.addEventListener("input", () => {
      this.conversation.system = this.system.value;
      this.conversation.keep();
    });
    const more = make(
      "details.more",
      make("summary", word("settings")),
      make("label.field.full", make("span", word("system")), this.system),
      this.settings.form,
    );
    const open = readKept(localStorage, SETTINGS_KEPT + ".open", true);
    more.open = open && this.root.clientWidth > 700;
    more.addEventListener("toggle", () => writeKept(localStorage, SETTINGS_KEPT + ".open", more.open));
    this.turns = make("div.turns");
    this.empty = make("div.empty", make("strong", word("empty")), word("empty_next"));
    this.body = make(
      "div.play",
      make("div.top", this.settings.models, make("div.row", this.state, this.load, this.unload)),
      more,
      this.notice,
      this.empty,
      this.turns,
      this.composer(),
    );
    this.refused = make("div.empty", { role: "status" });
    this.root.replaceChildren(this.refused, this.body);
    conceal(this.refused, true);
    this.views.clear();
    this.showTurns();
    this.showState();
  }

  composer() {
    this.box = make("textarea.box", {
      rows: 2,
      placeholder: word("box"),
      "aria-label": word("box"),
      "data-testid": "play-box",
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.send();
    });
    this.sendButton = make("button.plain.strong", { "data-testid": "send", onclick: () => this.send() }, word("send"));
    this.stopButton = make(
      "button.plain.stop",
      { "data-testid": "stop", onclick: () => this.stop() },
      "■\uFE0E " + word("stop"),
    );
    this.clear = make("button.plain", { onclick: () => this.newTalk() }, word("new_talk"));
    const buttons = make("div.row", this.clear, this.stopButton, this.sendButton);
    return make("div.composer", this.box, buttons);
  }

  // ---- the server

  async sight(visible) {
    this.talk.show(visible);
    if (visible) await this.look();
  }

  // What there is to talk to now; and the chat that stands ready, which may have been opened before a reload.
  async look() {
    try {
      const choices = await fetchJson("api/play");
      this.holder = choices.holder;
      this.settings.offer(choices);
      const same = choices.chat && this.fits(choices.chat.spec);
      if (same) {
        this.beside = choices.chat.spec.beside;
        this.talk.attach(choices.chat);
      } else {
        this.beside = this.beside && this.holder !== null; // nothing to stand beside any more
        if (this.conversation.open && !this.asking) this.endOpen(); // its worker is gone
      }
      this.showTurns();
      this.showState();
    } catch (error) {
      if (isGone(error)) this.refuse();
      else this.tell(word("unreachable"));
    }
  }

  refuse() {
    this.refused.replaceChildren(make("strong", word("not_yours")), word("not_yours_next"));
    conceal(this.refused, false);
    conceal(this.body, true);
  }

  spec() {
    return { models: this.settings.values.models, beside: this.beside };
  }

  fits(spec) {
    return JSON.stringify(spec.models) === JSON.stringify(this.settings.values.models);
  }

  async warm() {
    await this.guarded(() => this.talk.open(this.spec()));
  }

  async guarded(work) {
    try {
      this.tell("");
      return await work();
    } catch (error) {
      this.tell(this.problemOf(error), true);
      return null;
    }
  }

  // ---- asking

  async send() {
    const question = this.box.value;
    if (!question.trim() || this.conversation.open) return;
    this.box.value = "";
    await this.ask(question);
  }

  async ask(question) {
    const { values } = this.settings;
    if (!values.models.length) return;
    const turn = this.conversation.add(question, values.models, values.samples);
    this.showTurns();
    this.turns.lastElementChild.scrollIntoView({ block: "nearest" });
    await this.put(turn);
  }

  // Open the chat where it is not open, and put the question to it.
  async put(turn) {
    this.asking = true;
    const asked = await this.guarded(async () => {
      await this.talk.open(this.spec());
      this.showState();
      return this.talk.ask(this.question(turn));
    });
    this.asking = false;
    if (!asked) this.endOpen();
  }

  question(turn) {
    const { temperature, max_tokens, seed, shared_seed, scorer, answer } = this.settings.values;
    return {
      id: turn.id,
      lanes: turn.lanes.map(({ turns }, lane) => ({ lane, turns })),
      samples: turn.lanes[0].samples.length,
      seed: (seed + this.conversation.turns.length - 1 + (turn.attempt || 0)) % 2147483648,
      ...{ temperature, max_tokens, shared_seed, scorer, answer: answer || null },
    };
  }

  // The same question to the CPU: the one that waits for the machine is taken back.
  async goBeside() {
    this.beside = true;
    const turn = this.conversation.open;
    if (turn) await this.put(turn);
    else await this.warm();
  }

  async stop() {
    const turn = this.conversation.open;
    if (!turn) return;
    if (this.talk.state === "waiting" || this.talk.state === "closed") {
      this.endOpen();
      await this.talk.close();
    } else await this.guarded(() => this.talk.stop(turn.id));
  }

  endOpen() {
    const turn = this.conversation.open;
    if (turn) this.conversation.end(turn);
    this.showTurns();
    this.showState();
  }

  async again(turn) {
    const attempt = (turn.attempt || 0) + 1000;
    this.conversation.cutAt(turn.id);
    const { values } = this.settings;
    const fresh = this.conversation.add(turn.question, values.models, values.samples);
    Object.assign(fresh, { attempt });
    this.showTurns();
    await this.put(fresh);
  }

  async resend(turn, question) {
    this.conversation.cutAt(turn.id);
    await this.ask(question);
  }

  newTalk() {
    if (this.conversation.open) this.stop();
    this.conversation.clear();
    this.tell("");
    this.showTurns();
    this.showState();
    this.box.focus();
  }

  choose(view, lane, number) {
    view.turn.lanes[lane].chosen = number;
    this.conversation.keep();
    view.show();
  }

  // ---- what becomes of answers

  async judge(view) {
    const answers = view.turn.lanes.flatMap(({ model, turns, samples }) =>
      samples.filter(({ text }) => text.trim()).map(({ text }) => ({ model, turns, text })),
    );
    const name = `${word("collection")} · ${view.turn.question.trim().replace(/\s+/g, " ").slice(0, 60)}`;
    await this.told(view, async () => {
      const made = await fetchJson("api/play/judge", { body: { name, answers } });
      const link = make("a", { href: "?collection=" + encodeURIComponent(made.collection) }, word("to_annotate"));
      view.judge.disabled = true;
      return [word(made.pairs < made.of ? "judged_some" : "judged", { n: made.pairs, of: made.of }), " ", link];
    });
  }

  async keep(view, place, number) {
    const { model, turns, samples } = view.turn.lanes[place];
    const answer = { model, turns, text: samples[number].text };
    await this.told(view, async () => {
      const kept = await fetchJson("api/play/keep", { body: { name: word("demonstrations"), answer } });
      return [word(kept.new ? "kept" : "kept_before", { n: kept.rows, name: kept.name })];
    });
  }

  // What came of it, or what went wrong, under the turn.
  async told(view, work) {
    view.said.replaceChildren(...(await work().catch((error) => [this.problemOf(error)])));
  }

  problemOf({ reason }) {
    return reason ? errorWords(reason) : word("unreachable");
  }

  // ---- showing

  take(line) {
    const turn = this.conversation.take(line);
    if (!turn) return;
    this.changedTurns.add(turn.id);
    this.redraw();
  }

  drawChanged() {
    const following = this.turns.getBoundingClientRect().bottom < window.innerHeight + 240;
    for (const id of this.changedTurns) this.views.get(id)?.show();
    this.changedTurns.clear();
    if (following && this.conversation.open) this.turns.lastElementChild?.scrollIntoView({ block: "nearest" });
    this.showState();
  }

  showTurns() {
    const { turns } = this.conversation;
    const actions = {
      again: (turn) => this.again(turn),
      judge: (view) => this.judge(view),
      resend: (turn, question) => this.resend(turn, question),
      choose: (...what) => this.choose(.../** @type {[any, number, number]} */ (what)),
      keep: (...what) => this.keep(.../** @type {[any, number, number]} */ (what)),
    };
    for (const turn of turns)
      if (!this.views.has(turn.id)) this.views.set(turn.id, new TurnView(turn, this.display, actions));
    const known = new Set(turns.map(({ id }) => id));
    for (const id of this.views.keys()) if (!known.has(id)) this.views.delete(id);
    const nodes = turns.map(({ id }) => this.views.get(id).node);
    if (nodes.length !== this.turns.childElementCount || nodes.some((node, at) => node !== this.turns.children[at]))
      this.turns.replaceChildren(...nodes);
    for (const view of this.views.values()) view.show();
    conceal(this.empty, turns.length > 0);
  }

  showState() {
    if (!this.body) return;
    const { state, job, ready } = this.talk;
    const fits =
      this.talk.id && ready ? JSON.stringify(ready.models) === JSON.stringify(this.settings.values.models) : true;
    const answering = Boolean(this.conversation.open);
    mark(this.root, "data-state", state);
    mark(this.root, "data-answering", String(answering));
    const closed = state === "closed" || !fits;
    say(this.state, closed ? word("state_closed") : word("state_" + state, this.facts()));
    conceal(this.load, !closed || answering);
    conceal(this.unload, closed || answering);
    conceal(this.stopButton, !answering);
    conceal(this.sendButton, answering);
    if (CHAT_OVER.includes(job?.state) && answering && !this.asking) this.chatOver(job);
    this.offerBeside(state === "waiting" ? job.waits_for : closed && !this.beside ? this.holder : null);
  }

  facts() {
    const { ready } = this.talk;
    if (!ready) return {};
    const size = brief(ready.weights / 1e6);
    return { device: ready.device.toUpperCase(), models: ready.models.length, bases: ready.bases, size };
  }

  chatOver(job) {
    this.endOpen();
    if (job.error) this.tell(errorWords(job.error), true);
    else this.tell(word("chat_over"));
  }

  // A run holds the machine: say so, and offer the CPU.
  offerBeside(holder) {
    if (!holder) {
      if (this.offering) this.tell("");
      return;
    }
    if (this.offering === holder.id) return;
    const button = make(
      "button.plain.small.strong",
      { "data-testid": "beside", onclick: () => this.goBeside() },
      word("beside"),
    );
    const sentence = word(holder.kind === "run" ? "held_by_run" : "held_by_job", { name: holder.name });
    this.tell(sentence);
    this.notice.append(" ", button);
    this.offering = holder.id;
  }

  tell(sentence, wrong = false) {
    this.offering = null;
    this.notice.replaceChildren(sentence);
    conceal(this.notice, !sentence);
    toggle(this.notice, "wrong", wrong);
  }
}

const playRoot = /** @type {HTMLElement} */ (element.querySelector("[data-testid=play]"));
const play = new Play(playRoot);
watch("lang", () => play.build());

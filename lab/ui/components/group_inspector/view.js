// The group inspector: which run, step, group and threshold are on screen, and what happens when one of them changes.
// Data comes from steps.js; group.js shows the group, controls.js what it is chosen with.

const PLAY_PAUSE = 160;

class Inspector {
  /** @type {string | null} */ run;
  /** @type {RunSummary | null} */ summary;
  /** @type {RequestError | null} */ problem;
  /** @type {{ step: number, rows: GroupRow[] }[]} */ timeline;
  /** @type {ReturnType<typeof followRun> | null} */ feed;
  /** @type {boolean} */ following;
  /** @type {GroupLine | null} */ line;
  /** @type {number | null} */ prompt;
  /** @type {number} */ position;
  /** @type {number} */ group;
  /** @type {Threshold | null} */ choice;
  /** @type {number | null} */ at;
  /** @type {Steps} */ steps;

  constructor(root) {
    this.root = root;
    this.choice = null;
    this.visible = false;
    this.display = new TextDisplay(() => this.view.redraw());
    this.redraw = spaced(() => this.showRun(), 150);
    this.fetchSoon = spaced(() => this.fetchLines(), 60);
    this.build();
    watchSight(root, (visible) => this.sight(visible));
    new ResizeObserver(() => this.resize()).observe(root);
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("keydown", (event) => this.view.cards.key(event));
  }

  build() {
    this.play = make("button.play", { "aria-label": word("play") }, "▶\uFE0E");
    this.spark = new Sparkline();
    const place = { min: 0, max: 0, value: 0, "data-testid": "step" };
    this.slider = rangeInput(word("step"), place, (position) => this.scrubbed(position));
    this.stepNow = make("b");
    this.stepAll = make("span");
    this.follow = make("button.plain.small.follow", { "aria-pressed": "false" }, "⇥ " + word("follow"));
    this.prompts = new PromptChooser((prompt) => this.choosePrompt(prompt));
    this.groups = new GroupChooser((group) => this.go(this.position, group));
    this.threshold = new Threshold((choice) => this.chooseThreshold(choice));
    this.view = new GroupView(this.display);
    this.empty = make("div.empty", { role: "status" });
    const step = make(
      "div.step",
      make("span.caption", word("step")),
      make("span.of", this.stepNow, this.stepAll),
      this.follow,
    );
    const panel = make(
      "div.panel",
      make("div.scrub", this.play, make("div.track", this.spark.node, this.slider), step),
      make(
        "div.choose",
        this.prompts.node,
        make("div.within", make("span.caption", word("groups_caption")), this.groups.node),
      ),
      this.threshold.node,
    );
    this.body = make("div.body", this.view.head, panel, this.view.summary, this.view.strip.node, this.view.cards.node);
    this.root.replaceChildren(this.empty, this.body);
    this.wire();
  }

  wire() {
    this.play.addEventListener("click", () => this.setPlaying(!this.playing));
    this.follow.addEventListener("click", () => this.setFollowing(!this.following));
    this.spark.node.addEventListener("pointerdown", (event) => {
      const box = this.spark.node.getBoundingClientRect();
      this.scrubbed(Math.round(((event.clientX - box.left - 9) / (box.width - 18)) * (this.timeline.length - 1)));
    });
  }

  // Opens a run, or none, at a step where one is wanted. The place is kept when the same run is opened again.
  async open({ run = null, step = null } = {}) {
    if (this.feed) this.feed.close();
    const again = run && run === this.run;
    if (!again || step !== null) this.wanted = step; // kept where the same run is opened again before it was read
    this.setPlaying(false);
    Object.assign(this, { run, summary: null, problem: null, timeline: [], feed: null, following: false, line: null });
    if (!again) Object.assign(this, { prompt: null, position: 0, group: 0, choice: null, at: null });
    const steps = (this.steps = new Steps(run));
    this.weights = new Map();
    mark(this.root, "data-run", run || "");
    mark(this.root, "data-step", "");
    this.loaded = false;
    this.showRun();
    if (!run) return;
    try {
      const path = `api/runs/${encodeURIComponent(run)}`;
      const [summary, index] = await Promise.all([fetchJson(path), fetchJson(path + "/groups")]);
      if (steps !== this.steps) return;
      this.summary = summary;
      this.weights = readWeights(summary.recipe);
      steps.add(index.rows);
      steps.learnPrompts(index.prompts);
      this.following = ACTIVE.includes(summary.state) && !again && step === null;
      if (ACTIVE.includes(summary.state)) this.listen();
    } catch (error) {
      if (steps !== this.steps) return;
      this.problem = error;
    }
    this.loaded = true;
    this.settle(step ?? (again ? (this.at ?? this.wanted) : null));
    this.at = this.timeline.length ? this.timeline[this.position].step : null;
    this.showRun();
  }

  // A finished run is not polled; but it may have been resumed while nobody looked.
  async askAgain() {
    const steps = this.steps;
    try {
      const summary = await fetchJson(`api/runs/${encodeURIComponent(this.run)}`);
      if (steps === this.steps && ACTIVE.includes(summary.state)) this.open({ run: this.run });
    } catch {
      // What is on screen stays true enough; the next look asks again.
    }
  }

  listen() {
    const steps = this.steps;
    this.feed = followRun(
      this.run,
      (frame) => {
        if (steps !== this.steps) return;
        if (frame.reset && this.fed) steps.forget();
        this.fed = true;
        this.summary = { ...this.summary, ...frame.run };
        steps.add(frame.groups);
        if (!steps.knowsPrompts) this.askPrompts();
        this.redraw();
      },
      () => this.redraw(),
    );
    this.fed = false;
    this.feed.show(this.visible);
  }

  async askPrompts() {
    if (this.asking) return;
    this.asking = true;
    const steps = this.steps;
    try {
      const answer = await fetchJson(`api/runs/${encodeURIComponent(this.run)}/groups`);
      if (steps === this.steps) steps.prompts = answer.prompts || [];
      this.redraw();
    } catch {
      // The prompt of a group on screen is known from its line; only the chooser waits.
    } finally {
      this.asking = false;
    }
  }

  sight(visible) {
    this.visible = visible;
    if (this.feed) this.feed.show(visible);
    if (!visible) return this.setPlaying(false);
    this.resize();
    const idle = this.loaded && this.summary && !ACTIVE.includes(this.summary.state);
    return idle && this.seen ? this.askAgain() : (this.seen = true);
  }

  resize() {
    const width = Math.floor(this.view.strip.node.clientWidth);
    if (!width || this.body.hidden) return;
    const wide = Math.floor(this.spark.node.clientWidth);
    if (width === this.view.strip.width && wide === this.sparkWidth) return;
    this.view.strip.resize(width);
    this.sparkWidth = wide;
    this.showSpark();
    this.showStep();
  }

  // Finds the place of a step again after the timeline changed; without one, the newest.
  settle(step) {
    this.timeline = this.steps.timeline(this.prompt);
    const last = Math.max(0, this.timeline.length - 1);
    if (step === null || this.following) this.position = last;
    else {
      const found = this.timeline.findIndex((entry) => entry.step >= step);
      this.position = found < 0 ? last : found;
    }
  }

  showRun() {
    this.settle(this.timeline.length && this.at !== null ? this.at : null);
    const blank = !this.timeline.length;
    conceal(this.body, blank);
    conceal(this.empty, !blank);
    if (blank) return this.showEmpty();
    const active = Boolean(this.summary && ACTIVE.includes(this.summary.state));
    conceal(this.follow, !active);
    mark(this.follow, "aria-pressed", Boolean(this.following));
    this.prompts.show(this.steps.rows, this.steps.prompts, this.prompt);
    mark(this.slider, "max", this.timeline.length - 1);
    this.slider.disabled = this.timeline.length < 2;
    if (!this.view.strip.width || this.sparkWidth === undefined) this.resize();
    this.showSpark();
    this.showStep();
  }

  showEmpty() {
    const state = this.summary && this.summary.state;
    let key = "no_run";
    if (this.run && this.problem) key = isGone(this.problem) ? "run_gone" : "unreachable";
    else if (this.run && !this.loaded) key = "loading";
    else if (this.run && ACTIVE.includes(state)) key = this.mayHaveGroups() ? "waiting" : "never";
    else if (this.run) key = this.mayHaveGroups() ? "none_written" : "never";
    this.empty.replaceChildren(make("strong", word(key)), word(key + "_next"));
  }

  // Whether the run's algorithm is one of those that a property of the component lists.
  isOf(list) {
    return Boolean(this.summary) && JSON.parse(props[list] || "[]").includes(this.summary.algorithm);
  }

  mayHaveGroups() {
    return !(this.summary && this.summary.algorithm) || this.isOf("writes_groups") || this.isOf("writes_pairs");
  }

  showSpark() {
    if (!this.sparkWidth || !this.timeline.length) return;
    const means = this.timeline.map(({ rows }) => rows.reduce((sum, row) => sum + row.mean, 0) / rows.length);
    this.meanLow = Infinity; // of all groups: too many to be arguments of one call
    this.meanHigh = -Infinity;
    for (const { mean } of this.steps.rows) {
      [this.meanLow, this.meanHigh] = [Math.min(this.meanLow, mean), Math.max(this.meanHigh, mean)];
    }
    this.spark.show(means, this.sparkWidth, 38);
  }

  showStep() {
    const entry = this.timeline[this.position];
    if (!entry) return;
    const { rows } = entry;
    const row = rows.find((one) => one.group === this.group) || rows[Math.min(rows.length - 1, this.group)] || rows[0];
    this.at = entry.step;
    const last = Math.max(this.timeline[this.timeline.length - 1].step, (this.summary && this.summary.steps) || 0);
    mark(this.root, "data-step", entry.step);
    say(this.stepNow, String(entry.step));
    say(this.stepAll, " / " + last);
    if (this.slider.value !== String(this.position)) this.slider.value = String(this.position);
    this.slider.style.setProperty(
      "--filled",
      (this.timeline.length > 1 ? (this.position / (this.timeline.length - 1)) * 100 : 100) + "%",
    );
    mark(this.slider, "aria-valuetext", word("step_of", { step: entry.step, last }));
    this.spark.point(this.position, this.timeline.length);
    const pairs = this.isOf("writes_pairs");
    conceal(this.threshold.node, pairs);
    this.groups.show(entry.rows, row.group, this.meanLow, this.meanHigh, pairs);
    const line = this.steps.line(entry.step, row.group);
    mark(this.root, "aria-busy", line ? null : "true");
    if (line) this.showLine(line, row.group);
    else this.view.showRow(row, this.steps.prompts[row.prompt]);
    this.fetchSoon();
  }

  showLine(line, group) {
    this.line = line;
    mark(this.root, "data-group", group);
    const threshold = this.choice || line.threshold || { kind: "all", fraction: 1 };
    this.threshold.show(threshold, line.threshold);
    this.view.cards.recipe = this.summary && this.summary.recipe;
    this.view.show(line, threshold, this.weights, this.steps.low, this.steps.high);
  }

  async fetchLines() {
    const { steps, position, timeline } = this;
    if (!timeline[position] || !this.visible) return;
    try {
      for (const away of [0, WINDOW, -WINDOW]) {
        const entry = timeline[Math.max(0, Math.min(timeline.length - 1, position + away))];
        const came = await steps.fetch(entry.step);
        if (steps !== this.steps) return;
        if (came && this.root.getAttribute("aria-busy")) this.showStep();
        if (position !== this.position) return;
        if (!away) await this.fetchTokens();
      }
    } catch {
      setTimeout(() => steps === this.steps && this.fetchSoon(), 3000);
    }
  }

  // The tokens of the group on screen, where the run keeps any (a group of PPO has them in its line).
  async fetchTokens() {
    const { steps, line } = this;
    const recipe = this.summary && this.summary.recipe;
    if (!line || !recipe || !recipe.token_megabytes || this.playing) return;
    const came = await steps.fetchTokens(line, ACTIVE.includes(this.summary.state));
    if (came && steps === this.steps && line === this.line) this.showLine(line, line.group);
  }

  scrubbed(position) {
    this.setFollowing(false);
    this.setPlaying(false);
    this.go(position, this.group);
  }

  go(position, group) {
    this.position = Math.max(0, Math.min(this.timeline.length - 1, position));
    this.group = group;
    this.showStep();
  }

  choosePrompt(prompt) {
    this.prompt = prompt;
    const known = this.at;
    this.timeline = this.steps.timeline(prompt);
    this.settle(known);
    this.at = this.timeline[this.position] ? this.timeline[this.position].step : null;
    this.showRun();
  }

  chooseThreshold(choice) {
    this.choice = choice && this.line && sameThreshold(choice, this.line.threshold) ? null : choice;
    if (this.line) this.showLine(this.line, Number(this.root.getAttribute("data-group")));
  }

  setFollowing(on) {
    if (this.following === on) return;
    this.following = on;
    mark(this.follow, "aria-pressed", on);
    if (on) this.showRun();
  }

  setPlaying(on) {
    clearTimeout(this.timer);
    if (on && this.position >= this.timeline.length - 1) this.position = 0;
    if (on) this.setFollowing(false);
    this.playing = on;
    say(this.play, on ? "❚❚" : "▶\uFE0E");
    mark(this.play, "aria-label", word(on ? "pause" : "play"));
    const tick = () => {
      if (this.position >= this.timeline.length - 1) return this.setPlaying(false);
      if (!this.root.getAttribute("aria-busy")) this.go(this.position + 1, this.group);
      this.timer = setTimeout(tick, PLAY_PAUSE);
    };
    if (on) {
      this.showStep();
      this.timer = setTimeout(tick, PLAY_PAUSE);
    }
  }

  // Arrows: left and right change the step, up and down the group; a field that needs the arrows keeps them.
  key(event) {
    const { target, key } = event;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!move || isComposing(event) || event.altKey || event.ctrlKey || event.metaKey || !this.timeline.length) return;
    const field = target.closest("select, input, textarea, .text");
    if (field && field !== this.slider) return;
    event.preventDefault();
    if (move[0]) return this.scrubbed(this.position + move[0]);
    const rows = this.timeline[this.position].rows;
    const group = Number(this.root.getAttribute("data-group"));
    const now = rows.findIndex((row) => row.group === group);
    const place = Math.max(0, now) + move[1];
    this.go(this.position, rows[Math.max(0, Math.min(rows.length - 1, place))].group);
  }
}

const inspectorRoot = element.querySelector("[data-testid=group-inspector]");
const inspector = new Inspector(inspectorRoot);
inspector.open(given());
watch("value", () => inspector.open(given()));
watch(["lang"], () => {
  inspector.build();
  inspector.view.strip.width = 0;
  inspector.showRun();
});

// The live curves of one run: its status, its small charts, its log. Frames come from the run's feed, which ends with
// the run; series.js keeps the numbers, chart.js and status.js draw.

const LOG_KEPT = 200000;
const NARROW = 620;
const FEW = 6;

class LiveCurves {
  /** @type {string | null} */ run;
  /** @type {ReturnType<typeof followRun> | null} */ feed;
  /** @type {number | null} */ pointed;
  /** @type {boolean} */ lost;

  constructor(root) {
    this.root = root;
    this.weight = 0.8;
    this.redraw = spaced(() => this.show(), 200);
    this.pointSoon = beforeFrame(() => this.charts.forEach((chart) => chart.point(this.pointed)));
    this.build();
    this.clear();
    watchSight(root, (visible) => {
      this.visible = visible;
      if (this.feed) this.feed.show(visible);
      if (visible) this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(root);
  }

  build() {
    this.charts = new Map();
    this.names = "";
    this.empty = make("div.empty", { role: "status" });
    this.status = new Status();
    this.stepTime = new StepTime();
    this.notes = new Notes();
    this.warnings = new Warnings();
    this.slider = rangeInput(word("smoothing"), { min: 0, max: 0.98, step: 0.02, value: this.weight }, (weight) => {
      this.weight = weight;
      this.show();
    });
    const keys = ["raw", "smooth", "held"].map((kind) => make("span", { class: "key " + kind }, word("key_" + kind)));
    const smoothing = make("label.smoothing", make("span", word("smoothing")), this.slider);
    this.legend = make("div.legend", ...keys, make("span.push"), smoothing);
    this.grid = make("div.charts", { tabindex: 0, role: "group", "aria-label": word("charts") });
    this.waiting = make("p.empty");
    this.more = make("button.plain.more");
    this.more.addEventListener("click", () => {
      this.all = !this.showsAll();
      this.show();
    });
    this.log = make("pre.log", { tabindex: 0, role: "log", "aria-live": "off", "aria-label": word("log") });
    this.logBox = make("section.log-box", make("h4", word("log")), this.log);
    this.body = make(
      "div.body",
      this.status.node,
      this.notes.node,
      this.warnings.node,
      this.stepTime.node,
      this.legend,
      this.waiting,
      this.grid,
      this.more,
      this.logBox,
    );
    this.root.replaceChildren(this.empty, this.body);
    this.grid.addEventListener("pointermove", (event) => {
      const node = event.target instanceof Element && /** @type {HTMLElement} */ (event.target.closest(".chart"));
      const chart = node && this.charts.get(node.dataset.metric);
      if (chart && chart.last) this.point(chart.stepAt(event.clientX));
    });
    this.grid.addEventListener("pointerleave", () => this.point(null));
    this.grid.addEventListener("blur", () => this.point(null));
    this.grid.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!move || event.target !== this.grid) return;
      event.preventDefault();
      this.point(Math.max(0, Math.min(this.metrics.last, Math.round((this.pointed ?? this.metrics.last) + move))));
    });
  }

  clear() {
    this.metrics = new Metrics();
    this.text = "";
  }

  open(run) {
    if (this.feed) this.feed.close();
    if (run !== this.run) {
      this.summary = null;
      this.charts.clear();
      this.names = "";
    }
    Object.assign(this, { run, feed: null, pointed: null, lost: false });
    this.clear();
    mark(this.root, "data-run", run || "");
    mark(this.root, "data-step", "");
    mark(this.body, "data-state", null);
    mark(this.status.state, "data-state", null);
    this.show();
    if (!run) return;
    const feed = (this.feed = followRun(
      run,
      (frame) => feed === this.feed && this.take(frame),
      () => {
        if (feed !== this.feed) return;
        this.lost = !this.summary;
        this.redraw();
      },
    ));
    feed.show(Boolean(this.visible));
  }

  take(frame) {
    if (frame.reset) this.clear();
    this.summary = { ...this.summary, ...frame.run };
    this.metrics.add(frame.metrics);
    this.addLog(frame.log);
    mark(this.root, "data-step", this.metrics.last || frame.run.step || 0);
    this.redraw();
  }

  // A progress bar rewrites its line with carriage returns: the last state of the line is what is kept.
  addLog(text) {
    if (!text) return;
    const lines = (this.text + text).replace(/\r\n/g, "\n").split("\n");
    const kept = lines.map((line, i) => (i === lines.length - 1 ? line : line.slice(line.lastIndexOf("\r") + 1)));
    this.text = kept.join("\n").slice(-LOG_KEPT);
  }

  point(step) {
    this.pointed = step;
    this.pointSoon();
  }

  show() {
    const blank = !this.run || !this.summary;
    conceal(this.empty, !blank);
    conceal(this.body, blank);
    if (blank) {
      const key = !this.run ? "no_run" : this.lost ? "run_gone" : "loading";
      return this.empty.replaceChildren(make("strong", word(key)), word(key + "_next"));
    }
    mark(this.body, "data-state", this.summary.state);
    this.status.show(this.summary);
    this.notes.show(this.summary.notes);
    this.warnings.show(this.run, this.summary.warnings);
    this.stepTime.show(this.summary.step_time);
    this.showLog();
    return this.showCharts();
  }

  showLog() {
    conceal(this.logBox, !this.text);
    const low = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 30;
    say(this.log, logInWords(this.text.trimEnd()));
    if (low) this.log.scrollTop = this.log.scrollHeight;
  }

  // A phone gets the first few charts, and the others on request: the page stays a page.
  showsAll() {
    return this.all ?? this.root.clientWidth > NARROW;
  }

  showCharts() {
    const { metrics } = this;
    const names = chartNames(this.summary.algorithm, metrics);
    say(this.waiting, word(this.summary.state === "queued" ? "no_numbers_queued" : "no_numbers"));
    conceal(this.waiting, names.length > 0 || !ACTIVE.includes(this.summary.state));
    conceal(this.legend, !names.length);
    conceal(this.grid, !names.length);
    if (names.join() !== this.names) {
      for (const name of names)
        if (!this.charts.has(name)) this.charts.set(name, new Chart(name, this.summary.algorithm));
      for (const name of [...this.charts.keys()]) if (!names.includes(name)) this.charts.delete(name);
      this.grid.replaceChildren(...names.map((name) => this.charts.get(name).node));
      this.names = names.join();
    }
    if (!names.length || !this.visible) return;
    const width = Math.floor(this.charts.get(names[0]).svg.parentNode.clientWidth - 24);
    if (width <= 0) return;
    const shown = this.showsAll() ? names : names.slice(0, FEW);
    conceal(this.more, names.length <= FEW || this.root.clientWidth > NARROW);
    say(this.more, this.showsAll() ? word("fewer") : word("more", { n: names.length }));
    for (const name of names) conceal(this.charts.get(name).node, !shown.includes(name));
    for (const name of shown) {
      const flags = flagsOf(this.summary.warnings, name);
      this.charts
        .get(name)
        .show(metrics.train.get(name), metrics.held.get(name), this.weight, metrics.last, width, flags);
    }
    if (this.pointed !== null) this.pointSoon();
  }
}

const curvesRoot = element.querySelector("[data-testid=live-curves]");
const curves = new LiveCurves(curvesRoot);
curves.open(given().run || null);
watch("value", () => curves.open(given().run || null));
watch(["lang"], () => {
  curves.build();
  curves.show();
});

// The Learn tab: eight steps with an address each (`?tab=learn&step=6&part=5`), progress kept in the browser, and the
// way to the tab where the same is done for real (event `select`, data {tab}). What a step shows stands beside this.

class Learn {
  constructor(root) {
    this.root = root;
    this.builders = learnBuilders();
    this.built = {};
    const done = keptOf("done", []);
    this.done = new Set(done.filter((key) => typeof key === "string"));
    this.step = 0;
    this.page = 0;
    this.seen = false;
    this.build();
    this.read();
    window.addEventListener("popstate", () => {
      if (this.onAddress()) this.read();
    });
    watchSight(root, (visible) => this.sight(visible));
  }

  build() {
    this.list = make("ol.steps");
    this.left = make("span.quiet");
    this.where = make("b");
    this.bars = make("div.progress", { "aria-hidden": "true" }, ...LEARN_STEPS.map(() => make("i")));
    this.menu = make(
      "button.plain.menu",
      {
        "aria-expanded": "false",
        "aria-label": word("menu"),
        onclick: () => this.openMenu(this.menu.getAttribute("aria-expanded") !== "true"),
      },
      "☰",
    );
    this.quote = make("blockquote");
    this.drawer = make(
      "div.drawer",
      this.list,
      make("button.plain.all-terms", { "data-glossary": "" }, word("glossary")),
      make("p.quiet.small-print", word("kept_here")),
      this.quote,
    );
    this.nav = make(
      "nav",
      { "aria-label": word("nav") },
      make("div.nav-head", this.menu, make("div.so-far", make("p", this.where, " ", this.left), this.bars)),
      this.drawer,
    );
    this.kicker = make("p.kicker.quiet");
    this.title = make("h2", { tabindex: -1 });
    this.point = make("p.point");
    this.task = make("p.task");
    this.place = make("div.step-place");
    this.back = make("button.plain", { onclick: () => this.move(-1) });
    this.on = make("button.primary", { onclick: () => this.move(1) });
    this.real = make("button.plain.real", { onclick: () => this.goReal() });
    this.main = make(
      "div.step",
      make("header", this.kicker, this.title, this.point, this.task),
      this.place,
      make("footer", this.back, make("span.push"), this.real, this.on),
    );
    this.root.replaceChildren(make("div.learn", this.nav, this.main));
  }

  openMenu(open) {
    mark(this.menu, "aria-expanded", String(open));
    toggle(this.nav, "open", open);
  }

  /** Whether the address names this tab. */
  onAddress() {
    return new URLSearchParams(location.search).get("tab") === "learn";
  }

  /** The step of the address; without one the step that was last open here. */
  read() {
    const asked = new URLSearchParams(location.search);
    const kept = keptOf("at", {});
    const named = this.onAddress() && asked.has("step");
    const step = Number(named ? asked.get("step") : (kept.step ?? 1));
    const page = Number(named ? (asked.get("part") ?? 1) : (kept.page ?? 1));
    this.open(bounded(step, LEARN_STEPS.length), page, "replace");
  }

  /** @param {number} step from 0 @param {number} page from 1 @param {"push" | "replace"} how the address changes */
  open(step, page, how) {
    const { pages } = LEARN_STEPS[step];
    this.step = step;
    this.page = pages ? bounded(page, pages.length) : 0;
    keepOf("at", { step: step + 1, page: this.page + 1 });
    this.write(how);
    this.openMenu(false);
    this.draw();
  }

  /** @param {"push" | "replace"} how */
  write(how) {
    if (!this.seen) return;
    const address = new URL(location.href);
    const { pages } = LEARN_STEPS[this.step];
    for (const other of ["run", "collection"]) address.searchParams.delete(other);
    address.searchParams.set("tab", "learn");
    address.searchParams.set("step", String(this.step + 1));
    if (pages) address.searchParams.set("part", String(this.page + 1));
    else address.searchParams.delete("part");
    if (address.href === location.href) return;
    if (how === "push") history.pushState(history.state, "", address);
    else history.replaceState(history.state, "", address);
  }

  /** Another tab is looked at: the address names this one no more. */
  leave() {
    if (!this.onAddress()) return;
    const address = new URL(location.href);
    for (const name of ["tab", "step", "part"]) address.searchParams.delete(name);
    history.replaceState(history.state, "", address);
  }

  sight(visible) {
    if (visible) {
      this.seen = true;
      this.write("replace");
      this.shown();
    } else if (!document.hidden && this.seen) {
      this.seen = false;
      this.leave();
    }
  }

  get key() {
    const { key, pages } = LEARN_STEPS[this.step];
    return pages ? `${key}.${pages[this.page]}` : key;
  }

  draw() {
    const { key, pages, real, minutes } = LEARN_STEPS[this.step];
    const count = LEARN_STEPS.length;
    const text = this.key.replace(".", "_");
    const here = pages ? Math.ceil((minutes * (pages.length - this.page)) / pages.length) : minutes;
    const left = LEARN_STEPS.slice(this.step + 1).reduce((sum, step) => sum + step.minutes, here);
    mark(this.root, "data-step", this.step + 1);
    mark(this.root, "data-page", pages ? this.page + 1 : null);
    say(this.where, word("step_of", { step: this.step + 1, count }));
    const over = LEARN_STEPS.every((step) => this.done.has(step.key));
    say(this.left, over ? word("all_done") : word("minutes_left", { minutes: left }));
    const kicker = {
      step: this.step + 1,
      name: word(key + "_name"),
      page: this.page + 1,
      pages: pages && pages.length,
    };
    say(this.kicker, word(pages ? "kicker_page" : "kicker", kicker));
    say(this.title, word(text + "_title"));
    this.point.replaceChildren(...richWord(text + "_point"));
    this.task.replaceChildren(make("b", word("do_this")), " ", ...richWord(text + "_task"));
    this.quote.replaceChildren(make("p.quiet", word("course_says")), make("p", ...richWord(text + "_course")));
    this.drawList();
    this.drawBuilt();
    this.drawFoot(real);
  }

  drawBuilt() {
    const { key } = this;
    if (!this.built[key]) this.built[key] = this.builders[key]();
    this.place.replaceChildren(this.built[key].node);
    this.shown();
  }

  /** What a page does when it comes in sight; a step that will ask the model has it loaded meanwhile. */
  shown() {
    if (!this.seen) return;
    const page = this.built[this.key];
    if (page && page.shown) page.shown();
    if (page && page.warm) askModel({ kind: "warm" }).catch(() => null); // asked again, and told, by the button
  }

  drawList() {
    this.list.replaceChildren(
      ...LEARN_STEPS.map(({ key, pages }, at) => {
        const here = at === this.step;
        const done = this.done.has(key);
        const button = make(
          "button",
          { "aria-current": here ? "step" : null, onclick: () => this.open(at, 1, "push") },
          make(done ? "span.dot.done" : "span.dot", { "aria-hidden": "true" }, done ? "✓" : String(at + 1)),
          word(key + "_name"),
          done ? make("span.unseen", word("done")) : null,
        );
        return make("li", button, here && pages ? this.pageList(pages, key) : null);
      }),
    );
    [...this.bars.children].forEach((one, at) => {
      toggle(one, "done", this.done.has(LEARN_STEPS[at].key));
      toggle(one, "here", at === this.step);
    });
  }

  pageList(pages, key) {
    return make(
      "ol.pages",
      ...pages.map((page, at) =>
        make(
          "li",
          make(
            "button",
            { "aria-current": at === this.page ? "page" : null, onclick: () => this.open(this.step, at + 1, "push") },
            `${at + 1} `,
            word(`${key}_${page}_title`),
          ),
        ),
      ),
    );
  }

  drawFoot(real) {
    const before = this.neighbour(-1);
    const after = this.neighbour(1);
    conceal(this.back, !before);
    if (before) say(this.back, "← " + this.nameOf(before));
    say(this.on, after ? this.nameOf(after) + " →" : word("finish"));
    const there = real.tab !== "compare" || this.has("compare");
    conceal(this.real, !there);
    say(this.real, word("real_" + LEARN_STEPS[this.step].key));
  }

  /** Whether the page has such a tab. @param {string} id */
  has(id) {
    const config = /** @type {any} */ (window.gradio_config);
    return Boolean(config && config.components.some(({ type, props: of }) => type === "tabitem" && of.id === id));
  }

  /**
   * The page before or after, [step, page from 0]; null at the ends.
   * @param {number} way
   * @returns {[number, number] | null}
   */
  neighbour(way) {
    const { pages } = LEARN_STEPS[this.step];
    const page = this.page + way;
    if (pages && page >= 0 && page < pages.length) return [this.step, page];
    const step = this.step + way;
    if (step < 0 || step >= LEARN_STEPS.length) return null;
    const other = LEARN_STEPS[step].pages;
    return [step, way < 0 && other ? other.length - 1 : 0];
  }

  /** @param {[number, number]} place */
  nameOf([step, page]) {
    const { key, pages } = LEARN_STEPS[step];
    if (step === this.step && pages)
      return word("page_name", { page: page + 1, name: word(`${key}_${pages[page]}_title`) });
    return word("step_name", { step: step + 1, name: word(key + "_name") });
  }

  move(way) {
    const next = this.neighbour(way);
    if (way > 0 && (!next || next[0] !== this.step)) {
      this.done.add(LEARN_STEPS[this.step].key);
      keepOf("done", [...this.done]);
    }
    if (!next) {
      this.draw();
      return void this.place.append(make("p.finding", { role: "status" }, word("course_ends")));
    }
    this.open(next[0], next[1] + 1, "push");
    this.title.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "start" });
  }

  goReal() {
    const { real, key } = LEARN_STEPS[this.step];
    this.done.add(key);
    keepOf("done", [...this.done]);
    this.drawList();
    if (real.preset && window.labDraft) window.labDraft.choosePreset(real.preset);
    trigger("select", { tab: real.tab });
  }
}

/** A number from 1 on as a place from 0 on; nonsense is the first. @param {number} number @param {number} count */
const bounded = (number, count) => (Number.isInteger(number) ? Math.min(Math.max(number, 1), count) - 1 : 0);

new Learn(element.querySelector(".lab"));

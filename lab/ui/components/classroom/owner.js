// The owner's page: how to join, who is here, the votes, how far people agree, the board and the queue.

class OwnerPage extends ClassPage {
  change(values) {
    return this.act("change", values);
  }

  show(view) {
    this.view = view;
    const grid = make(
      "div.grid",
      this.people(view),
      make("div.column", this.votes(view), this.board(view)),
      make("div.column", this.agreement(view), this.queue(view), this.collections(view)),
    );
    this.node.replaceChildren(this.head(view), this.problem, grid);
  }

  head(view) {
    const { state, link, does_things: does } = view;
    const { runs, steps } = state;
    const here = view.people.filter((person) => !person.away).length;
    const status = state.paused ? "paused" : state.open ? "open" : "closed";
    const address = make("div.address", make("strong", { "data-testid": "class-address" }, view.address));
    if (state.ask_code) address.append(make("span.quiet", word("code")), make("b.code", state.code));
    address.append(button(word("copy"), () => copyText(link), "small"));
    const may = make(
      "div.row.may",
      make("span.quiet", word("guests_may")),
      toggleOf(word("may_judge"), state.judge, (judge) => this.change({ judge })),
      toggleOf(word("may_rules"), state.rules && does, (rules) => this.change({ rules }), !does),
      toggleOf(word("may_train", { runs, steps }), state.train && does, (train) => this.change({ train }), !does),
      toggleOf(word("ask_code"), state.ask_code, (ask_code) => this.change({ ask_code })),
    );
    const qr = make("img.qr", { src: qrAddress(link), alt: word("qr", { link }), width: 150, height: 150 });
    const why = view.reachable ? word("same_network") : word("only_here");
    return make(
      "div.join",
      qr,
      make(
        "div.about",
        make(
          "div.row",
          make("h2", { "data-testid": "class-here" }, word("here", { n: here })),
          make("span", { class: `state ${status}`, "data-state": status }, "● " + word(status)),
        ),
        address,
        make("p.quiet", why + (does ? "" : " " + word("annotate_only"))),
        may,
      ),
      this.controls(state),
    );
  }

  controls(state) {
    return make(
      "div.controls",
      make("a.plain.primary", { href: address("?view=wall"), target: "_blank", rel: "noopener" }, word("projector")),
      make(
        "div.row",
        this.pauseButton("paused", state.paused, word(state.paused ? "go_on" : "pause")),
        button(word(state.open ? "close" : "reopen"), () => this.change({ open: !state.open })),
        button(word("reset"), () => confirm(word("reset_sure")) && this.act("reset"), "danger"),
      ),
      make("p.quiet", word("pause_help")),
      this.onTheWall(state),
    );
  }

  onTheWall(state) {
    const kinds = ["join", "votes", "board", "agreement", "curves", "group", "tables"];
    const shows = kinds.map((kind) => [kind, word(`show_${kind}`)]);
    const choice = make("select", { "aria-label": word("on_the_wall") }, ...options(shows, state.show));
    choice.addEventListener("change", () => this.change({ show: choice.value }));
    const runs = [["", word("newest_run")], ...this.view.runs.map(({ id, name }) => [id, name])];
    const which = make("select", { "aria-label": word("which_run") }, ...options(runs, state.show_run));
    which.addEventListener("change", () => this.change({ show_run: which.value }));
    conceal(which, !["curves", "group"].includes(state.show));
    return make("div.wall-choice", make("label.row", make("span.quiet", word("on_the_wall")), choice), which);
  }

  people(view) {
    const judged = view.people.reduce((sum, person) => sum + person.judged, 0);
    const all = view.people.reduce((sum, person) => sum + person.of, 0);
    const done = make("span.quiet.end", word("judgements", { n: judged, of: all }));
    const takeBack = (person) =>
      confirm(word("take_back_sure", { name: person.name, n: person.judged })) &&
      this.act("take-back", { person: person.id });
    return card("people", word("people"), [done], peopleList(view.people, takeBack));
  }

  votes({ question, people }) {
    const head = [
      make("span.quiet", word("who_is_kept", { prompt: question.prompt })),
      make("span.quiet.end", `${question.voted} / ${people.length}`),
    ];
    const kept =
      question.answers.flatMap(({ kept }, place) => (kept ? [`y${"₁₂₃₄₅₆₇₈₉"[place] || place + 1}`] : [])).join(" ") ||
      "–";
    const { revealed, all_right: right, voted } = question;
    const answer = word("answer", { mean: figure(question.mean), kept, right, voted });
    const reveal = () => this.change({ revealed: !revealed, show: "votes" });
    const buttons = [
      button(word(revealed ? "hide_answer" : "reveal"), reveal, revealed ? "" : "primary"),
      button(word("clear"), () => this.act("clear-votes")),
      button(word("next_question"), () => this.act("next-question")),
    ];
    const told = make("p.only-you", make("b", word("only_you")), " ", answer);
    return card("votes", word("votes"), head, questionBars(question), told, make("div.row", ...buttons));
  }

  board({ board, recorded }) {
    const on = make("span.quiet", recorded ? word("scored_on", { run: recorded.name }) : word("scored_on_own"));
    const remove = (entry) =>
      confirm(word("remove_set", { title: entry.title }) + "?") &&
      this.act("remove-rules", { person: entry.person, title: entry.title });
    return card("board", word("board"), [on], boardList(board, remove), make("div.row", this.showButton("board")));
  }

  pauseButton(choice, on, label) {
    return button(label, () => this.change({ [choice]: !on }), "", { "aria-pressed": String(on) });
  }

  showButton(show) {
    return button(word("show_on_wall"), () => this.change({ show }));
  }

  agreement({ agreement, collection }) {
    const head = [make("span.quiet.end", word("live"))];
    if (!agreement) return card("agreement", word("agreement"), head, make("p.quiet", word("no_collection")));
    const href = address("?" + new URLSearchParams({ tab: "annotate", part: "quality", collection }));
    const more = make("a.plain", { href, "data-testid": "class-quality" }, word("open_quality"));
    const row = make("div.row", this.showButton("agreement"), more);
    return card("agreement", word("agreement"), head, ...agreementParts(agreement), row);
  }

  queue({ queue, state }) {
    const head = [make("span.quiet", word("fair")), make("span.quiet.end", word("done", { n: queue.done }))];
    const line = (run) =>
      make(
        "li.running",
        make("b", run.name_of_person || word("gone")),
        bar(run.steps ? run.step / run.steps : 0),
        make("span", `${run.step} / ${run.steps}`),
        make("span.quiet", word("left", { time: clock(run.seconds_left) })),
      );
    const wait = (run) =>
      make("li", make("b", run.name_of_person || word("gone")), make("span.quiet", clock(run.starts_in)));
    const { running, waiting, all_done_in: seconds } = queue;
    const paused = state.queue_paused;
    const pause = this.pauseButton("queue_paused", paused, word(paused ? "queue_go_on" : "queue_pause"));
    return card(
      "queue",
      word("queue"),
      head,
      running.length ? make("ul.runs", ...running.map(line)) : null,
      waiting.length ? make("p.quiet", word("next_in_order")) : null,
      waiting.length ? make("ol.waiting", ...waiting.map(wait)) : null,
      running.length || waiting.length ? null : make("p.quiet", word("nobody_trains")),
      isNumber(seconds) ? make("p.quiet", word("all_done_in", { time: clock(seconds) })) : null,
      make("div.row", pause, this.showButton("tables"), ...this.compareLink(queue)),
    );
  }

  // Opens Compare with the finished runs of guests: all of them, or the newest where there are more than it holds.
  compareLink({ done, finished }) {
    if (!finished.length) return [];
    const query = new URLSearchParams({ tab: "compare", of: "runs:", runs: finished.join(",") });
    const text =
      done > finished.length
        ? word("compare_newest", { n: finished.length, done })
        : word("compare_finished", { n: done });
    return [make("a.plain", { href: address("?" + query), "data-testid": "class-compare" }, text)];
  }

  collections({ collections, collection }) {
    const none = collections.length ? null : make("p.quiet", word("no_collection"));
    const line = (one) =>
      make(
        one.hidden ? "li.hidden-one" : "li",
        make(
          "label.chosen",
          radio("class-collection", one.id === collection, () => this.change({ collection: one.id }), one.hidden),
          make("b", one.name),
        ),
        make("span.quiet", word("pairs", { n: one.pairs })),
        toggleOf(word("everyone"), one.everyone, (everyone) =>
          this.act("collection", { collection: one.id, everyone }),
        ),
        toggleOf(word("shown"), !one.hidden, (shown) => this.act("collection", { collection: one.id, hidden: !shown })),
      );
    return card("collections", word("collections"), [], none, make("ul.collections", ...collections.map(line)));
  }
}

const radio = (name, on, act, off) => make("input", { type: "radio", name, checked: on, disabled: off, onchange: act });

// Another link is another picture: the browser would keep the old one.
const qrAddress = (link) => address("api/class/qr.svg") + "?for=" + encodeURIComponent(link);

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    prompt(word("copy"), text); // over plain http a browser copies only what is selected
  }
}

function agreementParts(agreement) {
  if (!isNumber(agreement.alpha))
    return [make("p.quiet", word(agreement.judgements ? "alpha_undefined" : "nobody_judged_yet"))];
  const [low, high] = agreement.interval || [null, null];
  const head = make(
    "p.alpha",
    make("strong", { "data-testid": "class-alpha" }, `α ${figure(agreement.alpha)}`),
    make(
      "span.quiet",
      isNumber(low) ? word("interval", { low: figure(low), high: figure(high) }) : word("no_interval"),
    ),
  );
  const place = (value) => `${100 * Math.min(1, Math.max(0, value))}%`;
  const dot = make("i.dot");
  dot.style.left = place(agreement.alpha);
  const span = make("i.interval");
  if (isNumber(low))
    Object.assign(span.style, { left: place(low), width: `${100 * (Math.min(1, high) - Math.max(0, low))}%` });
  const axis = make(
    "div.axis",
    { "aria-hidden": "true" },
    span,
    dot,
    make("small.at-0", word("axis_chance")),
    make("small.at-two-thirds", "0.667"),
    make("small.at-080", "0.80"),
    make("small.at-1", "1"),
  );
  const divided = agreement.divided.map(({ number, first, second, other }) => {
    const line = make("span.divided-bar", { "aria-hidden": "true" });
    for (const [kind, votes] of Object.entries({ first, second, other })) {
      const part = make("i", { class: kind });
      part.style.flexGrow = String(votes);
      line.append(part);
    }
    return make(
      "li",
      make("span", word("pair", { number })),
      line,
      make("span", word("divided", { first, second }) + (other ? ` · ${other}` : "")),
    );
  });
  return [
    head,
    axis,
    make(
      "p.quiet",
      word("raw", { share: percent(agreement.raw) }) + (divided.length ? " " + word("most_divided") : ""),
    ),
    make("ul.divided", ...divided),
  ];
}

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
    const { state } = view;
    const here = view.people.filter((person) => !person.away).length;
    const status = state.paused ? "paused" : state.open ? "open" : "closed";
    const address = make("div.address", make("strong", { "data-testid": "class-address" }, view.address));
    if (state.ask_code) address.append(make("span.quiet", word("code")), make("b.code", state.code));
    address.append(button(word("copy"), () => copyText(view.link), "small"));
    const may = make(
      "div.row.may",
      make("span.quiet", word("guests_may")),
      toggleOf(word("may_judge"), state.judge, (judge) => this.change({ judge })),
      toggleOf(
        word("may_rules"),
        state.rules && view.does_things,
        (rules) => this.change({ rules }),
        !view.does_things,
      ),
      toggleOf(
        word("may_train", { runs: state.runs, steps: state.steps }),
        state.train && view.does_things,
        (train) => this.change({ train }),
        !view.does_things,
      ),
      toggleOf(word("ask_code"), state.ask_code, (ask_code) => this.change({ ask_code })),
    );
    const qr = make("img.qr", {
      src: qrAddress(view.link),
      alt: word("qr", { link: view.link }),
      width: 150,
      height: 150,
    });
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
        make("p.quiet", why + (view.does_things ? "" : " " + word("annotate_only"))),
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
        button(word(state.paused ? "go_on" : "pause"), () => this.change({ paused: !state.paused }), "", {
          "aria-pressed": String(state.paused),
        }),
        button(word(state.open ? "close" : "reopen"), () => this.change({ open: !state.open })),
        button(word("reset"), () => confirm(word("reset_sure")) && this.act("reset"), "danger"),
      ),
      make("p.quiet", word("pause_help")),
      this.onTheWall(state),
    );
  }

  onTheWall(state) {
    const kinds = ["join", "votes", "board", "agreement", "curves", "group", "tables"];
    const choice = make(
      "select",
      { "aria-label": word("on_the_wall") },
      ...kinds.map((kind) => make("option", { value: kind, selected: kind === state.show }, word(`show_${kind}`))),
    );
    choice.addEventListener("change", () => this.change({ show: choice.value }));
    const which = make(
      "select",
      { "aria-label": word("which_run") },
      make("option", { value: "" }, word("newest_run")),
      ...this.view.runs.map(({ id, name }) => make("option", { value: id, selected: id === state.show_run }, name)),
    );
    which.addEventListener("change", () => this.change({ show_run: which.value }));
    conceal(which, !["curves", "group"].includes(state.show));
    return make("div.wall-choice", make("label.row", make("span.quiet", word("on_the_wall")), choice), which);
  }

  people(view) {
    const judged = view.people.reduce((sum, person) => sum + person.judged, 0);
    const all = view.people.reduce((sum, person) => sum + person.of, 0);
    const { node, body } = card(
      "people",
      word("people"),
      make("span.quiet.end", word("judgements", { n: judged, of: all })),
    );
    const takeBack = (person) =>
      confirm(word("take_back_sure", { name: person.name, n: person.judged })) &&
      this.act("take-back", { person: person.id });
    body.append(peopleList(view.people, takeBack));
    return node;
  }

  votes({ question, people }) {
    const { node, body } = card(
      "votes",
      word("votes"),
      make("span.quiet", word("who_is_kept", { prompt: question.prompt })),
      make("span.quiet.end", `${question.voted} / ${people.length}`),
    );
    const kept =
      question.answers.flatMap(({ kept }, place) => (kept ? [`y${"₁₂₃₄₅₆₇₈₉"[place] || place + 1}`] : [])).join(" ") ||
      "–";
    body.append(
      questionBars(question),
      make(
        "p.only-you",
        make("b", word("only_you")),
        " ",
        word("answer", { mean: figure(question.mean), kept, right: question.all_right, voted: question.voted }),
      ),
      make(
        "div.row",
        button(
          word(question.revealed ? "hide_answer" : "reveal"),
          () => this.change({ revealed: !question.revealed, show: "votes" }),
          question.revealed ? "" : "primary",
        ),
        button(word("clear"), () => this.act("clear-votes")),
        button(word("next_question"), () => this.act("next-question")),
      ),
    );
    return node;
  }

  board({ board, recorded }) {
    const { node, body } = card(
      "board",
      word("board"),
      make("span.quiet", recorded ? word("scored_on", { run: recorded.name }) : word("scored_on_own")),
    );
    const remove = (entry) =>
      confirm(word("remove_set", { title: entry.title }) + "?") &&
      this.act("remove-rules", { person: entry.person, title: entry.title });
    body.append(
      boardList(board, remove),
      make(
        "div.row",
        button(word("show_on_wall"), () => this.change({ show: "board" })),
      ),
    );
    return node;
  }

  agreement({ agreement, collection }) {
    const { node, body } = card("agreement", word("agreement"), make("span.quiet.end", word("live")));
    if (!agreement) body.append(make("p.quiet", word("no_collection")));
    else
      body.append(
        ...agreementParts(agreement),
        make(
          "div.row",
          button(word("show_on_wall"), () => this.change({ show: "agreement" })),
          make(
            "a.plain",
            {
              href: address("?" + new URLSearchParams({ tab: "annotate", part: "quality", collection })),
              "data-testid": "class-quality",
            },
            word("open_quality"),
          ),
        ),
      );
    return node;
  }

  queue({ queue, state }) {
    const { node, body } = card(
      "queue",
      word("queue"),
      make("span.quiet", word("fair")),
      make("span.quiet.end", word("done", { n: queue.done })),
    );
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
    if (queue.running.length) body.append(make("ul.runs", ...queue.running.map(line)));
    if (queue.waiting.length)
      body.append(make("p.quiet", word("next_in_order")), make("ol.waiting", ...queue.waiting.map(wait)));
    if (!queue.running.length && !queue.waiting.length) body.append(make("p.quiet", word("nobody_trains")));
    if (isNumber(queue.all_done_in))
      body.append(make("p.quiet", word("all_done_in", { time: clock(queue.all_done_in) })));
    body.append(
      make(
        "div.row",
        button(
          word(state.queue_paused ? "queue_go_on" : "queue_pause"),
          () => this.change({ queue_paused: !state.queue_paused }),
          "",
          { "aria-pressed": String(state.queue_paused) },
        ),
        button(word("show_on_wall"), () => this.change({ show: "tables" })),
        ...this.compareLink(queue),
      ),
    );
    return node;
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
    const { node, body } = card("collections", word("collections"));
    if (!collections.length) body.append(make("p.quiet", word("no_collection")));
    const line = (one) =>
      make(
        "li",
        { class: one.hidden ? "hidden-one" : "" },
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
    body.append(make("ul.collections", ...collections.map(line)));
    return node;
  }
}

function radio(name, on, act, off) {
  const input = make("input", { type: "radio", name, disabled: off });
  input.checked = on;
  input.addEventListener("change", act);
  return input;
}

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
    for (const [kind, votes] of [
      ["first", first],
      ["second", second],
      ["other", other],
    ]) {
      const part = make("i", { class: String(kind) });
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

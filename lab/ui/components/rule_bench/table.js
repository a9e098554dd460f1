// The right side of the bench: the completions, group by group, and what the rules say of each. Texts are typed here;
// every number comes from the server and is only set down. `expected` scores are pinned in the cells.

const STACKED_FROM = 4;
const LONG_TEXT = 48;
const KINDS = ["all", "above_mean", "top_fraction"];

// The terms of the glossary that explain a group's tiles.
const TILE_TERMS = { mean: "mean", std: "std", hard: "threshold", top: "threshold" };

class Cell {
  constructor(group, onPin) {
    this.value = make("span.value");
    this.share = make("span.share-of");
    this.pin = make("button.pin", { onclick: onPin });
    this.swatch = make("span.swatch");
    this.label = make("span.cell-label");
    this.node = make(
      "td.score",
      { "data-testid": "bench-score" },
      this.swatch,
      this.label,
      this.value,
      this.share,
      this.pin,
    );
  }

  show(rule, place, { score, share, passed, expected }) {
    const failed = typeof score === "object" && score !== null;
    const label = labelOf(rule);
    this.swatch.style.background = ruleColour(place);
    say(this.label, label);
    say(this.value, score === undefined ? "·" : failed ? "✕" : brief(score));
    toggle(this.node, "failed", failed);
    toggle(this.node, "zero", score === 0);
    mark(this.node, "data-score", failed ? "error" : score === undefined ? null : score);
    const plain = score === undefined || rule.weight === 1 || failed;
    say(this.share, plain ? "" : `×${plainFigure(rule.weight)} → ${brief(share)}`);
    const pinned = expected !== undefined;
    toggle(this.pin, "on", pinned);
    toggle(this.pin, "off", pinned && passed === false);
    say(this.pin, !pinned ? "⊙" : `${passed === false ? "✕" : "✓"} ${plainFigure(expected)}`);
    mark(this.pin, "data-passed", pinned ? passed !== false : null);
    this.pin.disabled = !pinned && (failed || score === undefined);
    const key = pinned ? (passed === false ? "pin_failed" : "pin_passed") : "pin";
    nameIt(this.pin, word(key, { rule: label, expected: pinned ? plainFigure(expected) : "" }));
  }
}

class SampleRow {
  constructor(group, place, rules) {
    const { bench } = group;
    this.group = group;
    this.place = place;
    this.text = make("textarea.sample", {
      dir: "auto",
      rows: 1,
      spellcheck: "false",
      "data-testid": "bench-completion",
      "aria-label": word("completion_n", { n: place + 1 }),
    });
    this.text.addEventListener("input", () => {
      grow(this.text);
      bench.editSample(group.place, place, this.text.value);
    });
    this.remove = iconButton("remove", () => bench.removeSample(group.place, place));
    nameIt(this.remove, word("remove_completion", { n: place + 1 }));
    this.cells = rules.map((_, rule) => new Cell(group, () => bench.pin(group.place, place, rule)));
    this.reward = make("b.total");
    this.shares = make("span.shares", { "aria-hidden": "true" });
    this.difference = make("td.difference", { "data-label": word("difference") });
    this.advantage = make("td.advantage", { "data-label": word("advantage") });
    this.marks = KINDS.map((kind) => make("td.kept", { "data-kind": kind }));
    const number = make("span.number", { "aria-hidden": "true" }, `${place + 1}`);
    const { stacked } = group;
    const texts = make(
      "th.writing",
      { scope: "row", colspan: stacked ? rules.length + 7 : 1 },
      make("span.cell", number, this.text, this.remove),
    );
    this.above = stacked ? make("tr.text-row", texts) : null;
    this.node = make(
      "tr.sample-row",
      { "data-testid": "bench-row", "data-index": place },
      stacked ? make("td.lead") : texts,
      ...this.cells.map((cell) => cell.node),
      make("td.reward", this.reward, this.shares),
      this.difference,
      this.advantage,
      ...this.marks,
    );
    this.errors = make("td", { colspan: rules.length + 7 });
    this.failed = make("tr.failures", { hidden: true }, this.errors);
  }

  showText(sample) {
    if (this.text.value !== sample.text) this.text.value = sample.text;
    toggle(this.text, "code", /\n|^(def|import|class) /.test(sample.text));
    grow(this.text);
  }

  // `found` is the answer's completion, `judged` its group; without them the numbers wait.
  show(sample, { rules, problems, tests }, found, judged, at) {
    rules.forEach((rule, place) =>
      this.cells[place].show(rule, place, {
        score: found && found.scores[place],
        share: found && found.shares[place],
        ...this.pinned(rule, sample, tests[place]),
      }),
    );
    say(this.reward, found ? figure(found.reward) : "·");
    mark(this.node, "data-reward", found ? found.reward : null);
    say(this.difference, judged ? signed(judged.differences[at]) : "·");
    mark(this.node, "data-difference", judged ? judged.differences[at] : null);
    const advantage = judged && judged.advantages[at];
    say(this.advantage, judged ? signed(advantage) : "·");
    toggle(this.advantage, "minus", judged && advantage < -0.005);
    mark(this.node, "data-advantage", judged ? advantage : null);
    this.marks.forEach((cell, place) => this.showMark(cell, KINDS[place], judged, at));
    this.showShares(rules, found);
    const broken = rules
      .map((rule, place) => [rule, found && found.scores[place], problems[place] || []])
      .filter(([, score, wrong]) => score && typeof score === "object" && !wrong.length);
    const text = broken
      .map(
        ([rule, score]) =>
          `${labelOf(rule)}: ${ruleErrorWords(score.error)} ` +
          `(${word("stands_in", { fallback: plainFigure(rule.fallback) })})`,
      )
      .join("\n");
    say(this.errors, text);
    conceal(this.failed, !text);
  }

  // What is expected of this completion, and whether it came true; nothing where it is not pinned.
  pinned(rule, sample, tests) {
    const at = pinOf(rule, this.group.asked, sample.text);
    return at < 0 ? {} : { expected: rule.pins[at].expected, passed: tests && tests[at] && tests[at].passed };
  }

  showMark(cell, kind, judged, at) {
    const kept = judged && judged.thresholds[kind].kept[at];
    const why = judged && judged.thresholds[kind].why_dropped[at];
    toggle(cell, "is-kept", kept);
    mark(cell, "data-kept", judged ? kept : null);
    mark(cell, "data-label", kind === "top_fraction" ? this.group.softLabel : word("keep_" + kind));
    say(cell, !judged ? "·" : kept ? "✓" : "✕ " + word("why_" + why));
    mark(cell, "title", judged ? word(kept ? "kept" : "why_" + why + "_long") : null);
  }

  // The reward's parts: as wide as their share of the largest reward of the group.
  showShares(rules, found) {
    const widest = this.group.reach || 1;
    const parts = found ? found.shares.map((share, place) => [place, share]).filter(([, share]) => share) : [];
    const key = JSON.stringify([parts, widest]);
    if (key === this.shared) return;
    this.shared = key;
    this.shares.replaceChildren(
      ...parts.map(([place, share]) => {
        const part = make("i", { class: share < 0 ? "minus" : "" });
        part.style.cssText = `width:${((Math.abs(share) / widest) * 100).toFixed(1)}%;background:${ruleColour(place)}`;
        return part;
      }),
    );
  }
}

// A text area as high as its text.
function grow(area) {
  area.style.height = "auto";
  if (area.scrollHeight) area.style.height = Math.min(area.scrollHeight + 2, 220) + "px";
}

class GroupTable {
  /** @type {RuleBench} */ bench;
  /** @type {number} */ place;
  /** @type {SampleRow[]} */ rows;
  /** @type {BenchGroup} */ asked;

  constructor(bench, place) {
    Object.assign(this, { bench, place, rows: [] });
    const text = (key, testid, change) => {
      const area = make("textarea", {
        class: key,
        dir: "auto",
        rows: 1,
        spellcheck: "false",
        "data-testid": testid,
        "aria-label": word(key),
      });
      area.addEventListener("input", () => {
        grow(area);
        change(area.value);
      });
      return area;
    };
    this.prompt = text("prompt", "bench-prompt", (value) => bench.editGroup(this.place, "prompt", value));
    this.answer = text("answer", "bench-answer", (value) => bench.editGroup(this.place, "answer", value));
    this.tiles = Object.fromEntries(
      ["mean", "std", "hard", "top"].map((each) => [each, make("dd", { "data-testid": "bench-" + each })]),
    );
    const tiles = Object.entries(this.tiles).map(([each, value]) =>
      make(
        "div.tile",
        { title: word("tile_" + each + "_help") },
        make("dt", term(TILE_TERMS[each], word("tile_" + each))),
        value,
      ),
    );
    const asked = make(
      "div.asked",
      make("label", make("span.caption", word("prompt")), this.prompt),
      make("label", make("span.caption", word("answer")), this.answer),
    );
    this.head = make("tr");
    this.body = make("tbody");
    this.table = make("table", make("thead", this.head), this.body);
    this.note = make("p.quiet.remark");
    this.more = make("button.plain.small", "+ " + word("add_completion"));
    this.more.addEventListener("click", () => bench.addSample(this.place));
    this.scroll = make("div.scroll", { role: "region", tabindex: 0, "aria-label": word("scores") }, this.table);
    this.node = make(
      "section.group-box",
      { "data-testid": "bench-group" },
      make("div.group-head", asked, make("dl.tiles", ...tiles)),
      this.note,
      this.scroll,
      this.more,
    );
  }

  // The rows and columns, where another number of them is wanted.
  build(group, rules) {
    const long =
      rules.length > STACKED_FROM ||
      group.completions.some(({ text }) => text.length > LONG_TEXT || text.includes("\n"));
    this.stacked = this.editing(group, rules) ? this.stacked : long;
    const shape = `${group.completions.length}|${rules.length}|${this.stacked}`;
    if (shape !== this.shape) {
      this.shape = shape;
      toggle(this.table, "stacked", this.stacked);
      this.rows = group.completions.map((_, place) => new SampleRow(this, place, rules));
      this.body.replaceChildren(
        ...this.rows.flatMap((row) => [...(row.above ? [row.above] : []), row.node, row.failed]),
      );
      this.columns = rules.map(() => make("span"));
      this.soft = make("th.kept", { scope: "col" });
      const column = (key, style) => make("th", { scope: "col", class: style }, word(key));
      this.head.replaceChildren(
        column("completion", "writing"),
        ...this.columns.map((label, place) => {
          const swatch = make("span.swatch");
          swatch.style.background = ruleColour(place);
          return make("th.score", { scope: "col" }, swatch, label);
        }),
        column("reward", "reward"),
        make("th.difference", { scope: "col", title: word("difference_help") }, word("difference")),
        make("th.advantage", { scope: "col", title: word("advantage_help") }, term("advantage", word("advantage"))),
        column("keep_all", "kept"),
        column("keep_above_mean", "kept"),
        this.soft,
      );
    }
  }

  // Whether somebody types into a text of this table, which must not jump because it grew long.
  editing(group, rules) {
    const typing =
      document.activeElement &&
      document.activeElement.classList.contains("sample") &&
      this.node.contains(document.activeElement);
    return typing && this.rows.length === group.completions.length && this.columns.length === rules.length;
  }

  show(group, state, problems, answer, first) {
    const { rules, fraction } = state;
    const about = { rules, problems, tests: rules.map((_, place) => answer && answer.rules[place].pins) };
    this.asked = group;
    this.build(group, rules);
    rules.forEach((rule, place) => say(this.columns[place], labelOf(rule)));
    this.softLabel = `${word("keep_top_fraction")} ${Math.round(fraction * 100)} %`;
    say(this.soft, this.softLabel);
    for (const [area, value] of [
      [this.prompt, group.prompt],
      [this.answer, group.answer],
    ]) {
      if (area.value !== value) area.value = value;
      grow(area);
    }
    const judged = answer && answer.groups.find((each) => each.rows.includes(first));
    const found = (place) => answer && answer.completions[first + place];
    this.reach = judged
      ? Math.max(
          1e-9,
          ...judged.rows.map((row) => answer.completions[row].shares.reduce((sum, share) => sum + Math.abs(share), 0)),
        )
      : 1;
    this.rows.forEach((row, place) => {
      row.showText(group.completions[place]);
      row.show(group.completions[place], about, found(place), judged, judged ? judged.rows.indexOf(first + place) : 0);
    });
    const count = (kind) =>
      judged ? `${judged.thresholds[kind].kept.filter(Boolean).length} / ${judged.rows.length}` : "·";
    say(this.tiles.mean, judged ? figure(judged.mean) : "·");
    say(this.tiles.std, judged ? figure(judged.std, 4) : "·");
    say(this.tiles.hard, count("above_mean"));
    say(this.tiles.top, count("top_fraction"));
    const alone = judged && judged.rows.length < 2;
    const flat = judged && !alone && judged.thresholds.all.why_dropped.includes("no_spread");
    const tied = judged && judged.tie_at_cut;
    say(this.note, alone ? word("note_alone") : flat ? word("note_no_spread") : tied ? word("note_tie") : "");
    conceal(this.note, !this.note.said);
  }
}

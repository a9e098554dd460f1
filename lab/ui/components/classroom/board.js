// The leaderboard: each rule set's score, and how far people agree with it, as two marks on one line. A hack is high on
// the one and low on the other.

const LEFT = 0.4; // where the line begins: less is drawn at its end

function boardLine(entry, place, remove) {
  const at = (share) => `${(100 * Math.max(0, share - LEFT)) / (1 - LEFT)}%`;
  const line = make("span.span", { "aria-hidden": "true" }, make("i.chance"));
  /** @type {HTMLElement} */ (line.firstChild).style.left = at(0.5);
  if (isNumber(entry.agree)) {
    const between = make("i.between");
    const [low, high] = [entry.agree, entry.score].sort((one, other) => one - other);
    between.style.left = at(low);
    between.style.right = `${100 - parseFloat(at(high))}%`;
    const diamond = make("i.agree-mark");
    diamond.style.left = at(entry.agree);
    line.append(between, diamond);
  }
  const dot = make("i.score-mark");
  dot.style.left = at(entry.score);
  line.append(dot);
  const agree = isNumber(entry.agree) ? percent(entry.agree) : word("nobody_judged");
  return make(
    "li",
    {
      class: entry.hacked ? "line hacked" : "line",
      "data-testid": "board-line",
      title: entry.rules.map(ruleLabel).join(" · "),
    },
    make("span.rank", String(place + 1)),
    make("span.who", make("b", entry.title), make("small", entry.name || word("gone"))),
    line,
    make("span.score", make("span.unseen", word("score")), percent(entry.score)),
    make("span.agree", make("span.unseen", word("agree")), (entry.hacked ? "▼ " : "") + agree),
    remove
      ? button("✕", () => remove(entry), "small remove", { "aria-label": word("remove_set", { title: entry.title }) })
      : null,
  );
}

/** @param {any[]} entries @param {((entry: any) => void) | null} [remove] for the owner */
function boardList(entries, remove = null) {
  if (!entries.length) return make("p.quiet", word("board_empty"));
  const head = make(
    "div.board-head",
    { "aria-hidden": "true" },
    make("span", "● " + word("score")),
    make("span", "◆ " + word("agree")),
  );
  const list = make("ol.board", ...entries.map((entry, place) => boardLine(entry, place, remove)));
  const hacked = entries.some((entry) => entry.hacked);
  return make("div", head, list, hacked ? make("p.warning", "▼ " + word("hacked")) : null);
}

// Step 7: the course's two tables, and beside each claim what was measured: in the recorded study, in a study of this
// lab, or in runs that the reader ticks. The server reads them as the Compare tab does (GET /api/compare/tables).

const OWN_RUNS = "runs:";
const MOST_RUNS = 8;
const CELL_MARKS = { agrees: "✓", differs: "≠", untested: "–" };

function costStep() {
  const place = make("div.stack");
  const status = make("p.status", { role: "status" });
  const note = make("p.finding");
  const source = make("div.quiet");
  const rests = make("label.choice", make("input", { type: "checkbox" }), word("cost_rests"));
  rests.addEventListener("change", () => toggle(place, "rests", rests.querySelector("input").checked));
  const choice = make("select", { "aria-label": word("cost_of") });
  const ticks = make("fieldset.run-ticks");
  const compare = make("a.compare-link", word("cost_compare"));
  /** @type {string[]} */
  let ticked = [];
  let asked = 0;

  const show = (told) => {
    const tables = told.of === OWN_RUNS ? told.tables : told.tables.map(onePerAlgorithm);
    const [first, ...others] = tables.map(measuredTable);
    const more = make("details.second", make("summary", word("cost_more")), ...others);
    place.replaceChildren(...(first ? [legend(), rests, first] : []), ...(others.length ? [more] : []));
    const cells = tables.length ? tables[0].rows.flatMap((row) => row.cells) : []; // of the table in sight
    conceal(note, !cells.length);
    const differ = cells.filter((cell) => cell.mark === "differs").length;
    say(note, word("cost_differ", { differ, cells: cells.length }));
    source.replaceChildren(sourceOf(told));
    offer(told);
    set(compare, { href: compareAddress(told.of, ticked) });
    conceal(compare, !told.tables.length);
  };
  const offer = (told) => {
    const named = ({ of, title }) =>
      word(of.startsWith("recorded:") ? "cost_recorded" : "cost_study", { title: spoken(title) });
    const own = told.runs.length ? [[OWN_RUNS, word("cost_own")]] : [];
    choice.replaceChildren(...options([...told.offered.map((one) => [one.of, named(one)]), ...own]));
    choice.value = told.of;
    conceal(ticks, told.of !== OWN_RUNS);
    ticks.replaceChildren(make("legend", word("cost_ticks", { most: MOST_RUNS })), ...told.runs.map(tick));
  };
  const tick = ({ run, title, algorithm }) => {
    const box = make("input", { type: "checkbox", value: run, checked: ticked.includes(run) });
    box.disabled = !box.checked && ticked.length >= MOST_RUNS;
    box.addEventListener("change", () => {
      ticked = box.checked ? [...ticked, run] : ticked.filter((other) => other !== run);
      ask(OWN_RUNS);
    });
    return make("label", box, " ", make("b", word("algorithm_" + algorithm)), " ", title);
  };
  const ask = async (of) => {
    const mine = (asked += 1);
    try {
      const query = new URLSearchParams({ of, runs: of === OWN_RUNS ? ticked.join(",") : "" });
      const told = await fetchJson("api/compare/tables?" + query);
      if (mine !== asked) return;
      say(status, "");
      if (of === OWN_RUNS && !ticked.length) ticked = newestOfEach(told.runs);
      else return show(told);
      if (ticked.length) ask(OWN_RUNS);
    } catch (error) {
      if (mine === asked) say(status, requestWords(error));
    }
  };
  choice.addEventListener("change", () => ask(choice.value));
  place.replaceChildren(...claimedTables());
  conceal(note, true);
  conceal(ticks, true);
  conceal(compare, true);
  const chooser = make("label.of", make("span", word("cost_of")), choice);
  return {
    node: make("div.stack.costs", chooser, ticks, status, place, note, source, compare),
    shown: () => ask(choice.value || ""),
  };
}

/** What the marks of the cells mean. */
const legend = () =>
  make("p.quiet", ...Object.entries(CELL_MARKS).map(([kind, sign]) => `${sign} ${word("cost_mark_" + kind)}   `));

/** A table with one row an algorithm: of several that with the shortest name. @param {any} table */
function onePerAlgorithm(table) {
  const byLength = [...table.rows].sort((a, b) => spoken(a.label).length - spoken(b.label).length);
  const chosen = (row) => byLength.find(({ algorithm }) => algorithm === row.algorithm);
  return { ...table, rows: table.rows.filter((row) => chosen(row) === row) };
}

/** A text in the reader's language. @param {{ en: string, zh: string }} text */
const spoken = (text) => text[chosenLanguage()];

/** Of each algorithm the newest run. @param {{ run: string, algorithm: string }[]} runs the newest first */
function newestOfEach(runs) {
  return runs
    .filter((run, at) => runs.findIndex(({ algorithm }) => algorithm === run.algorithm) === at)
    .map(({ run }) => run);
}

function sourceOf(told) {
  if (told.recorded) return recordedBy("python -m lab study " + told.of.replace("recorded:", ""));
  return told.tables.length ? word("cost_measured_here") : word("cost_none");
}

/** The page of the Compare tab with the same choice. @param {string} of @param {string[]} runs */
function compareAddress(of, runs) {
  const address = new URL(location.href);
  for (const name of ["step", "part", "run", "collection"]) address.searchParams.delete(name);
  address.searchParams.set("tab", "compare");
  address.searchParams.set("of", of);
  if (of === OWN_RUNS) address.searchParams.set("runs", runs.join(","));
  else address.searchParams.delete("runs");
  return address.href;
}

/** One table: each cell the claim in quotes, what was measured in bold, what that rests on, and whether both agree. */
function measuredTable({ name, title, columns, rows }) {
  const cell = ({ claim, measured, detail, sentence, mark: kind }) =>
    make(
      "td",
      { "data-mark": kind },
      make("span.claim", word("cost_quoted", { claim: spoken(claim) })),
      make("b", spoken(measured)),
      make("small", spoken(detail)),
      make(
        "span",
        { class: "said " + kind, title: spoken(sentence) },
        make("i", { "aria-hidden": "true" }, CELL_MARKS[kind]),
        " ",
        make("span", { class: kind === "agrees" ? "unseen" : "" }, spoken(sentence)),
      ),
    );
  const head = [word("cost_algorithm"), ...columns.map(spoken)].map((text) => make("th", { scope: "col" }, text));
  const lines = rows.map(({ label, cells }) =>
    make("tr", make("th", { scope: "row" }, spoken(label)), ...cells.map(cell)),
  );
  return tableCard(spoken(title), head, lines, name);
}

/** What the course says alone, until the measurements are there. */
function claimedTables() {
  const claims = JSON.parse(props.claims || "{}")[chosenLanguage()] || {};
  const tables = {
    claimed_key: ["reward_model", "objective", "cost", "fits"],
    claimed_takes: ["stages", "complexity", "data"],
  };
  return Object.entries(tables).map(([caption, columns]) => {
    const texts = [word("cost_algorithm"), ...columns.map((column) => claims["column." + column])];
    const head = texts.map((text) => make("th", { scope: "col" }, text));
    const lines = ["ppo", "dpo", "grpo"].map((name) =>
      make(
        "tr",
        make("th", { scope: "row" }, term(name, word("algorithm_" + name))),
        ...columns.map((column) => make("td", claims[`claim.${name}_${column}`])),
      ),
    );
    return tableCard(word(caption), head, lines, caption);
  });
}

/** @param {string} caption @param {Node[]} head @param {Node[]} lines @param {string} name */
function tableCard(caption, head, lines, name) {
  const table = make(
    "table.card",
    { "data-table": name },
    make("caption", caption),
    make("thead", make("tr", ...head)),
    make("tbody", ...lines),
  );
  return scrolling(table);
}

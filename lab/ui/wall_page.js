// The projector of a class: draws what its owner has chosen, or what the address names, anew when the lab says that
// something has changed. No controls, and nothing that a person typed is ever parsed as HTML.
const asked = new URLSearchParams(location.search);
const FOLLOWS = ["class", "judgements", "runs", "progress"];
const SPACING = 1000;
const POLL = 4000;
const wall = document.getElementById("wall");

const percent = (share) => (isNumber(share) ? `${Math.round(100 * share)} %` : "–");

const bar = (share) => {
  const inner = make("i");
  inner.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return make("span.bar", inner);
};
const get = async (path) => {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
};
const qr = (selector, { address, code }) =>
  make(selector, { src: `api/class/qr.svg?for=${encodeURIComponent(address + (code || ""))}`, alt: address });
const waysIn = ({ address, code }) => [
  make("p.quiet", word("or_open")),
  make("p.address", address.replace(/^https?:\/\//, "")),
  ...(code ? [make("p.quiet", word("and_type")), make("p.code", code)] : []),
];
const stage = (title, ...parts) => make("section.stage", make("h1", title), ...parts);

function side(view) {
  const here =
    view.show === "votes" ? word("here_voted", { n: "", voted: view.question.voted }) : word("here", { n: "" });
  return make(
    "aside.side",
    make("h2", word("join")),
    qr("img", view),
    ...waysIn(view),
    make("p.here", make("b", String(view.here)), " ", here.trim().replace(/^,\s*/, "")),
  );
}

function join(view) {
  return make(
    "section.join",
    qr("img.qr", view),
    make(
      "div",
      make("h1", word("join")),
      ...waysIn(view),
      make("p.here", word(view.open ? "here" : "closed", { n: view.here })),
    ),
  );
}

function answerName(place) {
  return make("span.name", "y", make("sub", String(place + 1)));
}

const keptLine = ({ kept }) => (kept ? "li.kept" : "li.dropped");

function votes({ question, here }) {
  const most = Math.max(1, question.voted);
  const line = (answer, place) => {
    const verdict = question.revealed
      ? make("span.verdict", answer.kept ? ` ✓ ${word("kept")}` : ` ✕ ${word("dropped")}`)
      : null;
    return make(
      question.revealed ? keptLine(answer) : "li",
      answerName(place),
      make("span.text", make("b", answer.text), make("span.quiet", `r = ${figure(answer.reward, 1)}`), verdict),
      bar(answer.votes / most),
      make("span.votes", String(answer.votes)),
    );
  };
  const out = Math.max(0, here - question.voted);
  const told = question.revealed
    ? make(
        "div.secret.told",
        make(
          "div",
          make("b", word("answer", { mean: figure(question.mean) })),
          make("div.quiet", word("right", { right: question.all_right, voted: question.voted })),
        ),
        make("span.mu", `μ = ${figure(question.mean)}`),
      )
    : make(
        "div.secret",
        make("div", make("b", word("hidden")), make("div.quiet", word("still_out", { n: out }))),
        make("span.mu", "μ = ?"),
      );
  return make(
    "section.stage",
    make("div.head", make("span", word("kept_when")), make("span", word("guesses"))),
    make("h1", word("who")),
    make("p.sub", question.prompt),
    make("ol.answers", ...question.answers.map(line)),
    told,
  );
}

const cells = (tag, values, names = []) =>
  values.map((value, place) => make(names[place] ? `${tag}.${names[place]}` : tag, value));

function board({ board }) {
  const head = make("tr", ...cells("th", ["", word("score"), word("agree")]));
  const rows = board.slice(0, 8).map((entry) => {
    const who = make("span", entry.title, make("small", entry.name));
    const agree = (entry.hacked ? "▼ " : "") + percent(entry.agree);
    const line = cells("td", [who, percent(entry.score), agree], ["", "high", "agree"]);
    return make(entry.hacked ? "tr.hacked" : "tr", ...line);
  });
  const hacked = board.some((entry) => entry.hacked) ? make("p.warning", word("hacked")) : null;
  const table = rows.length ? make("table", head, ...rows) : make("p.empty", word("board_empty"));
  return stage(word("board"), make("p.quiet", word("board_sub")), table, hacked);
}

function agreement({ agreement }) {
  if (!agreement || !isNumber(agreement.alpha)) return stage(word("agreement"), make("p.empty", word("nobody_judged")));
  const [low, high] = agreement.interval || [];
  const line = ({ number, first, second }) => {
    const both = make("span.both");
    for (const [name, count] of Object.entries({ first, second })) {
      const part = make(`i.${name}`);
      part.style.flexGrow = String(count);
      both.append(part);
    }
    return make("li", make("span", word("pair", { number })), both, make("span", `${first} : ${second}`));
  };
  return stage(
    word("agreement"),
    make("p.alpha", `α ${figure(agreement.alpha)}`),
    make("p.quiet", isNumber(low) ? word("interval", { low: figure(low), high: figure(high) }) : ""),
    make("p.sub", word("raw", { share: Math.round(100 * agreement.raw) })),
    make("p.quiet", word("divided")),
    make("ul.divided", ...agreement.divided.map(line)),
  );
}

function chart(title, points) {
  const ys = points.map(([, y]) => y);
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const [from, to] = [points[0][0], points[points.length - 1][0]];

  const at = ([x, y]) => `${(1000 * (x - from)) / (to - from || 1)},${285 - (270 * (y - low)) / (high - low || 1)}`;
  const line = draw("polyline", { points: points.map(at).join(" ") });

  return make(
    "div.chart",
    make("div.head", make("span", title), make("b", `${figure(ys[0])} → ${figure(ys[ys.length - 1])}`)),
    draw("svg", { viewBox: "0 0 1000 300", preserveAspectRatio: "none" }, line),
  );
}

async function curves({ run }) {
  if (!run) return stage(word("curves"), make("p.empty", word("no_run")));
  const frame = await get(`api/runs/${encodeURIComponent(asked.get("run") || run.id)}/events`);
  const series = (pick) =>
    frame.metrics.map((line) => [line.step, pick(line)]).filter(([step, value]) => isNumber(step) && isNumber(value));
  const wanted = [
    ["metric_reward", series((line) => line.reward)],
    ["metric_pass", series((line) => line.held_out && line.held_out.pass_at_1)],
    ["metric_loss", series((line) => line.loss)],
  ];
  if (!wanted.some(([, points]) => points.length > 1)) return stage(frame.run.name, make("p.empty", word("no_curve")));
  const charts = wanted.filter(([, points]) => points.length > 1).slice(0, 2);
  const { name, step, steps } = frame.run;
  return stage(
    name,
    make("p.quiet", word("step", { step, steps })),
    make("div.charts", ...charts.map(([key, points]) => chart(word(String(key)), points))),
  );
}

async function group({ run }) {
  const id = asked.get("run") || (run && run.id);
  const rows = id ? (await get(`api/runs/${encodeURIComponent(id)}/groups`)).rows : [];
  if (!rows.length) return stage(run ? run.name : word("curves"), make("p.empty", word(run ? "no_groups" : "no_run")));
  const steps = rows.map(([step]) => step);
  const wanted = Number(asked.get("step")) || steps[steps.length - 1];
  const step = steps.includes(wanted) ? wanted : steps[steps.length - 1];
  const { lines } = await get(`api/runs/${encodeURIComponent(id)}/groups/lines?first=${step}&last=${step}`);
  const line = lines.find(({ std }) => std > 0) || lines[0];
  const one = ({ text, kept, reward, advantage }) => {
    const told = `${kept ? "✓" : "✕"} r = ${figure(reward)} · A = ${figure(advantage)}`;
    return make(keptLine({ kept }), make("b", text), make("span", told));
  };
  return make(
    "section.stage",
    make(
      "div.head",
      make("span", word("group", { step })),
      make("span", `μ = ${figure(line.mean)} · σ = ${figure(line.std)}`),
    ),
    make("p.sub", line.prompt),
    make("ul.group", ...line.completions.map(one)),
  );
}

function tables({ table }) {
  const memory = (bytes) => (isNumber(bytes) ? `${(bytes / 1e9).toFixed(1)} GB` : "–");
  const head = make(
    "tr",
    ...cells(
      "th",
      ["run", "before", "after", "seconds", "memory"].map((name) => word(name)),
    ),
  );
  const rows = table.map((run) => {
    const who = make("span", run.name, make("small", run.algorithm.toUpperCase()));
    const seconds = isNumber(run.seconds) ? `${Math.round(run.seconds)} s` : "–";
    const figures = [percent(run.before), percent(run.after), seconds, memory(run.memory)];
    return make("tr", ...cells("td", [who, ...figures], ["", "", "high"]));
  });
  const body = rows.length ? make("table", head, ...rows) : make("p.empty", word("no_finished"));
  return stage(word("tables"), make("p.quiet", word("pass_at_1")), body);
}

const PARTS = { join, votes, board, agreement, curves, group, tables };
const WITH_JOIN = ["votes", "board"];

async function show() {
  try {
    const view = await get("api/class/wall");
    const named = asked.get("show");
    view.show = named in PARTS ? named : view.show;
    const shown = await PARTS[view.show](view);
    const notice = view.paused ? [make("p.notice", `❚❚ ${word("paused")}`)] : [];
    wall.classList.toggle("wide", !WITH_JOIN.includes(view.show));
    wall.dataset.show = view.show;
    wall.replaceChildren(...(WITH_JOIN.includes(view.show) ? [side(view)] : []), shown, ...notice);
  } catch (error) {
    const key = ["401", "403"].includes(error.message) ? "signed_out" : "unreachable";
    const notice = wall.querySelector(".notice") || wall.appendChild(make("p.notice"));
    notice.textContent = word(key);
  }
}

let marks = {};
let told = "";
let timer = 0;
const soon = () => {
  if (timer) return;
  timer = setTimeout(async () => {
    await show();
    timer = 0;
  }, SPACING);
};
const take = (changed) => {
  marks = { ...marks, ...changed };
  const now = FOLLOWS.map((topic) => marks[topic]).join(" ");
  if (now !== told) soon();
  told = now;
};
let stream = null;
const listen = () => {
  stream = new EventSource("api/changes");
  stream.onmessage = (event) => take(JSON.parse(event.data));
  stream.onerror = () => {
    stream.close();
    show();
    setTimeout(listen, POLL);
  };
};
show();
listen();

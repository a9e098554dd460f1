// What the steps are made of: sentences with terms in them, segmented choices, sliders, figures, bars; and how the lab
// is asked. No step stands here.

const LEARN_KEPT = "lab-learn";

/**
 * A sentence in which [[advantage|advantages]] is a term and *text* is bold.
 * @param {string} sentence
 * @returns {(Node | string)[]}
 */
function rich(sentence) {
  return sentence.split(/(\[\[[^\]]+\]\]|\*[^*]+\*)/).map((part) => {
    const marked = /^\[\[(\w+)\|([^\]]+)\]\]$/.exec(part);
    if (marked) return term(marked[1], marked[2]);
    const bold = /^\*([^*]+)\*$/.exec(part);
    return bold ? make("b", bold[1]) : part;
  });
}

/**
 * @param {string} key
 * @param {Record<string, unknown>} [holes]
 */
const richWord = (key, holes) => rich(word(key, holes));

/**
 * Buttons of which one is pressed.
 * @template T
 * @param {string} label
 * @param {[T, string][]} choices
 * @param {T} chosen
 * @param {(value: T) => void} change
 */
function segmented(label, choices, chosen, change) {
  const press = (value) => buttons.forEach((button, at) => mark(button, "aria-pressed", choices[at][0] === value));
  const buttons = choices.map(([value, text]) =>
    buttonOf("button", text, () => {
      press(value);
      change(value);
    }),
  );
  press(chosen);
  return make("div.segmented", { role: "group", "aria-label": label }, ...buttons);
}

/**
 * A slider with its name and its value in words.
 * @param {Formula | string} name
 * @param {{ label: string, min: number, max: number, step: number, value: number, digits?: number,
 *   unit?: string }} options
 * @param {(value: number) => void} change
 */
function slider(name, { label, min, max, step, value, digits = 2, unit = "" }, change) {
  const shown = make("output", figure(value, digits) + unit);
  const fillTo = (at) => input.style.setProperty("--filled", ((at - min) / (max - min)) * 100 + "%");
  const input = rangeInput(label, { min, max, step, value }, (at) => {
    say(shown, figure(at, digits) + unit);
    fillTo(at);
    change(at);
  });
  fillTo(value);
  return make("label.slider", make("span", name), input, shown);
}

/**
 * The head of a table: the name of each column, and whether it holds numbers.
 * @param {[(Node | string)[], boolean][]} columns
 */
const tableHead = (columns) =>
  make(
    "thead",
    make("tr", ...columns.map(([name, numbers]) => make(numbers ? "th.number" : "th", { scope: "col" }, ...name))),
  );

/** @param {string} name @param {Node | string} value */
const tile = (name, value) => make("div.tile", make("span", ...rich(name)), make("b", value));

/**
 * A bar from 0, to the right where positive and to the left where negative.
 * @param {number} value
 * @param {number} reach of the whole half
 */
function bar(value, reach) {
  const size = Math.min(1, Math.abs(value) / (reach || 1)) * 50;
  const fill = make(value < 0 ? "i.minus" : "i.plus");
  fill.style.setProperty("--from", (value < 0 ? 50 - size : 50) + "%");
  fill.style.setProperty("--size", size + "%");
  return make("span.bar", { "aria-hidden": "true" }, fill);
}

/**
 * Where something comes from, in a few words, and how, a tap away.
 * @param {string} key
 * @param {(Node | string)[]} how
 */
const originOf = (key, ...how) => make("details.quiet.origin", make("summary", word(key)), make("p", ...how));

/**
 * A button, its text, and what a press does.
 * @param {"button" | `button.${string}`} selector
 * @param {string} text
 * @param {() => void} act
 */
const buttonOf = (selector, text, act) => make(selector, { onclick: act }, text);

/** A field for an answer. @param {string} label @param {string} value */
const answerField = (label, value) => make("input.field", { type: "text", maxlength: 200, "aria-label": label, value });

/**
 * What may be wider than a phone scrolls by itself, by keyboard too.
 * @param {Node | Node[]} nodes
 * @param {string} key of its name
 */
const scrolling = (nodes, key = "scroll_label") =>
  make("div.scroll", { tabindex: 0, role: "group", "aria-label": word(key) }, ...[nodes].flat());

/** What was recorded elsewhere: by which command. @param {string} command @param {...(Node | string)} more */
const recordedBy = (command, ...more) => originOf("origin", word("recorded", { command }), ...more);

/** A sign of right or wrong with its words. @param {boolean} right @param {string} text */
const verdictChip = (right, text) => make(right ? "span.chip.kept" : "span.chip.dropped", (right ? "✓ " : "✕ ") + text);

/** Whether an answer is kept, else why not. @param {DropReason | null} why @param {Record<string, unknown>} holes */
const keptChip = (why, holes) => verdictChip(why === null, word(why === null ? "kept" : "why_" + why, holes));

/**
 * A button that asks for something that takes a moment; it says so, and says what went wrong.
 * @param {string} text
 * @param {() => Promise<unknown>} act
 * @param {HTMLElement} [status] where it says so, if another button says so there, too
 */
function asking(text, act, status = make("p.status", { role: "status" })) {
  const button = make("button.primary", text);
  const run = async () => {
    if (button.disabled) return;
    button.disabled = true;
    say(status, "");
    const patience = setTimeout(() => say(status, word("waits")), 700);
    try {
      await act();
      clearTimeout(patience);
      say(status, "");
    } catch (error) {
      clearTimeout(patience);
      say(status, requestWords(error));
    }
    button.disabled = false;
  };
  button.addEventListener("click", run);
  return { node: make("div.asking", button, status), button, status, run };
}

/** Why a request failed, in a sentence. @param {any} error */
function requestWords(error) {
  if (error instanceof RequestError) {
    if (error.reason) return errorWords(error.reason);
    return word(error.status ? "refused" : "unreachable", { status: error.status });
  }
  throw error;
}

/** @type {Record<string, Promise<unknown>>} the last question to each route */
const lastAsked = {};

/**
 * Asks the lab one question after the other.
 * @param {string} path
 * @param {Record<string, unknown>} body
 * @returns {Promise<any>}
 */
function inTurn(path, body) {
  const ask = () => fetchJsonWhenFree(path, { body });
  const answer = (lastAsked[path] || Promise.resolve()).then(ask, ask);
  lastAsked[path] = answer.catch(() => null);
  return answer;
}

/** Asks the tiny model (POST /api/learn). @param {Record<string, unknown>} question */
const askModel = (question) => inTurn("api/learn", question);

/**
 * The scores and the reward of answers under ready-made rules (POST /api/rules/bench).
 * @param {string} prompt
 * @param {string} right
 * @param {string[]} answers
 * @param {string[]} rules
 * @returns {Promise<{ scores: number[], reward: number }[]>}
 */
async function scoreAnswers(prompt, right, answers, rules) {
  const rows = answers.map((completion) => ({ prompt, completion, answer: right, group: 0 }));
  const sent = rules.map((name) => ({ name, weight: 1, fallback: 0, pins: [] }));
  const { completions } = await inTurn("api/rules/bench", { rules: sent, rows, fraction: 0.2 });
  return completions.map(({ scores, reward }) => ({
    scores: scores.map((score) => (isNumber(score) ? score : 0)),
    reward,
  }));
}

/** Calls back `pause` ms after the last call. @param {() => void} callback @param {number} pause */
function settled(callback, pause) {
  let timer = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, pause);
  };
}

/** What was kept of a step in this browser. @param {string} step @param {any} otherwise */
const keptOf = (step, otherwise) => readKept(localStorage, `${LEARN_KEPT}.${step}`, otherwise);
/** @param {string} step @param {unknown} value */
const keepOf = (step, value) => writeKept(localStorage, `${LEARN_KEPT}.${step}`, value);

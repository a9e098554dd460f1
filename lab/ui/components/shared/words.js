// Words and figures of every component: the language, sentences with {holes}, numbers with a real minus sign, times.
// It touches no page and fetches nothing.

function chosenLanguage() {
  const wanted = props.lang || navigator.language || "en";
  return /^zh/i.test(wanted) ? "zh" : "en";
}

const lexicon = JSON.parse(props.words || "{}");

/**
 * @param {string} sentence
 * @param {Record<string, unknown>} [holes]
 */
function fill(sentence, holes) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (holes && name in holes ? String(holes[name]) : whole));
}

/**
 * @param {string} key
 * @param {Record<string, unknown>} [holes]
 * @returns {string}
 */
function word(key, holes) {
  const sentence = (lexicon[chosenLanguage()] || {})[key];
  return sentence === undefined ? key : fill(sentence, holes);
}

function hasWord(key) {
  return (lexicon[chosenLanguage()] || {})[key] !== undefined;
}

// A rule's own label; where it brought none, its name.
function ruleLabel(name) {
  const labels = JSON.parse(props.rules || "{}")[chosenLanguage()] || {};
  return labels[name] || name;
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function figure(value, digits = 2) {
  if (!isNumber(value)) return "–";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function signed(value, digits = 2) {
  const text = figure(value, digits);
  return isNumber(value) && Number(text.replace("−", "-")) > 0 ? "+" + text : text;
}

// Three significant digits for anything between a learning rate and a token count.
function brief(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  let text;
  if (size === 0) text = "0";
  else if (size >= 1e6) text = (value / 1e6).toPrecision(3) + " M";
  else if (size >= 10000) text = (value / 1000).toFixed(1) + " k";
  else if (size >= 100) text = value.toFixed(0);
  else if (size >= 0.001) text = String(Number(value.toPrecision(3)));
  else text = value.toExponential(1).replace("e-", "e−");
  return text.replace(/^-/, "−");
}

// Round figures that part the range from low to high into about `wished` pieces.
function niceTicks(low, high, wished) {
  const rough = (high - low) / Math.max(1, wished) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999) || rough;
  const ticks = [];
  for (let at = Math.ceil(low / size - 1e-9) * size; at <= high + size * 1e-6; at += size)
    ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

// A moment as the server writes it (seconds since 1970, or a date in words) in milliseconds.
function moment(value) {
  if (isNumber(value)) return value * 1000;
  const parsed = typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isFinite(parsed) ? parsed : null;
}

function spell(seconds) {
  if (!isNumber(seconds)) return "–";
  const chinese = chosenLanguage() === "zh";
  const total = Math.max(0, Math.round(seconds));
  const units = chinese ? [" 天", " 小时", " 分", " 秒"] : [" d", " h", " min", " s"];
  const parts = [
    Math.floor(total / 86400),
    Math.floor((total % 86400) / 3600),
    Math.floor((total % 3600) / 60),
    total % 60,
  ];
  const first = parts.findIndex((part) => part > 0);
  if (first < 0) return "0" + units[3];
  return parts
    .map((part, place) => (part > 0 && place >= first && place <= first + 1 ? part + units[place] : ""))
    .filter(Boolean)
    .join(" ");
}

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const SPANS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** @param {number} milliseconds since 1970 */
function ago(milliseconds) {
  const formatter = new Intl.RelativeTimeFormat(chosenLanguage(), { numeric: "auto", style: "short" });
  const seconds = (milliseconds - Date.now()) / 1000;
  for (const [unit, size] of SPANS)
    if (Math.abs(seconds) >= size) return formatter.format(Math.trunc(seconds / size), unit);
  return formatter.format(Math.min(0, Math.trunc(seconds)), "second");
}

/**
 * What went wrong, as the server keeps it, in the component's own words for it, else in those that the page gives to
 * all.
 * @param {string | Reason} error
 * @returns {string}
 */
function errorWords(error) {
  if (typeof error === "string") return error;
  const sentences = (props.errors ? JSON.parse(props.errors) : window.labErrors || {})[chosenLanguage()] || {};
  const known = sentences[error.key];
  if (known !== undefined) return fill(known, error.params);
  const details = Object.entries(error.params || {}).map(([name, value]) => `${name}: ${value}`);
  return [error.key, ...details].join(" · ");
}

/**
 * A rule's error, whose end "(line 3)" is said in the reader's language.
 * @param {string} error
 */
function ruleErrorWords(error) {
  return error.replace(/ \(line (\d+)\)$/, (_, line) => word("at_line", { line }));
}

// Under so many samples a share is shown grey, and says that it rests on few (`lab/core/intervals.py` has the same).
const FEW_SAMPLES = 30;

/**
 * The 95 % Wilson score interval of a share over n samples.
 * @param {number} share
 * @param {number} n
 * @returns {[number, number]}
 */
function wilson(share, n) {
  const z2 = 1.959964 ** 2;
  const middle = share + z2 / (2 * n);
  const width = Math.sqrt(z2 * ((share * (1 - share)) / n + z2 / (4 * n * n)));
  return [Math.max(0, (middle - width) / (1 + z2 / n)), Math.min(1, (middle + width) / (1 + z2 / n))];
}

/**
 * A share with its interval and its number of samples.
 * @param {number} share
 * @param {unknown} n
 */
function shareWords(share, n) {
  const percent = (part) => figure(part * 100, 1);
  if (!isNumber(n) || n < 1) return word("share_alone", { share: percent(share) });
  const [low, high] = wilson(share, n).map(percent);
  const key = n < FEW_SAMPLES ? "share_few" : "share_rests";
  return word(key, { share: percent(share), low, high, n: n.toLocaleString("en-US") });
}

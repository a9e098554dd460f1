// Words and figures of every component: the language, sentences with {holes}, numbers with a real minus sign, times.
// It touches no page and fetches nothing.

function chosenLanguage() {
  const wanted = props.lang || navigator.language || "en";
  return /^zh/i.test(wanted) ? "zh" : "en";
}

const lexicon = JSON.parse(props.words || "{}");

function fill(sentence, holes) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (holes && name in holes ? String(holes[name]) : whole));
}

function word(key, holes) {
  const sentence = (lexicon[chosenLanguage()] || {})[key];
  return sentence === undefined ? key : fill(sentence, holes);
}

function hasWord(key) {
  return (lexicon[chosenLanguage()] || {})[key] !== undefined;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

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
  const parts = [Math.floor(total / 86400), Math.floor((total % 86400) / 3600), Math.floor((total % 3600) / 60), total % 60];
  const first = parts.findIndex((part) => part > 0);
  if (first < 0) return "0" + units[3];
  return parts
    .map((part, place) => (part > 0 && place >= first && place <= first + 1 ? part + units[place] : ""))
    .filter(Boolean)
    .join(" ");
}

function ago(milliseconds) {
  const formatter = new Intl.RelativeTimeFormat(chosenLanguage(), { numeric: "auto", style: "short" });
  const seconds = (milliseconds - Date.now()) / 1000;
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]])
    if (Math.abs(seconds) >= size) return formatter.format(Math.trunc(seconds / size), unit);
  return formatter.format(Math.min(0, Math.trunc(seconds)), "second");
}

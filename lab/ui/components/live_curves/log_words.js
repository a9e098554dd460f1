// The run's log in the reader's language: lines that the lab itself prints are worded anew, all others stay.
// log.txt keeps them in English, as scripts and other readers know it; an English page shows them so.

/**
 * The log with the lab's own lines in words: stages, steps, measurements, notes and failures.
 * @param {string} text
 * @returns {string}
 */
function logInWords(text) {
  return chosenLanguage() === "en" ? text : text.split("\n").map(logLine).join("\n");
}

/** @param {string} line */
function logLine(line) {
  const stage = /^\[(\d\d:\d\d:\d\d)\] ([a-z ]+)$/.exec(line);
  const key = stage && "stage_" + stage[2].replaceAll(" ", "_");
  if (stage && key && hasWord(key)) return "[" + stage[1] + "] " + word(key);
  const step = /^step (\d+)\/(\d+) {2}(.*)$/.exec(line);
  if (step)
    return word("log_step", { step: step[1], steps: step[2] }) + "  " + step[3].split("  ").map(logPart).join("  ");
  const measured = /^held out: (.*)$/.exec(line);
  if (measured) return word("log_held_out", { values: measured[1].split(", ").map(logPart).join(word("log_comma")) });
  const told = /^(note|failed): (.*)$/.exec(line);
  return told ? word("log_" + told[1], { text: told[2] }) : line;
}

/** @param {string} part */
function logPart(part) {
  if (part === "nothing kept: no optimiser step") return word("log_nothing_kept");
  const drawn = /^(\d+) groups drawn, (\d+) without spread thrown away$/.exec(part);
  if (drawn) return word("log_drawn", { drawn: drawn[1], thrown: drawn[2] });
  const named = /^([a-z_0-9]+) (-?[\d.e+-]+|nan|inf)$/.exec(part);
  return named && hasWord("m_" + named[1]) ? word("m_" + named[1]) + " " + named[2] : part;
}

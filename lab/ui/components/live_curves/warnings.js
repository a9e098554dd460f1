// What the run's own numbers give reason to look at: the sentence, and the completions to read. Charts mark the step
// themselves.

const SIGNAL_CHART = { length: "completion_tokens" };

// The steps to mark in a chart, with the sentence of each.
function flagsOf(warnings, name) {
  const shown = (one) => [`rule/${one.rule}`, "reward", SIGNAL_CHART[one.signal] || one.signal];
  return (warnings || [])
    .filter((one) => shown(one).includes(name))
    .map((one) => ({ step: one.step, words: errorWords(one) }));
}

class Warnings {
  constructor() {
    this.node = make("div.warnings", { "data-testid": "run-warnings" });
    this.told = "";
    this.run = null;
  }

  // Built anew only where something is new: a list that was opened stays open.
  show(run, warnings) {
    const told = JSON.stringify([run, warnings || []]);
    if (told === this.told) return;
    Object.assign(this, { told, run });
    this.node.replaceChildren(...(warnings || []).map((one) => this.warning(one)));
  }

  warning(one) {
    const named = { ...one, params: { ...one.params, rule: ruleLabel(one.rule) } };
    const head = make("p", make("span.sign", { "aria-hidden": "true" }, "⚠\uFE0E"), " ", errorWords(named));
    const samples = one.samples || [];
    const box = make("section.warning", { "data-signal": one.signal, "data-step": one.step, role: "status" }, head);
    if (!samples.length) return box;
    const rows = samples.map((sample) => {
      const where = word("sample_where", {
        step: sample.step,
        group: sample.group,
        n: sample.index + 1,
        reward: figure(sample.reward, 2),
      });
      return make("li", make("span.where", where), make("span.asked", sample.prompt), make("pre", sample.text));
    });
    box.append(
      make("details", make("summary", word("samples", { n: rows.length })), make("ol", ...rows), this.sending(one)),
    );
    return box;
  }

  // The samples become pairs for people to judge, each beside another completion of its prompt.
  sending(one) {
    const button = make("button.plain", word("send_to_annotate"));
    const said = make("span.said", { role: "status" });
    button.addEventListener("click", async () => {
      button.disabled = true;
      const path = `api/runs/${encodeURIComponent(this.run)}/warnings/${encodeURIComponent(one.signal)}/annotate`;
      try {
        const { pairs, name } = await fetchJson(path, { method: "POST" });
        say(said, word("sent_to_annotate", { n: pairs, name }));
      } catch (error) {
        say(said, error.reason ? errorWords(error.reason) : word("not_sent"));
        button.disabled = false;
      }
    });
    return make("div.send.owner-only", button, said);
  }
}

// What was said of a run before it started (rows used, left out, cut) and at its end (nothing changed), in the page's
// language.

function noteWords({ key, params }) {
  const sentences = JSON.parse(props.notes || "{}")[chosenLanguage()] || {};
  const holes = { ...params };
  if (holes.why !== undefined)
    holes.why = fill(sentences["left_out." + holes.why] || holes.why, { detail: holes.detail });
  const known = sentences[key.includes(".") ? key : "note." + key];
  return known === undefined ? errorWords({ key, params }) : fill(known, holes);
}

class Notes {
  constructor() {
    this.node = make("ul.run-notes", { "data-testid": "run-notes" });
    this.told = "";
  }

  show(notes) {
    const sentences = (notes || []).map(noteWords);
    if (sentences.join("\n") === this.told) return;
    this.told = sentences.join("\n");
    this.node.replaceChildren(...sentences.map((sentence) => make("li", sentence)));
  }
}

// The inspector's controls: play, the slider with its sparkline, prompt, groups of the step, threshold. They show a
// state and report what a person did; they decide nothing.

const PROMPTS_LISTED = 400;

class Threshold {
  constructor(onChoice) {
    this.onChoice = onChoice;
    this.name = "threshold-" + Math.random().toString(36).slice(2);
    this.radios = {};
    const labels = ["all", "above_mean", "top_fraction"].map((kind) => this.radio(kind));
    this.choices = make(
      "fieldset.segments",
      { "data-testid": "threshold" },
      make("legend.unseen", word("threshold")),
      ...labels,
    );
    const soft = (percent) => onChoice({ kind: "top_fraction", fraction: percent / 100 });
    this.slider = rangeInput(word("fraction"), { min: 1, max: 100, "data-testid": "fraction" }, soft);
    this.percent = make("output.percent");
    this.soft = make("div.soft", make("span.quiet", "T"), this.slider, this.percent);
    this.reset = make("button.plain.small", { onclick: () => onChoice(null) }, "↺ " + word("back_to_trained"));
    const caption = make("span.caption", { "aria-hidden": "true" }, word("threshold"));
    this.node = make("div.threshold", caption, this.choices, this.soft, this.reset);
  }

  radio(kind) {
    const input = make("input", { type: "radio", name: this.name, value: kind });
    const trained = make("span.trained", "● " + word("as_trained"));
    input.addEventListener("change", () =>
      this.onChoice({ kind, fraction: kind === "top_fraction" ? Number(this.slider.value) / 100 : 1 }),
    );
    const label = make("label", input, make("span", word("keep_" + kind)), trained);
    this.radios[kind] = { input, trained, label };
    return label;
  }

  show(threshold, recorded) {
    for (const [kind, { input, trained, label }] of Object.entries(this.radios)) {
      if (input.checked !== (kind === threshold.kind)) input.checked = kind === threshold.kind;
      toggle(label, "on", kind === threshold.kind);
      conceal(trained, !recorded || recorded.kind !== kind);
    }
    conceal(this.soft, threshold.kind !== "top_fraction");
    const fraction =
      threshold.kind === "top_fraction"
        ? threshold.fraction
        : recorded && recorded.kind === "top_fraction"
          ? recorded.fraction
          : null;
    if (fraction) this.setPercent(Math.round(fraction * 100));
    conceal(this.reset, sameThreshold(threshold, recorded));
  }

  setPercent(percent) {
    if (this.slider.value !== String(percent)) this.slider.value = String(percent);
    this.slider.style.setProperty("--filled", percent + "%");
    say(this.percent, percent + " %");
  }
}

class GroupChooser {
  constructor(onChoice) {
    this.onChoice = onChoice;
    this.buttons = [];
    /** @type {number[]} the group of each button */
    this.numbers = [];
    this.node = make("div.groups", { role: "group", "aria-label": word("groups") });
  }

  // Rows of the index: coloured by mean reward between low and high, dashed where the rewards do not differ.
  show(rows, chosen, low, high, pairs = false) {
    while (this.buttons.length < rows.length) this.addButton();
    this.buttons.forEach((button, place) => {
      conceal(button, place >= rows.length);
      if (place >= rows.length) return;
      const { group, mean, std, kept, size } = rows[place];
      this.numbers[place] = group;
      say(button, String(group + 1));
      const flat = std < NO_SPREAD && !pairs;
      toggle(button, "flat", flat);
      mark(button, "aria-pressed", group === chosen);
      const warmth = Math.round(Math.max(0, Math.min(1, (mean - low) / (high - low || 1))) * 9);
      mark(button, "data-warmth", warmth);
      const text = word(pairs ? "pair_about" : flat ? "group_flat" : "group_about", {
        n: group + 1,
        mean: figure(mean),
        kept,
        size,
      });
      mark(button, "aria-label", text);
      mark(button, "title", text);
    });
  }

  addButton() {
    const place = this.buttons.length;
    const button = make("button.group", { onclick: () => this.onChoice(this.numbers[place]) });
    this.buttons.push(button);
    this.node.append(button);
  }
}

class PromptChooser {
  constructor(onChoice) {
    this.select = make("select.plain", { "aria-label": word("prompt"), "data-testid": "prompt" });
    this.select.addEventListener("change", () => onChoice(this.select.value === "" ? null : Number(this.select.value)));
    this.node = make("label.prompts", make("span.caption", word("prompt")), this.select);
  }

  // The prompts that occur most stand first; a list of thousands helps nobody, so it ends after the first few hundred.
  show(rows, prompts, chosen) {
    const counts = new Map();
    for (const row of rows) counts.set(row.prompt, (counts.get(row.prompt) || 0) + 1);
    const name = `${counts.size}|${rows.length}|${prompts.length}`;
    if (name !== this.filledFor && document.activeElement !== this.select) {
      this.filledFor = name;
      const order = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || a - b).slice(0, PROMPTS_LISTED);
      if (chosen !== null && !order.includes(chosen)) order.push(chosen);
      const named = (number) => {
        const text = (prompts[number] || word("prompt_number", { n: number + 1 })).replace(/\s+/g, " ");
        return [number, `${text.length > 90 ? text.slice(0, 90) + "…" : text}  ×${counts.get(number)}`];
      };
      this.select.replaceChildren(...options([["", word("every_prompt", { n: counts.size })], ...order.map(named)]));
    }
    const value = chosen === null ? "" : String(chosen);
    if (this.select.value !== value) this.select.value = value;
  }
}

// What is asked and how: the models side by side, temperature, samples, lengths, seeds, what scores. It is kept in the
// browser, and asks nobody.

const SETTINGS_KEPT = "lab-play.settings";
const MOST_MODELS = 3;
const SETTINGS = {
  models: /** @type {string[]} */ ([]),
  temperature: 0.7,
  samples: 1,
  max_tokens: 256,
  seed: 1,
  shared_seed: true,
  scorer: "",
  answer: "",
};

class Settings {
  /** @param {() => void} changed is called when the models are others */
  constructor(changed) {
    this.changed = changed;
    this.values = { ...SETTINGS, ...readKept(localStorage, SETTINGS_KEPT, {}) };
    this.choices = { models: [], rule_sets: [], rules: [], reward_models: [] };
    this.models = make("div.models", { role: "group", "aria-label": word("models") });
    this.form = make("div.settings");
    this.build();
  }

  keep() {
    writeKept(localStorage, SETTINGS_KEPT, this.values);
  }

  set(values) {
    Object.assign(this.values, values);
    this.keep();
  }

  // What the server offers now. A model that is gone (a run was deleted) leaves its place.
  offer(choices) {
    this.choices = choices;
    const known = choices.models.map(({ model }) => model);
    const models = this.values.models.filter((model) => known.includes(model));
    this.values.models = models.length ? models : known.slice(0, 1);
    const scorers = this.scorers().flatMap(([, entries]) => entries.map(([value]) => value));
    if (!scorers.includes(this.values.scorer)) this.values.scorer = "";
    this.keep();
    this.build();
  }

  /** @returns {[string, string[][]][]} */
  scorers() {
    const { rule_sets, rules, reward_models } = this.choices;
    /** @type {[string, string[][]][]} */
    const groups = [
      ["", [["", word("no_scorer")]]],
      [word("scorer_sets"), rule_sets.map((name) => ["set:" + name, name])],
      [word("scorer_rules"), rules.map((name) => ["rule:" + name, ruleLabel(name)])],
      [word("scorer_models"), reward_models.map(({ model, name }) => [model, name])],
    ];
    return groups.filter(([, entries]) => entries.length);
  }

  build() {
    this.buildModels();
    this.form.replaceChildren(
      this.number("temperature", { min: 0, max: 5, step: 0.1 }),
      this.number("samples", { min: 1, max: 16, step: 1 }),
      this.number("max_tokens", { min: 1, max: 32768, step: 1 }),
      this.number("seed", { min: 0, max: 2147483647, step: 1 }),
      this.seeds(),
      this.scorer(),
      this.answer(),
    );
  }

  buildModels() {
    const { models } = this.values;
    const places = models.map((model, place) => this.model(model, place));
    const add = make(
      "button.plain.add",
      { "data-testid": "add-model", onclick: () => this.add() },
      "+ " + word("add_model"),
    );
    conceal(add, models.length >= MOST_MODELS || !this.choices.models.length);
    this.models.replaceChildren(...places, add);
  }

  model(model, place) {
    const entries = this.choices.models.length ? this.choices.models : [{ model, name: model }];
    const select = make(
      "select.plain",
      { "aria-label": word("model_n", { n: place + 1 }), "data-testid": "model" },
      ...options(entries.map(({ model: value, name }) => [value, name])),
    );
    select.value = model;
    select.addEventListener("change", () => this.setModels(this.values.models.with(place, select.value)));
    const remove = make(
      "button.icon",
      { "aria-label": word("remove_model", { n: place + 1 }), title: word("remove") },
      "✕\uFE0E",
    );
    remove.addEventListener("click", () => this.setModels(this.values.models.filter((_, at) => at !== place)));
    conceal(remove, this.values.models.length < 2);
    return make("div", { class: "model lane-" + place }, make("span.dot"), select, remove);
  }

  add() {
    const unused = this.choices.models.find(({ model }) => !this.values.models.includes(model));
    this.setModels([...this.values.models, (unused || this.choices.models[0]).model]);
  }

  setModels(models) {
    this.set({ models });
    this.buildModels();
    this.changed();
  }

  number(name, bounds) {
    const input = make("input", { type: "number", ...bounds, value: this.values[name], "data-testid": name });
    input.addEventListener("change", () => {
      const value = Number(input.value);
      const fits = input.value !== "" && Number.isFinite(value) && value >= bounds.min && value <= bounds.max;
      const whole = bounds.step === 1 ? Math.round(value) : value;
      this.set({ [name]: fits ? whole : SETTINGS[name] });
      input.value = String(this.values[name]); // what does not fit goes back to the default, in sight
    });
    return make("label.field", make("span", word(name)), input);
  }

  seeds() {
    const kinds = ["shared", "own"].map((kind) => [kind, word("seeds_" + kind)]);
    const chosen = this.values.shared_seed ? "shared" : "own";
    const select = make("select.plain", { "data-testid": "seeds" }, ...options(kinds, chosen));
    select.addEventListener("change", () => this.set({ shared_seed: select.value === "shared" }));
    return make("label.field", make("span", word("seeds")), select);
  }

  scorer() {
    const groups = this.scorers().map(([label, entries]) => {
      const choices = options(entries);
      return label ? make("optgroup", { label }, ...choices) : choices[0];
    });
    const select = make("select.plain", { "data-testid": "scorer" }, ...groups);
    select.value = this.values.scorer;
    select.addEventListener("change", () => this.set({ scorer: select.value }));
    return make("label.field.wide", make("span", word("scorer")), select);
  }

  answer() {
    const input = make("input", { type: "text", value: this.values.answer, maxlength: 2000, "data-testid": "answer" });
    input.addEventListener("change", () => this.set({ answer: input.value }));
    return make("label.field.wide", make("span", word("answer")), input);
  }
}

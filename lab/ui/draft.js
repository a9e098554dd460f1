// What stands in the Train form, and the only place where it is kept: `localStorage`, as plain JSON. What a person
// types is noted here at once, before anything is sent; the server then answers what the form says of it
// (`tabs/train/form.py`). Nothing that the server writes into a field comes back as an edit.
window.labDraft = (() => {
  const KEPT = "lab-train-draft";
  // Milliseconds within which Gradio has told of what was typed, after the browser has (a click, a field that was left).
  const TOLD = 200;
  // No preset has this name: the fields are filled anew, and are not as they were built.
  const REFILL = { preset: "?", algorithm: "", values: {} };
  let state = { preset: "", edits: {}, before: {} };
  // What the fields hold, as far as the server or a person filled them.
  let shown = { preset: "", algorithm: "", values: {} };
  let asks = ""; // "settle": a field was left; "look": something that was waited for may be there
  let model = ""; // the model that was clicked: the server says which of its presets does the same
  let unsettled = false; // whether something was typed since a field was last left
  let preview = false; // whether the rows are looked at
  let ask = () => {};
  let seen = false; // whether the form has been in sight: before that nothing is asked, and its 200 fields are not drawn
  let endWait = () => {};
  let timer = null;

  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) || "{}");
    if (kept && typeof kept === "object") state = { ...state, ...kept };
  } catch {
    // What cannot be read counts as nothing typed.
  }
  localStorage.removeItem("lab-draft"); // an earlier form of it

  const opensOnForm = () => {
    const tabs = window.gradio_config.components.find(({ props }) => props && props.elem_id === "tabs");
    return tabs.props.selected === "train";
  };
  const keep = () => {
    try {
      localStorage.setItem(KEPT, JSON.stringify(state));
    } catch {
      // Storage is full or forbidden: the draft holds for as long as the page.
    }
  };
  const changed = (reason = "") => {
    if (asks !== "settle") asks = reason; // a field that was left is not forgotten for what comes before the answer
    keep();
    ask();
  };
  const put = (table, preset, edits) => ({ ...table, [preset]: edits });
  // Other edits of the preset by a click; what stood there is one step back.
  const replace = (wanted) => {
    const { preset, edits, before } = state;
    state = { ...state, before: put(before, preset, edits[preset] || {}), edits: put(edits, preset, wanted) };
  };

  // A sentence beside the field that it is about, and the field marked for screen readers.
  const place = (problem) => {
    for (const old of document.querySelectorAll(".field-problem")) old.remove();
    for (const old of document.querySelectorAll("#recipe [aria-invalid]")) old.removeAttribute("aria-invalid");
    const field = problem && document.getElementById(problem.field);
    if (!field) return;
    const sentence = document.createElement("p");
    sentence.className = "field-problem";
    sentence.textContent = problem.text;
    const column = field.querySelector("label:not(:has([type=checkbox])), .container");
    if (column)
      column.insertBefore(sentence, column.lastElementChild); // between what the field means and where it is entered
    else field.append(sentence);
    const input = field.querySelector("input, textarea, select");
    if (input) input.setAttribute("aria-invalid", "true");
  };

  const again = (waits, seconds) => {
    endWait();
    clearTimeout(timer);
    const look = () => {
      if (document.hidden) document.addEventListener("visibilitychange", look, { once: true });
      else changed("look");
    };
    endWait = window.labChanges.wait(waits, look);
    if (seconds) timer = setTimeout(look, seconds * 1000);
  };

  return {
    // What is sent with a request; `asking` where the page asks, and not a button.
    sent(asking) {
      const draft = JSON.stringify({ ...state, shown: shown.preset, asks, model, preview });
      if (asking) asks = "";
      return draft;
    },

    // What is sent with a button: also what was typed last, of which Gradio tells a moment after the browser.
    async whole() {
      await new Promise((resolve) => setTimeout(resolve, TOLD));
      return this.sent();
    },

    // A person typed: only what differs from what the fields held counts, and it counts for the preset that they hold.
    typed(algorithm, paths, values) {
      if (shown.algorithm !== algorithm) return;
      const edits = { ...state.edits[shown.preset] };
      const other = paths.filter((path, place) => shown.values[path] !== values[place]);
      for (const path of other) edits[path] = shown.values[path] = values[paths.indexOf(path)];
      if (!other.length) return;
      unsettled = true;
      state = { ...state, edits: put(state.edits, shown.preset, edits) };
      changed();
    },
    // A field was left of which another one must be a multiple.
    settled() {
      setTimeout(() => {
        if (!unsettled) return;
        unsettled = false;
        changed("settle");
      }, TOLD);
    },
    choosePreset(preset) {
      state = { ...state, preset };
      model = "";
      changed();
    },
    chooseModel(wanted) {
      model = wanted;
      changed();
    },
    // A click on what mends a note: settings by their paths, over what stands in the form.
    mend(settings) {
      replace({ ...state.edits[state.preset], ...settings });
      shown.preset = "";
      changed();
    },
    reset() {
      replace({});
      shown = { ...REFILL };
      changed();
    },
    back() {
      replace(state.before[state.preset] || {});
      shown = { ...REFILL };
      changed();
    },
    previewing(open) {
      preview = open;
      changed();
    },

    // The component that carries the server's messages is there: from now on it can be asked.
    ready(trigger) {
      ask = trigger;
      seen = seen || opensOnForm(); // then it is asked for before it is drawn
      if (seen) ask();
    },
    // The form comes into sight for the first time. Where a button of another tab led here, its answer has filled it.
    formSeen() {
      if (!seen && !shown.preset) ask();
      seen = true;
    },
    // The server's answer: a preset and its edits where it chose them, what it put into fields, what is waited for, what is wrong.
    take(message) {
      const { preset, asked, chosen, edits, before, filled, snapped, waits, later, problem } = message;
      // Unless another preset was clicked since: its own answer is on the way.
      if (chosen || state.preset === asked) state = { ...state, preset };
      if (edits) state = { ...state, edits: put(state.edits, preset, edits) };
      if (before) state = { ...state, before: put(state.before, preset, before) };
      if (filled) {
        shown = { preset, algorithm: filled.algorithm, values: { ...filled.values } };
        model = "";
      }
      Object.assign(shown.values, snapped || {});
      keep();
      again(waits, later);
      requestAnimationFrame(() => place(problem)); // once the fields it may be about are drawn
    },
  };
})();

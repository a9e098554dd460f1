// What the class's pages share: how they act and say what went wrong, a bar, a card, a switch, a button, a clock.

class ClassPage {
  /** @param {(view: any) => void} took is called with what the lab answers */
  constructor(took, look) {
    this.took = took;
    this.problem = make("p.problem", { role: "alert", hidden: true });
    this.node = make("div", { class: look });
  }

  async act(path, body = {}) {
    try {
      this.took(await fetchJson(`api/class/${path}`, { body }));
      conceal(this.problem, true);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error) {
    this.tell(error.reason ? errorWords(error.reason) : word("unreachable"));
  }

  tell(sentence) {
    say(this.problem, sentence);
    conceal(this.problem, false);
  }
}

/** @param {number} share 0 to 1 @param {string} [kind] a class of the bar */
function bar(share, kind = "") {
  const fill = make("span.fill");
  fill.style.width = `${Math.round(1000 * Math.min(1, Math.max(0, share))) / 10}%`;
  return make("span", { class: `bar ${kind}`, "aria-hidden": "true" }, fill);
}

/**
 * A part of the page with a title.
 * @param {string} name of the part, for its style and for tests
 * @param {string} title
 * @param {Node[]} head what stands beside the title
 * @param {...(Node | null)} body
 */
function card(name, title, head, ...body) {
  const about = { class: `card ${name}`, "data-testid": `class-${name}`, "aria-label": title };
  return make("section", about, make("div.card-head", make("h3", title), ...head), make("div.body", ...body));
}

/** @param {string} label @param {() => void} act @param {string} [kind] @param {Record<string, any>} [more] */
function button(label, act, kind = "", more = {}) {
  return make("button", { class: `plain ${kind}`, onclick: act, ...more }, label);
}

/**
 * @param {string} label
 * @param {boolean} on
 * @param {(on: boolean) => void} act
 * @param {boolean} [off] whether it cannot be used
 */
function toggleOf(label, on, act, off = false) {
  const input = make("input", { type: "checkbox", role: "switch", checked: on, disabled: off });
  input.addEventListener("change", () => act(input.checked));
  return make("label.switch", input, make("span.track", { "aria-hidden": "true" }), label);
}

const percent = (share) => (isNumber(share) ? `${Math.round(100 * share)} %` : "–");

/** @param {number | null} seconds as 1:05 */
function clock(seconds) {
  if (!isNumber(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function presetTitle(name) {
  const titles = JSON.parse(props.presets || "{}")[chosenLanguage()] || {};
  return titles[name] || name;
}

// y₁ as the course writes it.
function answerName(place) {
  return make("span.answer-name", "y", make("sub", String(place + 1)));
}

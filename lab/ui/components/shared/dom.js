// Building and changing the page: elements by name, text only ever set as text. Nothing here reads data from a server,
// and nothing parses markup: what a model wrote can never become HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Sets attributes, and listeners for names that begin with "on"; null, undefined and false take an attribute away.
 * @template {Element} N
 * @param {N} node
 * @param {Record<string, any> | null} [attributes]
 * @returns {N}
 */
function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  return node;
}

/**
 * An element by its tag and classes, as a selector writes them ("p", "button.plain"), with or without attributes before
 * its children. A button submits nothing.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K | `${K}.${string}`} selector
 * @param {...(Record<string, any> | Node | string | null | undefined)} content
 * @returns {HTMLElementTagNameMap[K] & { said?: string }}
 */
function make(selector, ...content) {
  const [tag, ...classes] = selector.split(".");
  /** @type {any} */
  const node = document.createElement(tag);
  if (tag === "button") node.type = "button";
  node.classList.add(...classes);
  /** @type {any[]} */
  const [first, ...others] = content;
  const attributes = first && first.constructor === Object ? first : null;
  const children = attributes ? others : content;
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return set(node, attributes);
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[K]}
 */
function draw(tag, attributes, ...children) {
  const node = set(document.createElementNS(SVG, tag), attributes);
  node.append(...children);
  return node;
}

/**
 * Writes only what changed: a scrub touches a few hundred texts, most of them already right.
 * @param {Node & { said?: string }} node
 * @param {string} text
 */
function say(node, text) {
  if (node.said === text) return;
  node.said = text;
  const only = node.childNodes.length === 1 ? node.firstChild : null;
  if (only instanceof Text) only.data = text;
  else node.textContent = text;
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
function mark(node, name, value) {
  const text = value === null || value === undefined ? null : String(value);
  if (node.getAttribute(name) === text) return;
  if (text === null) node.removeAttribute(name);
  else node.setAttribute(name, text);
}

function toggle(node, name, on) {
  if (node.classList.contains(name) !== Boolean(on)) node.classList.toggle(name, Boolean(on));
}

/** @type {(node: HTMLElement, hidden: unknown) => void} */
const conceal = (node, hidden) => {
  if (node.hidden !== Boolean(hidden)) node.hidden = Boolean(hidden);
};

/**
 * Calls back once before the next frame, however often it was asked for.
 * @param {() => void} callback
 */
function beforeFrame(callback) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      callback();
    });
  };
}

/**
 * Calls back at most once in every `pause` milliseconds, the last call included.
 * @param {() => void} callback
 * @param {number} pause
 */
function spaced(callback, pause) {
  let timer = null;
  let last = 0;
  return () => {
    if (timer !== null) return;
    timer = setTimeout(
      () => {
        timer = null;
        last = Date.now();
        callback();
      },
      Math.max(0, last + pause - Date.now()),
    );
  };
}

/**
 * Tells whether a person can see the element: the browser tab is in front and no Gradio tab hides it (width 0).
 * @param {Element} node
 * @param {(visible: boolean, width: number) => void} changed
 */
function watchSight(node, changed) {
  let width = 0;
  let seen = null;
  const judge = () => {
    const now = width > 0 && !document.hidden && node.isConnected;
    if (now !== seen) changed((seen = now), width);
  };
  const observer = new ResizeObserver((entries) => {
    width = entries[entries.length - 1].contentRect.width;
    judge();
    if (!node.isConnected) {
      observer.disconnect();
      document.removeEventListener("visibilitychange", judge);
    }
  });
  observer.observe(node);
  document.addEventListener("visibilitychange", judge);
}

/**
 * A word that opens the glossary: `lab/ui/glossary.js` listens to `data-term`.
 * @param {string} key
 * @param {string} text
 */
const term = (key, text) => make("button.term", { "data-term": key, "aria-haspopup": "dialog" }, text);

/**
 * A slider.
 * @param {string} label
 * @param {Record<string, any>} range its ends and where it stands; its step where that is not 1; other attributes
 * @param {(value: number) => void} moved is told where it stands now
 */
function rangeInput(label, range, moved) {
  const input = make("input", { type: "range", step: 1, ...range, "aria-label": label });
  input.addEventListener("input", () => moved(Number(input.value)));
  return input;
}

/**
 * What a select offers.
 * @param {any[][]} pairs the value and the text of each
 * @param {unknown} [chosen] the value that stands there at first
 */
const options = (pairs, chosen) =>
  pairs.map(([value, text]) => make("option", { value, selected: value === chosen }, text));

// The values that a component was given, as an object; nonsense counts as nothing chosen.
function given() {
  try {
    return JSON.parse(props.value || "{}") || {};
  } catch {
    return {};
  }
}

const ICONS = { queued: "◷", running: "▶", finished: "✓", failed: "✕", stopped: "■", lost: "?" };
const ACTIVE = ["queued", "running"];

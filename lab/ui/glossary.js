// The glossary, in every tab: whatever carries `data-term="advantage"` opens a card that explains the term, by mouse,
// touch and keyboard; `data-glossary` opens the list of all. Fields of the Train form get a mark of their own; and what
// a component says in a hover title alone can be tapped, where no mouse hovers. The words come from the lab
// (`GET /api/glossary`) when they are first needed.

const language = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
const own = glossaryWords[language];
let words = null;
let opener = null;

const load = () => {
  if (!words)
    words = fetch(window.labChanges.address("api/glossary")).then((answer) => {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    });
  words.catch(() => (words = null));
  return words;
};

let card = null;
const place = () => {
  if (card) return card;
  const named = { role: "dialog", "aria-labelledby": "lab-glossary-title" };
  card = make("div", { id: "lab-glossary", popover: "auto", ...named });
  card.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed" || !opener) return;
    opener.setAttribute("aria-expanded", "false");
    if (card.contains(document.activeElement) || document.activeElement === document.body)
      opener.focus({ preventScroll: true });
    opener = null;
  });
  document.body.append(card);
  return card;
};
const close = () => place().hidePopover();
const show = (from, ...children) => {
  const node = place();
  node.replaceChildren(...children);
  node.scrollTop = 0;
  if (from && !node.contains(from)) {
    if (opener && opener !== from) opener.setAttribute("aria-expanded", "false");
    opener = from;
    opener.setAttribute("aria-expanded", "true");
  }
  if (!node.matches(":popover-open")) node.showPopover();
  settle();
  const first = node.querySelector("input, .close");
  if (first instanceof HTMLElement) first.focus({ preventScroll: true });
};
// Below what was tapped, or above where there is no room; never beyond the window.
const settle = () => {
  card.style.left = card.style.top = "";
  if (card.classList.contains("list") || innerWidth <= 600 || !opener) return;
  const at = opener.getBoundingClientRect();
  const { width, height } = card.getBoundingClientRect();
  const left = Math.max(12, Math.min(at.left, innerWidth - width - 12));
  const below = at.bottom + 8;
  const top = below + height < innerHeight - 8 ? below : Math.max(8, at.top - height - 8);
  Object.assign(card.style, { left: left + "px", top: top + "px" });
};

const head = (title, also = "") => {
  const shut = make("button.close", { "aria-label": own.close, onclick: close }, "Esc ✕");
  return make("div.head", make("h2", { id: "lab-glossary-title" }, title), make("span.also", also), shut);
};
const link = (text, act) => make("button.link", { onclick: act }, text);

const explain = async (key, from) => {
  try {
    const { [language]: terms } = await load();
    const entry = terms[key];
    if (!entry) return list(from);
    place().classList.remove("list");
    const see = entry.see.filter((other) => terms[other]);
    const others = see.map((other) => link(terms[other].term, () => explain(other, card)));
    const all = link(own.open_all, () => list(card));
    const more = make("div.see", own.see, ...others, make("span.all", all));
    show(from, head(entry.term, entry.also), make("p", entry.text), more);
  } catch {
    failed(from);
  }
};

const list = async (from) => {
  try {
    const { [language]: terms } = await load();
    const rows = Object.values(terms)
      .sort((a, b) => a.term.localeCompare(b.term, language))
      .map((entry) => ({
        text: `${entry.term} ${entry.also} ${entry.text}`.toLowerCase(),
        nodes: [make("dt", entry.term, " ", make("span.also", entry.also)), make("dd", entry.text)],
      }));
    const none = make("p", { role: "status" });
    const search = make("input", { type: "search", placeholder: own.search, "aria-label": own.search });
    search.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      let count = 0;
      for (const { text, nodes } of rows) {
        const fits = text.includes(wanted);
        count += Number(fits);
        for (const node of nodes) node.hidden = !fits;
      }
      none.textContent = count ? "" : own.none.replace("{text}", search.value);
    });
    place().classList.add("list");
    show(
      from,
      head(own.title, own.count.replace("{count}", String(rows.length))),
      search,
      none,
      make("dl", ...rows.flatMap(({ nodes }) => nodes)),
    );
  } catch {
    failed(from);
  }
};

const failed = (from) => {
  place().classList.remove("list");
  show(from, head(own.title), make("p", own.failed));
};

document.addEventListener(
  "click",
  (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const marked = target && target.closest("[data-term], [data-glossary]");
    if (!(marked instanceof HTMLElement)) return;
    event.preventDefault();
    event.stopPropagation();
    if (marked.dataset.term) explain(marked.dataset.term, marked);
    else list(marked);
  },
  true,
);
// A hover title where nothing hovers: a tap on what is no control of its own shows it.
document.addEventListener("pointerup", (event) => {
  if (event.pointerType !== "touch" || !(event.target instanceof Element)) return;
  if (event.target.closest("a, button, input, select, textarea, label, summary, [role=option], [data-term]")) return;
  const titled = event.target.closest("#tabs [title]");
  if (!(titled instanceof HTMLElement) || !titled.title.trim()) return;
  const name = (titled.querySelector("dt") || titled).textContent.trim().slice(0, 40);
  place().classList.remove("list");
  opener = titled;
  show(null, head(name), make("p", titled.title));
  opener = null;
});

// The button in the page's head, and the marks beside the fields of the Train form, which Gradio draws anew at times.
const decorate = async () => {
  const theme = document.querySelector(".lab-head .lab-theme");
  if (theme && !document.querySelector(".lab-terms"))
    theme.before(make("button.lab-terms", { "data-glossary": "", "aria-haspopup": "dialog" }, own.button));
  const fields = document.querySelectorAll("#recipe .recipe .block[id]:not(.term-marked)");
  if (!fields.length) return;
  const { fields: known, [language]: terms } = await load();
  for (const field of fields) {
    field.classList.add("term-marked");
    const key = known[field.id.replace(/^[a-z]+-/, "")];
    if (!key) continue;
    const label = own.explain.replace("{term}", terms[key].term);
    field.append(make("button.term-mark", { "data-term": key, "aria-label": label, "aria-haspopup": "dialog" }));
  }
};
const soon = beforeFrame(() => decorate().catch(() => null));
const begin = () => {
  soon();
  let watched = null;
  const look = new MutationObserver(soon);
  new MutationObserver((_, observer) => {
    const recipe = document.querySelector("#recipe");
    if (recipe && recipe !== watched) {
      watched = recipe;
      look.disconnect();
      look.observe(recipe, { childList: true, subtree: true });
    }
    soon();
    if (watched && document.querySelector(".lab-terms")) observer.disconnect();
  }).observe(document.body, { childList: true, subtree: true });
};
if (document.body) begin();
else document.addEventListener("DOMContentLoaded", begin);

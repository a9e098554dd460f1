"""The line above the tabs: the lab's name, who is signed in and how to leave, light or dark.

One page is built for everybody, so it asks the server who reads it (``GET /api/me``) and notes the access on ``<body>``:
``page.css`` then leaves out what is marked ``owner-only`` and shows ``owner-why``. That protects nothing; the server does.
"""

from __future__ import annotations

import html
import json

import gradio as gr

TITLE = "Alignment Lab"
WORDS = ("lab", "theme", "sign_out", "guest", "leave_guest", "access_viewer", "access_annotator", "access_owner")

MARK = """<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><g fill="none" stroke="currentColor"
stroke-width="2" stroke-linecap="round"><path d="M3 20h18"/><path d="M5 15h2M10.5 11h2M16 6h3"/></g>
<path d="M3 9.5h18" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.5 3"/></svg>"""

HALF_MOON = """<svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><circle cx="12" cy="12" r="8" fill="none"
stroke="currentColor" stroke-width="2"/><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor"/></svg>"""

LANGUAGES = '<a hreflang="zh" lang="zh-CN" href="?lang=zh">中文</a><a hreflang="en" lang="en" href="?lang=en">EN</a>'

SCRIPT = """
const head = element.querySelector(".lab-head");
head.querySelector(".lab-theme").addEventListener("click", () => {
  const dark = !document.body.classList.contains("dark");
  localStorage.setItem("lab-theme", dark ? "dark" : "light");
  document.body.classList.toggle("dark", dark);
});
const language = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
const words = JSON.parse(head.dataset.words)[language];
for (const choice of head.querySelectorAll(".lab-language a")) {
  if (choice.hreflang === language) choice.setAttribute("aria-current", "true");
  const aim = () => {
    const address = new URL(location.href);
    address.searchParams.set("lang", choice.hreflang);
    choice.href = address.search + address.hash;
  };
  aim();
  choice.addEventListener("click", aim); // the address may have changed since
}
head.querySelector("h1").textContent = words.lab;
const greet = (me) => {
  document.body.dataset.access = me.access;
  if (!me.sign_in) return;
  const leave = head.querySelector("form");
  const access = me.guest ? words.guest : words["access_" + me.access];
  const nameless = me.id === "owner"; // came in by the link or LAB_PASSWORD
  head.querySelector(".lab-name").textContent = nameless ? access : me.name;
  head.querySelector(".lab-name").title = me.name;
  head.querySelector(".lab-access").textContent = nameless ? "" : access;
  leave.querySelector("button").textContent = words.sign_out;
  leave.addEventListener("submit", (event) => {
    if (me.guest && !confirm(words.leave_guest)) event.preventDefault();
  });
  for (const part of head.querySelectorAll("[hidden]")) part.hidden = false;
};
fetch("api/me").then((answer) => {
  if (answer.status === 401) location.assign("sign-in");
  else if (answer.ok) answer.json().then(greet);
});
"""


def draw(words: dict[str, dict[str, str]]) -> None:
    """Draw it where it is called. The switch's name stands in both languages, since only text is translated."""
    label = html.escape(" / ".join(words[locale]["page.theme"] for locale in words))
    own = {locale: {name: words[locale][f"page.{name}"] for name in WORDS} for locale in words}
    gr.HTML(
        f'<div class="lab-head" data-words="{html.escape(json.dumps(own, ensure_ascii=False))}">{MARK}<h1>{TITLE}</h1>'
        '<span class="lab-who" data-testid="who" hidden><b class="lab-name"></b><span class="lab-access"></span></span>'
        '<form method="post" action="sign-out" hidden><button type="submit" class="lab-leave"></button></form>'
        f'<nav class="lab-language" aria-label="中文 / English">{LANGUAGES}</nav>'
        f'<button type="button" class="lab-theme" aria-label="{label}" title="{label}">{HALF_MOON}</button></div>',
        js_on_load=SCRIPT,
        elem_id="head",
    )

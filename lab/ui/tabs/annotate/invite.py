"""The address at which annotators judge a collection, for its owner to share, with a button that copies it.

The address is put together in the browser: only it knows by which name the lab was reached.
"""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from lab.words import say

COPY = """<svg viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15V6a2 2 0 0 1 2-2h9"/></svg>"""

SCRIPT = """
const root = (window.gradio_config && window.gradio_config.root) || document.baseURI;
const fill = () => {
  const code = element.querySelector("code[data-path]");
  if (!code || code.textContent) return;
  code.textContent = location.origin + new URL(root, location.href).pathname.replace(/\\/+$/, "") + "/" + code.dataset.path;
  element.querySelector(".only-here").hidden = !["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
};
new MutationObserver(fill).observe(element, { childList: true, subtree: true });
fill();
element.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const code = element.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code); // over plain http a browser copies only what is selected
    document.execCommand("copy");
  }
  button.style.color = "var(--link-text-color)";
  setTimeout(() => (button.style.color = ""), 1200);
});
"""


def invitation() -> Any:
    """Where it stands; ``invite`` fills it."""
    return gr.HTML(elem_id="collection-link", js_on_load=SCRIPT)


def invite(collection_id: str, language: str) -> str:
    """Its content for one collection."""
    copy = html.escape(say("annotate.copy", language))
    return (
        f'<p class="quiet">{html.escape(say("annotate.link", language))}</p>'
        f'<div class="command"><code data-path="judge/{html.escape(collection_id)}"></code>'
        f'<button type="button" aria-label="{copy}" title="{copy}">{COPY}</button></div>'
        f'<p class="quiet only-here" hidden>{html.escape(say("annotate.link_here", language))}</p>'
    )

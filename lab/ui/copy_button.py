"""The button that copies the code beside it: a command, an address."""

from __future__ import annotations

ICON = """<svg viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15V6a2 2 0 0 1 2-2h9"/></svg>"""

COPIES = """
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
"""For ``js_on_load`` of what holds a ``code`` and a button."""

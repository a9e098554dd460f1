"""Which tab the page opens on: the one that the address names (``?tab=annotate``), else the one that was last looked at here.

The page is built once for everybody and opens on *Train*; this script, which Gradio runs before it draws, writes another
choice into the page's configuration. What a handler selects later (``?run=…``, an annotator's first visit) still holds.
"""

from __future__ import annotations

OPENING_TAB = """<script>
(() => {
  const kept = "lab-tab";
  const asked = new URLSearchParams(location.search);
  const named = asked.get("tab") || (asked.has("collection") ? "annotate" : asked.has("run") ? null : localStorage.getItem(kept));
  const config = window.gradio_config;
  const tabs = config && config.components.find(({ props }) => props && props.elem_id === "tabs");
  const known = config && config.components.some(({ type, props }) => type === "tabitem" && props.id === named);
  if (tabs && known) tabs.props.selected = named;
  document.addEventListener("click", (event) => {
    const tab = event.target.closest && event.target.closest("#tabs > .tab-wrapper [role=tab]");
    if (tab) localStorage.setItem(kept, tab.dataset.tabId);
  }, true);
})();
</script>"""

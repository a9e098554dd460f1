"""The line of the Train tab that says what a Ray cluster has free, and the words beside a run that say where it is.

Nothing is shown where runs stay on this machine. Not here: what is asked of the cluster (``lab/runs/ray/cluster.py``).
"""

from __future__ import annotations

import html

import gradio as gr

from lab.core.access import Access, requires
from lab.runs.ray.note import noted
from lab.runs.supervisor import Cluster
from lab.store.runs import Run, Store
from lab.ui.handlers import LIGHT, Updates
from lab.words.cluster import cluster_line, place_line
from lab.words.sentences import language_of

FOLLOW = """
const ask = () => trigger("select", {});
if (window.labChanges) window.labChanges.follow(["runs"], () => {
  ask();
  setTimeout(ask, 4000); // what a run took or gave back is counted a little later
});
const again = () => element.querySelector("[data-state=unknown]") && setTimeout(ask, 5000);
watch("value", again);
again();
"""
"""Asked for again when a run begins or ends, and while the cluster has not answered."""


class ClusterLine:
    """Draws the line where it is made; ``wire`` connects it."""

    def __init__(self, cluster: Cluster | None) -> None:
        self._cluster = cluster
        self.line = gr.HTML(
            "", elem_id="cluster", visible=cluster is not None, js_on_load=FOLLOW if cluster is not None else None
        )

    def wire(self) -> None:
        """Connect the events."""
        if self._cluster is not None:
            self.line.select(self.asked, None, [self.line], **LIGHT)

    @requires(Access.VIEWER)
    def asked(self, request: gr.Request) -> Updates:
        """What is free now."""
        return {self.line: self.shown(request)}

    def shown(self, request: gr.Request) -> str:
        """The line, in the language of whoever asks."""
        if self._cluster is None:
            return ""
        figures = self._cluster.shown()
        state = "unknown" if figures is None or "error" in figures else "known"
        line = cluster_line(self._cluster.address, figures, language_of(request))
        return f'<p class="note" role="status" data-state="{state}">{html.escape(line)}</p>'


def placed(store: Store, run: Run, language: str) -> str:
    """Where a run is, beside its name; empty for one of this machine."""
    line = place_line(noted(store.folder(run.id)), language)
    return f"<span>{html.escape(line)}</span>" if line else ""

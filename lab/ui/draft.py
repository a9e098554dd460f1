"""What a person typed, preset by preset, so that nothing typed is ever lost. It lives in the browser, as plain JSON (``draft.js``).

Not here: what the fields mean (``form.py``). Everything read back from a browser may be old, foreign or nonsense; then
it counts as nothing typed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import BaseModel, ConfigDict, ValidationError

from lab.ui.presets import usual

Plain = str | int | float | bool | None
Edits = dict[str, Plain]

SCRIPT = (Path(__file__).parent / "draft.js").read_text(encoding="utf-8")
LISTENS = """
const take = () => props.value && window.labDraft.take(JSON.parse(props.value));
watch("value", take);
window.labDraft.ready(() => trigger("select", {}));
"""
SEEN = "window.labDraft.formSeen();"
"""For a component of the form: what stands in a hidden tab is not drawn before the tab is looked at."""
SENT = "async () => await window.labDraft.whole()"
"""For ``js=`` of an event whose one input is the draft: what stands in the browser at this moment is sent."""

ASKING = "() => window.labDraft.sent(true)"
"""The same where the page itself asks: why it does counts once."""


def with_draft(*others: str) -> str:
    """The same for an event with further inputs after the draft, by any names."""
    names = ", ".join(others)
    return f"async (draft, {names}) => [await window.labDraft.whole(), {names}]"


def draft_component() -> gr.HTML:
    """What carries the draft to the server and the server's answers back; it shows nothing. Not rendered: it belongs outside of every
    tab, since what stands in a hidden tab listens to nobody."""
    return gr.HTML("", html_template="<i></i>", js_on_load=LISTENS, elem_id="draft", render=False)


class Draft(BaseModel):
    """``edits`` and, one step back, ``before``: by preset, what was typed over it by dotted path.

    The rest is of the page as it is now: the preset that was asked for (there may be none of that name any more), the one that the
    fields hold (empty: none yet), why the page asks (``settle``: a field was left; ``look``: what was waited for may be there), the
    model that was clicked, whether the rows are looked at.
    """

    model_config = ConfigDict(frozen=True)

    preset: str = ""
    edits: dict[str, Edits] = {}
    before: dict[str, Edits] = {}
    asked: str = ""
    shown: str = ""
    asks: str = ""
    model: str = ""
    preview: bool = False

    def of(self, preset: str) -> Edits:
        """What was typed over this preset."""
        return self.edits.get(preset, {})

    def chosen(self, preset: str) -> Draft:
        """Another preset; what was typed over the others stays."""
        return self.model_copy(update={"preset": preset})

    def typed(self, edits: Edits) -> Draft:
        """This is what now stands in the form."""
        return self.model_copy(update={"edits": _with(self.edits, self.preset, edits)})

    def replaced(self, edits: Edits) -> Draft:
        """The form was filled by a click: what stood there before can be brought back."""
        before = _with(self.before, self.preset, self.of(self.preset))
        return self.typed(edits).model_copy(update={"before": before})

    @property
    def can_go_back(self) -> bool:
        """Whether a click replaced something that was typed."""
        kept = self.before.get(self.preset, {})
        return bool(kept) and kept != self.of(self.preset)


@dataclass(frozen=True)
class Wait:
    """When the page should ask again by itself: once one of these marks (``lab/runs/changes.py``) is no longer true, or after some
    seconds. Empty: never."""

    marks: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def __or__(self, other: Wait) -> Wait:
        return Wait(self.marks | other.marks, self.seconds or other.seconds)


def read_draft(stored: Any, presets: list[str]) -> Draft:
    """The draft that a browser sent, as JSON or read already; its preset is always one that there is."""
    try:
        draft = Draft.model_validate(json.loads(stored) if isinstance(stored, str) and stored else stored or {})
    except (ValidationError, ValueError):
        draft = Draft()
    draft = draft.model_copy(update={"asked": draft.preset})
    if draft.preset in presets:
        return draft
    return draft.chosen(usual(presets))


def message(**parts: Any) -> str:
    """What the browser's half is told (``take`` in ``draft.js``). Two are never equal, so that each is heard."""
    return json.dumps({**parts, "number": time.monotonic_ns()}, ensure_ascii=False)


def _with(table: dict[str, Edits], preset: str, edits: Edits) -> dict[str, Edits]:
    rest = {name: kept for name, kept in table.items() if name != preset}
    return {**rest, preset: edits} if edits else rest

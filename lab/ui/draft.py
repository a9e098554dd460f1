"""What a person typed, preset by preset, so that nothing typed is ever lost. It lives in the browser, as plain JSON.

Not here: what the fields mean (``form.py``). Everything read back from a browser may be old, foreign or nonsense; then
it counts as nothing typed.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

Plain = str | int | float | bool | None
Edits = dict[str, Plain]


class Draft(BaseModel):
    """``edits`` and, one step back, ``before``: by preset, what differs from it by dotted path."""

    model_config = ConfigDict(frozen=True)

    preset: str = ""
    edits: dict[str, Edits] = {}
    before: dict[str, Edits] = {}

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

    def back(self) -> Draft:
        """What stood in the form before it was filled by a click; a second time swaps them again."""
        return self.replaced(self.before.get(self.preset, {}))


def read_draft(stored: Any, presets: list[str]) -> Draft:
    """The draft that a browser kept; its preset is always one that there is."""
    try:
        draft = Draft.model_validate(stored or {})
    except ValidationError:
        draft = Draft()
    if draft.preset in presets:
        return draft
    wanted = next((name for name in presets if name.endswith("/grpo")), presets[0] if presets else "")
    return draft.chosen(wanted)


def _with(table: dict[str, Edits], preset: str, edits: Edits) -> dict[str, Edits]:
    rest = {name: kept for name, kept in table.items() if name != preset}
    return {**rest, preset: edits} if edits else rest

"""Which preset: the model first, then what to do with it. One row of each, so that two dozen presets stay calm.

Not here: what a preset holds (``lab/ui/presets.py``), and the form that shows it (``train_form.py``).
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from lab.ui.handlers import LIGHT
from lab.ui.presets import Presets, model_about, model_label, model_of


class PresetChooser:
    """Draws both rows where it is made."""

    def __init__(self, presets: Presets, i18n: gr.I18n) -> None:
        self._presets = presets
        # Every choice there is, so that a page that was open before a restart of the lab may still send it; the first
        # update narrows them to one language and one model, and shows them.
        models = [(model, model) for model in presets.models]
        names = [(name, name) for name in presets.names]
        cards: dict[str, Any] = {"elem_classes": "cards", "visible": False}
        self.model = gr.Radio(models, label=i18n("train.preset_model"), elem_id="preset-model", **cards)
        self.preset = gr.Radio(names, label=i18n("train.preset"), elem_id="preset", **cards)

    @property
    def everything(self) -> list[Any]:
        return [self.model, self.preset]

    def wire(self) -> None:
        """A click is noted in the browser at once, which then asks with the draft."""
        self.preset.input(None, [self.preset], js="(preset) => void window.labDraft.choosePreset(preset)", **LIGHT)
        self.model.input(None, [self.model], js="(model) => void window.labDraft.chooseModel(model)", **LIGHT)

    def shown(self, preset: str, language: str) -> dict[Any, Any]:
        """Updates for ``everything``."""
        chosen = model_of(preset)
        models = [(model_label(model, language), model) for model in self._presets.models]
        about, offered = model_about(chosen, language), self._presets.choices(chosen, language)
        return {
            self.model: gr.update(choices=models, value=chosen, info=about, visible=len(models) > 1),
            self.preset: gr.update(choices=offered, value=preset, visible=True),
        }

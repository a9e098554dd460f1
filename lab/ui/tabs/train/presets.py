"""Which preset: the model first, then what to do with it. One row of each, so that two dozen presets stay calm.

Not here: what a preset holds (``lab/ui/presets.py``), and the form that shows it (``train_form.py``).
"""

from __future__ import annotations

from typing import Any

import gradio as gr

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

    def shown(self, preset: str, language: str) -> list[Any]:
        """Updates for ``everything``."""
        chosen = model_of(preset)
        models = [(model_label(model, language), model) for model in self._presets.models]
        return [
            gr.update(choices=models, value=chosen, info=model_about(chosen, language), visible=len(models) > 1),
            gr.update(choices=self._presets.choices(chosen, language), value=preset, visible=True),
        ]

"""The Rules tab: the bench, and the way from a saved rule set to the Train tab. What the bench does stands in its component and routes."""

from __future__ import annotations

from typing import Any

import gradio as gr
from pydantic import BaseModel, Field, ValidationError

from lab.core.access import Access, requires
from lab.core.algorithms import algorithm_of
from lab.errors import LabError
from lab.sandbox.rewards import by_name
from lab.ui.components.rule_bench.component import rule_bench
from lab.ui.draft import SENT
from lab.ui.handlers import LIGHT, Updates
from lab.ui.presets import Presets, title, usual
from lab.ui.tabs.train.form import TrainForm
from lab.words import LOCALES, subject_words

WORKED: dict[str, Any] = {
    "equation": {
        "rules": ["integer_answer", "consistent", "equals_answer"],
        "groups": [
            {
                "prompt": "解方程 3x + 5 = 20",
                "answer": "5",
                "completions": ["x = 5", "x = 15/3", "x = 5", "无解", "3x = 15 → x = 5"],
            }
        ],
    },
    "code": {
        "rules": ["python_parses", "python_static_check"],
        "groups": [
            {
                "prompt": "Write a Python function mean(numbers).",
                "answer": "",
                "completions": [
                    "def mean(numbers):\n    return sum(numbers) / len(numbers)",
                    "def mean(numbers)\n    return sum(numbers) / len(numbers)",
                    "def mean(numbers):\n    return total / len(numbers)",
                    "import statistics\n\ndef mean(numbers):\n    return sum(numbers) / len(numbers)",
                    "```python\nfrom statistics import fmean\n\ndef mean(numbers):\n    return fmean(numbers)\n```",
                ],
            }
        ],
    },
}
"""The worked example of the course (five answers to one equation), and code: the second does not parse, two fail the static check."""


class Chosen(BaseModel):
    """The rule set that the bench asks to train with."""

    name: str = Field(max_length=200)
    version: int = Field(ge=1)


class RulesTab:
    """Draws the tab where it is made; ``wire`` connects it."""

    def __init__(self, presets: Presets, *, trusting: bool, classroom: bool = False) -> None:
        """``trusting``: whoever sees the page may use the owner's trusted file, so its rules are listed. ``classroom``: a class is open."""
        recipes = _recipes(presets)
        self.bench = rule_bench(
            rules=_of_each("label", trusting),
            abouts=_of_each("about", trusting),
            worked=WORKED,
            recipes=recipes,
            usual_preset=usual(list(recipes)),
            classroom=classroom,
            preflight=subject_words("preflight."),
            elem_id="bench",
        )

    def wire(self, tabs: gr.Tabs, form: TrainForm) -> None:
        """Connect the way to training."""
        self.form = form
        self.tabs = tabs
        self.bench.select(self.to_training, [form.draft], [tabs, *form.everything], js=SENT, **LIGHT)

    @requires(Access.OWNER)
    def to_training(self, request: gr.Request, event: gr.EventData, sent: Any) -> Updates:
        """The Train tab, its form filled with the saved rule set that was chosen."""
        try:
            chosen = Chosen.model_validate(event._data)
            filled = self.form.with_rules(chosen.name, chosen.version, sent, request)
        except (LabError, ValidationError):  # deleted meanwhile, or no event of ours: the bench stays
            return {self.tabs: gr.skip()}
        return {self.tabs: gr.Tabs(selected="train"), **filled}


def _of_each(part: str, trusting: bool) -> dict[str, dict[str, str]]:
    """Labels or explanations of the rules that the lab has by name; one of a trusted file has its description only."""
    other = "name" if part == "label" else "description"
    rules = by_name(trusting=trusting)
    return {
        language: {
            name: str(getattr(rule, f"{part}_{language}", "") or getattr(rule, other, name))
            for name, rule in rules.items()
        }
        for language in LOCALES
    }


def _recipes(presets: Presets) -> dict[str, Any]:
    """The presets that are rewarded by rules, for the pre-flight; the rules are the bench's own."""
    return {
        name: {
            "title": {language: title(name, preset.recipe, language) for language in LOCALES},
            "recipe": preset.recipe.model_dump(mode="json", exclude={"rules", "about_en", "about_zh"}),
        }
        for name, preset in presets.by_name.items()
        if algorithm_of(preset.recipe).writes_groups
    }

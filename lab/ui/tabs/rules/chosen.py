"""The rule sets that the Train form offers: those of the presets, those that were saved, and the one that stands in the form.

A choice's value is the whole text of its rules (``form.rules_text``), so that a run uses what was seen, whatever is saved later.
"""

from __future__ import annotations

from lab.rules import RULES
from lab.store.rule_sets import RuleSets
from lab.store.runs import Store
from lab.ui.presets import Presets
from lab.words import form, say


class RuleSetChoices:
    """What can be chosen where a recipe takes rules."""

    def __init__(self, store: Store, presets: Presets) -> None:
        self.sets, self.presets = RuleSets(store), presets

    def choices(self, algorithm: str, language: str, standing: str) -> list[tuple[str, str]]:
        """``(label, text)`` of each; ``standing`` is in the form now, and always among them."""
        found: dict[str, str] = {}
        for one in self.sets.list():
            found.setdefault(self.text(one.name, one.version), f"{one.name} · v{one.version}")
        for preset in self.presets.names:
            recipe = self.presets.recipe(preset)
            if recipe.algorithm == algorithm:
                text = str(form.entered(recipe)[form.RULES])
                found.setdefault(text, label(text, language))
        found.setdefault(standing, label(standing, language))
        return [(name, text) for text, name in found.items()]

    def text(self, name: str, version: int | None) -> str:
        """The rules of a saved set. Raises StateError ``no_such_rule_set``."""
        entries = self.sets.load(name, version).entries
        return form.rules_text([entry.use().model_dump(mode="json") for entry in entries])


def label(text: str, language: str) -> str:
    """Rules by their names."""
    rules = form.rules_of(text)
    if not isinstance(rules, list):
        return text
    names = [str(rule.get("name")) for rule in rules if isinstance(rule, dict)]
    labels = [getattr(RULES[name], f"label_{language}") if name in RULES else name for name in names]
    return say("plan.list", language).join(labels)

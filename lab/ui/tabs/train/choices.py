"""What the Train form's choosers offer: models and runs to start from, reward models, data, rule sets. Each takes anything else as well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.annotation.collections import Annotation
from lab.core.algorithms import ALGORITHMS
from lab.core.names import told_apart
from lab.data.datasets import VERSION
from lab.data.group_pairs import GROUPS
from lab.data.hub_rows import source_of
from lab.rules import RULES
from lab.runs.start_models import base_of, bases_here, finished_writers
from lab.store.rule_sets import RuleSets
from lab.store.run_titles import run_titles
from lab.store.runs import Run, RunState, Store
from lab.store.uploads import Uploads
from lab.ui.presets import Presets
from lab.words import form, say
from lab.words.shares import measured_share

Choices = list[tuple[str, str]]


class StartChoices:
    """Reads the store each time it is asked."""

    def __init__(self, store: Store, presets: Presets) -> None:
        self._store, self._presets = store, presets
        self._annotation = Annotation(store)
        self._uploads = Uploads(store)

    def models(self, language: str) -> Choices:
        """The models that are here, and finished runs whose model writes text."""
        titles = run_titles(self._store, language)
        runs = [(self._label(run, titles, language), f"run:{run.id}") for run in finished_writers(self._store)]
        return [*((name, name) for name in bases_here(self._store)), *runs]

    def reward_models(self, language: str, model: str) -> Choices:
        """None, and the finished reward-model runs on the base that ``model`` stands on: another one's cannot score its policy."""
        base, titles = base_of(self._store, model), run_titles(self._store, language)
        finished = [run for run in self._store.runs() if run.state is RunState.FINISHED]
        runs = [run for run in finished if not ALGORITHMS[run.algorithm].writes_text]
        runs = [run for run in runs if base_of(self._store, str(run.recipe.get("model", ""))) == base]
        return [
            (say("train.no_reward_model", language), ""),
            *((self._label(run, titles, language), f"run:{run.id}") for run in runs),
        ]

    def data(self, algorithm: str, language: str) -> Choices:
        """The lab's own, the presets', what was fetched and what earlier runs used; for pairs also frozen versions and runs' groups."""
        runs, needs = self._store.runs(), ALGORITHMS[algorithm]
        recipes = map(self._presets.recipe, self._presets.of_algorithm(algorithm))
        labels = {"equations": "equations"}
        for name in (recipe.dataset for recipe in recipes):
            labels[name] = Path(name).name if Path(name).is_absolute() else name  # a file beside its preset
        if needs.trains_on_pairs or needs.needs_reward_model:
            labels |= {value: label for label, value in self._versions(language)}
        if needs.trains_on_pairs:
            titles = run_titles(self._store, language)
            for run in runs:
                if ALGORITHMS[run.algorithm].writes_groups and run.state.ended:
                    labels[GROUPS + run.id] = say("train.data_groups", language, name=titles[run.id])
        for upload in self._uploads.all():
            labels[upload.dataset] = say("train.data_upload", language, name=upload.name)
        notes = [source_of(folder) for folder in sorted((self._store.home / "data").glob("*"))]
        names = [str(note["from"]) for note in notes if "from" in note]
        names += [str(run.recipe.get("dataset")) for run in runs if run.algorithm == algorithm]
        for name in names:
            labels.setdefault(name, name)
        return [(label, value) for value, label in labels.items()]

    def judged(self, language: str) -> Choices:
        """None, and what was frozen of people's judgements."""
        return [(say("train.no_watched", language), ""), *self._versions(language)]

    def _versions(self, language: str) -> Choices:
        versions = self._annotation.versions()
        names = told_apart({version.id: version.name for version in versions})
        return [
            (
                say("train.data_version", language, name=names[version.id], count=version.preferences),
                VERSION + version.id,
            )
            for version in versions
        ]

    def _label(self, run: Run, titles: Mapping[str, str], language: str) -> str:
        result: dict[str, Any] = self._store.folder(run.id).result() or {}
        after = result.get("after") or {}
        score, accuracy = (measured_share(after, name, language) for name in ("pass_at_1", "pair_accuracy"))
        shown = f" · pass@1 {score}" if score else f" · {accuracy}" if accuracy else ""
        return f"{titles[run.id]}{shown}"


class RuleSetChoices:
    """The rule sets that can be chosen: those of the presets, those that were saved, and the one that stands in the form.

    A choice's value is the whole text of its rules (``form.rules_text``), so that a run uses what was seen, whatever is saved later.
    """

    def __init__(self, store: Store, presets: Presets) -> None:
        self.sets, self.presets = RuleSets(store), presets

    def choices(self, algorithm: str, language: str, standing: str) -> list[tuple[str, str]]:
        """``(label, text)`` of each; ``standing`` is in the form now, and always among them."""
        labels: dict[str, str] = {}
        for rule_set in self.sets.list():
            text = self.text(rule_set.name, rule_set.version)
            labels.setdefault(text, f"{rule_set.name} · v{rule_set.version}")
        for preset in self.presets.of_algorithm(algorithm):
            text = str(form.entered(self.presets.recipe(preset))[form.RULES])
            labels.setdefault(text, label(text, language))
        labels.setdefault(standing, label(standing, language))
        return [(name, text) for text, name in labels.items()]

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

"""What the Train form's choosers offer: models and runs to start from, reward models, data. Each takes anything else as well.

Not here: rule sets (``rules_chosen.py``).
"""

from __future__ import annotations

from typing import Any

from lab.annotation.collections import Annotation
from lab.core.recipes import Recipe
from lab.data.datasets import ON_PAIRS, VERSION
from lab.data.group_pairs import GROUPS
from lab.data.hub_rows import source_of
from lab.runs.start_models import base_of, bases_here, finished_writers
from lab.store.runs import Run, RunState, Store
from lab.store.uploads import Uploads
from lab.ui.presets import Presets
from lab.words import say

Choices = list[tuple[str, str]]
REWARD = "rm"
"""The one algorithm whose model writes no text."""
WITH_GROUPS = ("grpo", "ppo")


class StartChoices:
    """Reads the store each time it is asked."""

    def __init__(self, store: Store, presets: Presets) -> None:
        self._store, self._presets = store, presets
        self._annotation = Annotation(store)
        self._uploads = Uploads(store)

    def models(self) -> Choices:
        """The models that are here, and finished runs whose model writes text."""
        runs = [(self._label(run), f"run:{run.id}") for run in finished_writers(self._store)]
        return [*((name, name) for name in bases_here(self._store)), *runs]

    def reward_models(self, language: str, model: str) -> Choices:
        """None, and the finished reward-model runs on the base that ``model`` stands on: another one's cannot score its policy."""
        base = base_of(self._store, model)
        runs = [run for run in self._finished() if run.algorithm == REWARD]
        runs = [run for run in runs if base_of(self._store, str(run.recipe.get("model", ""))) == base]
        return [(say("train.no_reward_model", language), ""), *((self._label(run), f"run:{run.id}") for run in runs)]

    def data(self, algorithm: str, language: str) -> Choices:
        """The lab's own, the presets', what was fetched and what earlier runs used; for pairs also frozen versions and runs' groups."""
        runs = self._store.runs()
        found = {"equations": "equations"}
        recipes: list[Recipe] = [preset.recipe for preset in self._presets.by_name.values()]
        found |= {recipe.dataset: recipe.dataset for recipe in recipes if recipe.algorithm == algorithm}
        if algorithm in (*ON_PAIRS, "ppo"):
            found |= {value: label for label, value in self._versions(language)}
        if algorithm in ON_PAIRS:
            groups = [run for run in runs if run.algorithm in WITH_GROUPS and run.state.ended]
            found |= {
                GROUPS + run.id: say("train.data_groups", language, name=f"{run.name} · {run.id}") for run in groups
            }
        found |= {one.dataset: say("train.data_upload", language, name=one.name) for one in self._uploads.all()}
        notes = [source_of(folder) for folder in sorted((self._store.home / "data").glob("*"))]
        names = [str(note["from"]) for note in notes if "from" in note]
        names += [str(run.recipe.get("dataset")) for run in runs if run.algorithm == algorithm]
        for name in names:
            found.setdefault(name, name)
        return [(label, value) for value, label in found.items()]

    def judged(self, language: str) -> Choices:
        """None, and what was frozen of people's judgements."""
        return [(say("train.no_watched", language), ""), *self._versions(language)]

    def _versions(self, language: str) -> Choices:
        return [
            (
                say("train.data_version", language, name=version.name, count=version.preferences, id=version.id),
                VERSION + version.id,
            )
            for version in self._annotation.versions()
        ]

    def _finished(self) -> list[Run]:
        return [run for run in self._store.runs() if run.state is RunState.FINISHED]

    def _label(self, run: Run) -> str:
        result: dict[str, Any] = self._store.folder(run.id).result() or {}
        after = result.get("after") or {}
        accuracy, score = after.get("pair_accuracy"), after.get("pass_at_1")
        shown = f" · {accuracy:.1%}" if isinstance(accuracy, int | float) else ""
        if isinstance(score, int | float):
            shown = f" · pass@1 {score:.1%}"
        return f"{run.name}{shown} · {run.id}"

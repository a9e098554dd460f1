"""What a click elsewhere puts into the Train form: a frozen version, a run to go on from, a reward model to train PPO with.

Each gives a preset and exactly what differs from it, so that nothing of an earlier draft is left in the form, and the sentences that
say what was chosen and why. Not here: the form (``form.py``), the buttons (``tabs/annotate/dataset.py``, ``runs.py``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.annotation.versions.freeze import Version
from lab.compare.runs import root_of
from lab.core.algorithms import ALGORITHMS, DataForm, algorithm_of
from lab.core.recipes import EQUATIONS, Recipe, parse, with_values
from lab.data.datasets import VERSION, Row, load
from lab.errors import LabError
from lab.runs.start_models import bases_here
from lab.store.models import resolve
from lab.store.runs import Run, RunState, Store
from lab.ui.draft import Draft, Edits
from lab.ui.presets import Presets
from lab.words import say
from lab.words.form import RULES, entered, rules_text

LOOKING_ON = "no_repetition"
"""Rules cannot be left out of PPO; this one needs no known answer, and only looks on."""
REAL_MODEL = "smollm2-135m"
"""What is proposed where nothing that is here can read the data: the smallest model with a context for real text."""
EPOCHS = 5
"""At most so many times over a small set of data."""
BYTES_A_TOKEN = 3.0
"""Of usual text in usual tokenizers, cautiously; one with few entries reads byte by byte."""
FEW_ENTRIES = 1000
TEMPLATE = 32
"""Tokens that a chat template may add."""
USUAL_CONTEXT = 1024
"""In tokens, of a model whose configuration is not here."""
FITS = 0.9
"""A model can read the data where this share of the rows is within its context."""


@dataclass(frozen=True)
class Filled:
    """What the form is to hold: a preset, all that differs from it, and what to say of it."""

    preset: str
    edits: Edits
    told: str


@dataclass(frozen=True)
class Reach:
    """What a model can read: its context in tokens, and how many bytes of text a token takes."""

    context: int
    bytes_a_token: float

    def tokens(self, text: str) -> int:
        """About how many tokens a text takes, with its template."""
        return int(len(text.encode()) / self.bytes_a_token) + TEMPLATE


class NextRecipes:
    """Reads the store each time it is asked."""

    def __init__(self, store: Store, presets: Presets) -> None:
        self._store, self._presets = store, presets

    def on_version(self, algorithm: str, version: Version, draft: Draft, language: str) -> Filled | None:
        """Train on frozen judgements: with the model that stands in the form where it can read them, else with one that can."""
        needs, texts = ALGORITHMS[algorithm], _texts(self._rows(algorithm, version.dataset))
        told = [say("annotate.filled", language, name=version.name)]
        if needs.needs_reward_model:
            filled = self._rewarded(version.dataset)
            model = str(filled.get("model", "")) or self._model(draft, texts, told, language, for_reward=True)
        else:
            filled, model = {}, self._model(draft, texts, told, language, for_reward=not needs.writes_text)
        return self._filled(algorithm, model, {**filled, "dataset": version.dataset}, texts, told)

    def ppo_with(self, run: Run, language: str) -> Filled | None:
        """Train PPO with a reward model, at the prompts of the data that it was trained on, on the same base."""
        dataset = str(run.recipe.get("dataset", EQUATIONS))
        texts = _texts(self._rows("ppo", dataset))
        edits = self._judged_by(run) | {"dataset": dataset}
        told = [say("train.next_ppo", language, name=run.name)]
        return self._filled("ppo", self._base(run), edits, texts, told)

    def after(self, run: Run, language: str) -> Filled | None:
        """Go on from a run's model, with what usually comes next."""
        dataset = str(run.recipe.get("dataset", EQUATIONS))
        trained, algorithm = ALGORITHMS[run.algorithm], ALGORITHMS[run.algorithm].followed_by
        if trained.data.answer_columns and dataset != EQUATIONS and not self._has_answers(dataset):
            algorithm = trained.name
        same = algorithm == trained.name
        edits: Edits = {"dataset": dataset} if same or dataset != EQUATIONS else {}
        if same:
            kept = entered(parse(run.recipe, run.name))
            edits |= {path: value for path, value in kept.items() if path not in ("name", "model", "seed")}
        told = [say("train.next_run", language, name=run.name, algorithm=say(f"algorithm.{algorithm}", language))]
        return self._filled(algorithm, f"run:{run.id}", edits, [], told)

    # ---- inside

    def _filled(self, algorithm: str, model: str, edits: Edits, texts: list[str], told: list[str]) -> Filled | None:
        preset = self._preset(algorithm, root_of(self._store, model))
        if preset is None:
            return None
        recipe, wanted = self._presets.recipe(preset), {"model": model, **edits}
        if texts:
            wanted |= _sizes(recipe, len(texts))
        known = entered(recipe)
        kept = {path: value for path, value in wanted.items() if path in known and value != known[path]}
        return Filled(preset, kept, " ".join(told))

    def _preset(self, algorithm: str, base: str) -> str | None:
        """The first preset of an algorithm for a model; of any model where it has none."""
        fit = self._presets.of_algorithm(algorithm)
        return next((name for name in fit if self._presets.recipe(name).model == base), fit[0] if fit else None)

    def _model(self, draft: Draft, texts: list[str], told: list[str], language: str, *, for_reward: bool) -> str:
        """The model that stands in the form, or the first one here that can read the data, which is then said."""
        chosen = str(draft.of(draft.preset).get("model") or self._presets.recipe(draft.preset).model)
        if for_reward:
            chosen = root_of(self._store, chosen)
        if self._can_read(chosen, texts):
            return chosen
        other = next((name for name in bases_here(self._store) if self._can_read(name, texts)), REAL_MODEL)
        told.append(say("train.next_other_model", language, model=chosen, other=other))
        return other

    def _can_read(self, model: str, texts: list[str]) -> bool:
        reach = self._reach(model)
        within = sum(reach.tokens(text) <= reach.context for text in texts)
        return within >= FITS * len(texts)

    def _reach(self, model: str) -> Reach:
        """Read from the model's own configuration; a model that is not here counts as one for real text."""
        try:
            config = json.loads((Path(resolve(model, self._store.home).base) / "config.json").read_text("utf-8"))
        except (LabError, OSError, ValueError):
            return Reach(USUAL_CONTEXT, BYTES_A_TOKEN)
        by_byte = int(config.get("vocab_size") or FEW_ENTRIES) < FEW_ENTRIES
        context = int(config.get("max_position_embeddings") or USUAL_CONTEXT)
        return Reach(context, 1.0 if by_byte else BYTES_A_TOKEN)

    def _rewarded(self, dataset: str) -> Edits:
        """PPO at a version's prompts: the reward is that of the newest model trained on the same version; where there is none, of the
        one that is chosen in the form."""
        finished = self._store.in_state(RunState.FINISHED)
        runs = [run for run in finished if not ALGORITHMS[run.algorithm].writes_text]
        judges = [run for run in runs if run.recipe.get("dataset") == dataset]
        if not judges:
            return _model_alone() | {"reward_model": ""}
        return self._judged_by(max(judges, key=lambda run: run.created))

    def _judged_by(self, run: Run) -> Edits:
        """The reward is this model's alone; of equations, the rules of the preset are shown beside it."""
        chosen: Edits = {"reward_model": f"run:{run.id}", "model": self._base(run), "rules_weight": 0.0}
        return chosen if run.recipe.get("dataset") == EQUATIONS else _model_alone() | chosen

    def _base(self, run: Run) -> str:
        return root_of(self._store, str(run.recipe.get("model", "")))

    def _has_answers(self, dataset: str) -> bool:
        """Whether the prompts of a data set have known answers, as far as the presets tell; judged pairs have none."""
        recipes = [preset.recipe for preset in self._presets.by_name.values() if preset.recipe.dataset == dataset]
        descriptors = [algorithm_of(recipe) for recipe in recipes]
        return any(each.data is DataForm.PROMPTS and not each.needs_reward_model for each in descriptors)

    def _rows(self, algorithm: str, dataset: str) -> list[Row]:
        """The rows of a frozen version as a run will train on them; of other data, which may be large, none are read here."""
        preset = self._preset(algorithm, "")
        if preset is None or not dataset.startswith(VERSION):
            return []
        return load(with_values(self._presets.recipe(preset), {"dataset": dataset}, preset), self._store.home).train


def _sizes(recipe: Recipe, rows: int) -> Edits:
    """Batch and steps for a small set of data. The length of the rows is the run's to take from the data (``max_length`` 0)."""
    known, sizes = entered(recipe), Edits()
    unit = int(known.get("group_size") or 1)
    batch = min(int(known["batch_size"]), unit * rows)
    if batch < int(known["batch_size"]):
        sizes["batch_size"] = batch
    sizes["steps"] = min(recipe.steps, max(1, -(-EPOCHS * unit * rows // batch)))
    return sizes | {"max_length": 0} if "max_length" in known else sizes


def _texts(rows: list[Row]) -> list[str]:
    """Of each row the longest text that a model will read; of rows with the same prompt alone, one."""
    texts = [
        max((_text(row["prompt"]) + _text(row.get(side, "")) for side in ("chosen", "rejected")), key=len)
        for row in rows
    ]
    pairs = any("chosen" in row for row in rows)
    return texts if pairs else list(dict.fromkeys(texts))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "\n".join(str(turn.get("content", "")) for turn in value or [])


def _model_alone() -> Edits:
    return {"rules_weight": 0.0, RULES: rules_text([{"name": LOOKING_ON}])}

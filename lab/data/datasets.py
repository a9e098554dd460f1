"""The rows that a recipe trains on and is measured on, whatever they come from; what a file's columns mean is ``forms.py``.

Used by the checks before a start and by the worker, so that both see the same rows and the same hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.core.algorithms import DataForm, algorithm_of
from lab.core.notes import Note, note
from lab.core.recipes import EQUATIONS, Recipe
from lab.data.columns import with_columns
from lab.data.file_names import parse_file
from lab.data.forms import shape_completions, shape_prompts
from lab.data.group_pairs import GROUPS, pairs_of_run
from lab.data.heldout_preferences import MOST_WATCHED, set_apart
from lab.data.hub_rows import HUB, rows_of_hub
from lab.data.left_out import LeftOut
from lab.data.preference_forms import shape_preferences
from lab.data.rows import Rows, read_rows
from lab.data.shaping import Shaped
from lab.data.splits import training_rows
from lab.data.turns import SYSTEM, USER, Prompt
from lab.errors import DatasetError
from lab.tasks import equations

MOST_DEMONSTRATIONS = 20_000
MOST_PREFERENCES = 12_000
HELD_OUT_PAIRS = 1_000
VERSION = "version:"
"""Before the id of a data set that was frozen from judgements."""
_VERSION_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{4}")
HELD_OUT_OF = 10
"""Of a file, one prompt in ten (by its hash) is held out."""
MOST_HELD_OUT = 256

Row = dict[str, Any]
"""All text; only a prompt may be messages (``[{"role", "content"}]``), which end with the user's.

A row of a conversation whose every answer is to be trained (``SftRecipe.train_on`` is ``all``, and more than one message is the
assistant's) has ``messages``, too: the whole conversation, ending with ``completion``. There the loss counts every message of the
assistant; in all other rows it counts ``completion`` alone, whatever the prompt holds.
"""


@dataclass(frozen=True)
class Dataset:
    """Rows to train on, rows to measure on (``prompt, answer``; of a file of demonstrations ``completion``, too), and their hash.

    Those to train on have ``prompt`` with ``completion``, ``answer``, or ``chosen`` and ``rejected``.
    """

    train: list[Row]
    held_out: list[Row]
    content_hash: str
    held_out_pairs: tuple[Row, ...] = ()
    """Preferences to measure on, with their ``category`` where it is known."""
    left_out: tuple[LeftOut, ...] = ()
    """The rows of a file that cannot be used, each with its reason."""
    watched: tuple[Row, ...] = ()
    """Judged pairs that are only watched; no prompt of theirs is among those to train on."""
    passed_over: tuple[str, ...] = ()
    """The file's columns that nothing was read from."""
    notes: tuple[Note, ...] = ()
    """What was assumed while reading: an encoding, what a column means."""


def load(recipe: Recipe, home: Path | None = None) -> Dataset:
    """The rows of a recipe. ``home`` is LAB_HOME, where ``version:ID``, ``groups:RUN_ID`` and ``hub:…`` lie.

    Raises DatasetError where a file cannot be read or lacks columns, or where a frozen version is not what it was.
    """
    dataset = _equations(recipe) if recipe.dataset == EQUATIONS else _from_rows(recipe, home)
    if name := recipe.watched_pairs:
        pairs = shape_preferences(_rows(name, home)).rows
        train, watched = set_apart(dataset.train, pairs, name, min(MOST_WATCHED, recipe.measure_samples))
        dataset = replace(dataset, train=train, watched=watched)
    return _without_system(dataset) if recipe.moves_system_text else dataset


def _without_system(dataset: Dataset) -> Dataset:
    """The same rows with the system text before the first question, for chat templates that know no system role."""
    return replace(
        dataset,
        train=_folded(dataset.train),
        held_out=_folded(dataset.held_out),
        held_out_pairs=tuple(_folded(dataset.held_out_pairs)),
        watched=tuple(_folded(dataset.watched)),
    )


def folded(prompt: Prompt) -> Prompt:
    """A prompt without system messages: their text is put before the next question. One that no question follows stays as it is."""
    if isinstance(prompt, str):
        return prompt
    turns, waiting = [], []
    for message in prompt:
        if message["role"] == SYSTEM:
            waiting.append(message)
        elif message["role"] == USER and waiting:
            texts = [each["content"] for each in (*waiting, message) if each["content"].strip()]
            turns.append({**message, "content": "\n\n".join(texts)})
            waiting = []
        else:
            turns += [*waiting, message]
            waiting = []
    return [*turns, *waiting]


def _folded(rows: Iterable[Row]) -> list[Row]:
    return [{**row, "prompt": folded(row["prompt"])} for row in rows]


def _rows(name: str, home: Path | None, margin: float = 0.0) -> Rows:
    """The rows that a name of a recipe's stands for, as they are."""
    if name.startswith(VERSION):
        return _version(name, home)
    if name.startswith(HUB):
        return rows_of_hub(name, home)
    if name.startswith(GROUPS):
        return pairs_of_run(name.removeprefix(GROUPS), home, margin)
    return rows_of_file(name)


def rows_of_file(name: str) -> Rows:
    """The rows of ``FILE`` or of ``FILE?prompt=question``, under the lab's names. Raises DatasetError as ``read_rows`` does."""
    file = parse_file(name)
    rows = read_rows(file.path)
    return with_columns(rows, dict(file.columns)) if file.columns else rows


def _from_rows(recipe: Recipe, home: Path | None) -> Dataset:
    """The rows of everything but the equations, in the form that the algorithm reads, one prompt in ten held out."""
    rows = _rows(recipe.dataset, home, recipe.group_margin)
    rows = rows if recipe.dataset.startswith((VERSION, GROUPS)) else training_rows(rows)
    form = algorithm_of(recipe).data
    if form is DataForm.PREFERENCES:
        shaped = shape_preferences(rows)
        train, pairs = _split(shaped.rows)
        return _reported(Dataset(train, [], rows.content_hash, tuple(pairs)), shaped)
    if form is DataForm.DEMONSTRATIONS:
        shaped = shape_completions(rows, every_answer=recipe.trains_every_answer)
    else:
        shaped = shape_prompts(rows, conversations=True)
    train, apart = _split(shaped.rows)
    held_out = [row for row in apart if row.get("answer")][:MOST_HELD_OUT]
    aside = len(apart) - len(held_out)
    notes = [note("set_aside", count=aside)] if aside else []
    return _reported(Dataset(train, held_out, rows.content_hash), shaped, notes)


def _reported(dataset: Dataset, shaped: Shaped, notes: Sequence[Note] = ()) -> Dataset:
    """With what was left out, passed over and assumed."""
    every_note = (*shaped.notes, *notes)
    return replace(dataset, left_out=tuple(shaped.left_out), passed_over=shaped.passed_over, notes=every_note)


def _split(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """``(to train on, held out)``, by the prompt alone: alike for every algorithm. Where nothing would be left to train on, nothing is
    held out."""
    train = [row for row in rows if not _is_held_out(row["prompt"])]
    return (train, [row for row in rows if _is_held_out(row["prompt"])]) if train else (rows, [])


def _version(dataset: str, home: Path | None) -> Rows:
    """The rows of a frozen version, whose hash is that of the version itself. The store writes them (``lab/store``)."""
    version = dataset.removeprefix(VERSION)
    folder = (home or Path()) / "exports" / version
    try:
        if home is None or _VERSION_ID.fullmatch(version) is None:
            raise FileNotFoundError(folder)
        wanted = json.loads((folder / "version.json").read_bytes())["content_hash"]
        rows = read_rows(folder / "preferences.jsonl")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError("version_missing", version=version[:64]) from error
    computed = content_hash(
        [{name: value for name, value in row.items() if name != "dataset_version"} for row in rows.rows]
    )
    if computed != wanted:
        raise DatasetError("version_changed", version=version, folder=folder)
    return replace(rows, content_hash=computed)


def _equations(recipe: Recipe) -> Dataset:
    """The lab's own rows in the form that the algorithm reads: as many as the run can use, within bounds."""
    form, wanted = algorithm_of(recipe).data, recipe.steps * recipe.rows_per_step
    languages = recipe.task_languages
    held_out = equations.prompts(equations.Split.HELD_OUT, seed=0, languages=languages)
    train: list[Row] = []
    pairs: list[Row] = []
    if form is DataForm.DEMONSTRATIONS:
        train = equations.demonstrations(
            equations.Split.TRAIN, recipe.seed, min(MOST_DEMONSTRATIONS, wanted), languages=languages
        )
    elif form is DataForm.PREFERENCES:
        train = equations.preferences(
            equations.Split.TRAIN, recipe.seed, min(MOST_PREFERENCES, wanted), languages=languages
        )
        pairs = equations.preferences(equations.Split.HELD_OUT, 0, HELD_OUT_PAIRS, languages=languages)
    elif form is DataForm.PROMPTS:
        train = equations.prompts(equations.Split.TRAIN, recipe.seed, languages=languages)
    return Dataset(train, held_out, content_hash(train or held_out), tuple(pairs))


def _is_held_out(prompt: str | list[dict[str, str]]) -> bool:
    if not isinstance(prompt, str):
        prompt = json.dumps(prompt, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()[0] % HELD_OUT_OF == 0


def content_hash(rows: Sequence[Row]) -> str:
    """``sha256:…`` of the rows as JSON lines with sorted keys."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return f"sha256:{digest.hexdigest()}"

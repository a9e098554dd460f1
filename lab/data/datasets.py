"""The rows that a recipe trains on and is measured on, whatever they come from; what a file's columns mean is ``forms.py``.

Used by the checks before a start and by the worker, so that both see the same rows and the same hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.core.recipes import EQUATIONS, Recipe
from lab.data.forms import shape_completions, shape_preferences, shape_prompts
from lab.data.group_pairs import GROUPS, pairs_of_run
from lab.data.heldout_preferences import MOST_WATCHED, set_apart
from lab.data.hub_rows import HUB, rows_of_hub
from lab.data.left_out import LeftOut
from lab.data.rows import Rows, read_rows
from lab.errors import DatasetError
from lab.tasks import equations

MOST_DEMONSTRATIONS = 20_000
MOST_PREFERENCES = 12_000
HELD_OUT_PAIRS = 1_000
ON_PAIRS = ("rm", "dpo")
VERSION = "version:"
"""Before the id of a data set that was frozen from judgements."""
_VERSION_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{4}")
HELD_OUT_OF = 10
"""Of a file, one prompt in ten (by its hash) is held out."""
MOST_HELD_OUT = 256

Row = dict[str, Any]
"""All text; only the prompt of a preference may be messages (``[{"role", "content"}]``)."""


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


def load(recipe: Recipe, home: Path | None = None) -> Dataset:
    """The rows of a recipe. ``home`` is LAB_HOME, where ``version:ID``, ``groups:RUN_ID`` and ``hub:…`` lie.

    Raises DatasetError where a file cannot be read or lacks columns, or where a frozen version is not what it was.
    """
    found = _load(recipe, home)
    name = getattr(recipe, "watch_preferences", "")
    if not name:
        return found
    pairs = shape_preferences(_rows(name, home)).rows
    train, watched = set_apart(found.train, pairs, name, min(MOST_WATCHED, recipe.measure_samples))
    return replace(found, train=train, watched=watched)


def _rows(name: str, home: Path | None, margin: float = 0.0) -> Rows:
    """The rows that a name of a recipe's stands for, as they are."""
    if name.startswith(VERSION):
        return _version(name, home)
    if name.startswith(HUB):
        return rows_of_hub(name, home)
    if name.startswith(GROUPS):
        return pairs_of_run(name.removeprefix(GROUPS), home, margin)
    return read_rows(Path(name).expanduser())


def _load(recipe: Recipe, home: Path | None) -> Dataset:
    if recipe.dataset == EQUATIONS:
        return _equations(recipe)
    rows = _rows(recipe.dataset, home, getattr(recipe, "pair_margin", 0.0))
    if recipe.algorithm in ON_PAIRS:
        shaped = shape_preferences(rows)
        train, pairs = _split(shaped.rows)
        return Dataset(train, [], rows.content_hash, tuple(pairs), tuple(shaped.left_out))
    shaped = shape_completions(rows) if recipe.algorithm == "sft" else shape_prompts(rows, conversations=True)
    train, apart = _split(shaped.rows)
    held_out = [row for row in apart if row.get("answer")][:MOST_HELD_OUT]
    return Dataset(train, held_out, rows.content_hash, left_out=tuple(shaped.left_out))


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
    found = content_hash(
        [{name: value for name, value in row.items() if name != "dataset_version"} for row in rows.rows]
    )
    if found != wanted:
        raise DatasetError("version_changed", version=version, folder=folder)
    return replace(rows, content_hash=found)


def _equations(recipe: Recipe) -> Dataset:
    held_out = equations.prompts(equations.Split.HELD_OUT, seed=0)
    train: list[Row] = []
    if recipe.algorithm == "sft":
        count = min(MOST_DEMONSTRATIONS, recipe.steps * getattr(recipe, "batch_size", 32))
        train = equations.demonstrations(equations.Split.TRAIN, recipe.seed, count)
    elif recipe.algorithm in ON_PAIRS:
        count = min(MOST_PREFERENCES, recipe.steps * getattr(recipe, "batch_size", 32))
        train = equations.preferences(equations.Split.TRAIN, recipe.seed, count)
        pairs = tuple(equations.preferences(equations.Split.HELD_OUT, 0, HELD_OUT_PAIRS))
        return Dataset(train, held_out, content_hash(train), pairs)
    elif recipe.algorithm != "pretrain":
        train = equations.prompts(equations.Split.TRAIN, recipe.seed)
    return Dataset(train, held_out, content_hash(train or held_out))


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

"""The prompts of a sampling job: those given, or some of a dataset. A run's training rows come from ``datasets.py``."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.core.chats import ChatTurn
from lab.core.jobs import Asked, Part, SampleSpec
from lab.core.recipes import EQUATIONS, GrpoRecipe
from lab.data.datasets import load
from lab.data.turns import Prompt, last_words
from lab.tasks import equations


def asked_prompts(spec: SampleSpec, home: Path | None = None) -> list[Asked]:
    """The same prompts in the same order for the same spec, whatever the model: two models can be compared on them.

    Of a file, *validation* is its held-out tenth. Raises DatasetError where a file cannot be read.
    """
    if spec.prompts:
        return list(spec.prompts)
    if spec.dataset == EQUATIONS:
        split = equations.Split(spec.part.value)
        rows = equations.prompts(split, spec.seed)
    else:
        dataset = load(GrpoRecipe(dataset=spec.dataset, seed=spec.seed), home)
        rows = list(dataset.held_out if spec.part is Part.VALIDATION and dataset.held_out else dataset.train)
        random.Random(f"job-{spec.seed}").shuffle(rows)
    return [as_asked(row) for row in rows[: spec.count]]


def as_asked(row: Mapping[str, Any]) -> Asked:
    """A row of prompts (``prompt, answer``) as a job asks it; of a conversation all turns."""
    prompt: Prompt = row["prompt"]
    turns = () if isinstance(prompt, str) else tuple(ChatTurn.model_validate(turn) for turn in prompt)
    return Asked(prompt=last_words(prompt), answer=row.get("answer"), turns=turns)


def as_prompt(asked: Asked) -> Prompt:
    """The same as a model is given it."""
    return [turn.model_dump() for turn in asked.turns] or asked.prompt

"""The prompts that a sampling job asks: those given, or some of a dataset. What a run trains on is ``datasets.py``."""

from __future__ import annotations

import random
from pathlib import Path

from lab.core.jobs import Asked, Part, SampleSpec
from lab.core.recipes import GrpoRecipe
from lab.data.datasets import load
from lab.tasks import equations


def asked_prompts(spec: SampleSpec, home: Path | None = None) -> list[Asked]:
    """The same prompts in the same order for the same spec, whatever the model: two models can be compared on them.

    Of a file, *validation* is its held-out tenth. Raises DatasetError where a file cannot be read.
    """
    if spec.prompts:
        return list(spec.prompts)
    if spec.dataset == "equations":
        split = equations.Split(spec.part.value)
        rows = equations.prompts(split, spec.seed)
    else:
        found = load(GrpoRecipe(dataset=spec.dataset, seed=spec.seed), home)
        rows = list(found.held_out if spec.part is Part.VALIDATION and found.held_out else found.train)
        rows = [row for row in rows if isinstance(row["prompt"], str)]  # a job asks plain prompts
        random.Random(f"job-{spec.seed}").shuffle(rows)
    return [Asked(prompt=row["prompt"], answer=row.get("answer")) for row in rows[: spec.count]]

"""Checks the outcome of a run: whether it took all of its steps, and whether the trained weights changed.

A run that took fewer steps fails, with the numbers; one that changed nothing gets a note. Not here: a run that blew up (``divergence.py``).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import torch

from lab.core.notes import Note
from lab.core.recipes import Recipe
from lab.data.datasets import Dataset
from lab.errors import LabError, MachineError
from lab.store.lines import Line
from lab.training.worker import team
from lab.training.worker.row_notes import rows_of_step


class StartWeights:
    """A checksum of what trains, taken from the start model before its first step."""

    def __init__(self, model: Any) -> None:
        self._names = [name for name, weight in model.named_parameters() if weight.requires_grad]
        self._sum = checksum(model, self._names)

    def require_alike(self) -> None:
        """Raise MachineError ``processes_differ`` where the processes of a run do not start from the same weights."""
        if len(set(sums := team.gathered(self._sum))) > 1:
            raise MachineError("processes_differ", processes=len(sums))

    def moved(self, model: Any) -> bool:
        """Whether any of these weights is another number now."""
        return checksum(model, self._names) != self._sum


def checksum(model: Any, names: Sequence[str]) -> int:
    """CRC-32 of the named parameters' bytes, in this order."""
    weights = dict(model.named_parameters())
    total = 0
    for name in names:
        total = zlib.crc32(weights[name].detach().contiguous().view(torch.uint8).cpu().numpy(), total)
    return total


def require_all_steps(recipe: Recipe, dataset: Dataset, step: int) -> None:
    """Raise LabError where a run that nobody stopped ended before its last step."""
    if step < recipe.steps:
        needed = rows_of_step(recipe)
        raise LabError("run_too_short", step=step, steps=recipe.steps, rows=len(dataset.train), needed=needed)


def outcome(lines: Sequence[Line], step: int, *, moved: bool) -> tuple[dict[str, Any], list[Note]]:
    """What result.json says of it, ``{"weights_changed", "steps_without_update"}``, and the notes. ``lines`` are the run's metrics."""
    idle = sum(line.get("optimizer_step") == 0 for line in lines)
    values = {"weights_changed": moved, "steps_without_update": idle}
    if not moved:
        return values, [Note("nothing_kept" if 0 < step <= idle else "weights_unchanged", {"steps": step})]
    notes = [Note("steps_without_update", {"count": idle, "steps": step})] if idle else []
    spreads = [line["reward_std"] for line in lines if line.get("reward_std") is not None]
    if spreads and not any(spreads):
        notes.append(Note("rewards_alike", {"steps": step}))
    return values, notes

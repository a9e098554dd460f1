"""Which rows of a micro-batch are whose, where a run has several processes: consecutive shares, alike to one row; groups stay whole.

Every process draws the same rows in the same order and collates its own alone, so that N processes together train on what one process
would. Not here: how gradients are joined (``lab/training/worker/team.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from lab.training.worker import team

Collate = Callable[[list[Any]], Any]
IDLE = "idle"
"""In a micro-batch: its one row is another process's. It is passed through the model, which others gather, and counts for nothing."""


def share(rows: Sequence[Any], rank: int, size: int) -> list[Any]:
    """The rows of one process: of a rollout's rows, K to a prompt, whole groups, as the recipe's batch is a multiple of K · size."""
    return list(rows[len(rows) * rank // size : len(rows) * (rank + 1) // size])


def collate_share(collate: Collate, *, together: bool = False) -> Collate:
    """A collator that collates this process's rows alone. Where none of a last, small micro-batch is left for it, ``{}``; a row to pass
    through the model all the same, marked ``IDLE``, where the processes make their passes ``together``."""

    def of_share(rows: list[Any]) -> Any:
        own = share(rows, team.rank(), team.size())
        if own:
            return collate(own)
        return {**collate(rows[:1]), IDLE: torch.tensor(True)} if together else {}

    return collate if team.size() == 1 else of_share

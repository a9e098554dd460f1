"""Which rows of a micro-batch are whose, where a run has several processes: consecutive shares, alike to one row; groups stay whole.

Every process draws the same rows in the same order and collates its own alone, so that N processes together train on what one process
would. Not here: how gradients are joined (``lab/training/worker/team.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lab.training.worker import team

Collate = Callable[[list[Any]], Any]


def share(rows: Sequence[Any], rank: int, size: int) -> list[Any]:
    """The rows of one process: of a rollout's rows, K to a prompt, whole groups, as the recipe's batch is a multiple of K · size."""
    return list(rows[len(rows) * rank // size : len(rows) * (rank + 1) // size])


def collate_share(collate: Collate) -> Collate:
    """A collator that collates this process's rows alone; ``{}`` where none of a last, small micro-batch is left for it."""

    def of_share(rows: list[Any]) -> Any:
        own = share(rows, team.rank(), team.size())
        return collate(own) if own else {}

    return collate if team.size() == 1 else of_share

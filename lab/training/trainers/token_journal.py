"""tokens.jsonl: what an update made of each token, for as many groups as the recipe has room for.

The numbers are those of the loss itself, handed over by the sibling (``grpo.py``); nothing is computed a second time. Which groups are
written is chosen at random, step by step, within a share of the room that grows with the steps, so that a run is covered from its
beginning to its end and never takes more. Not here: any formula, and how a line is found again (``lab/store/token_lines.py``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import torch

from lab.store.lines import dump
from lab.store.token_lines import TOKENS
from lab.store.worker_folder import size_of
from lab.training.trainers.rollout import Rollout, unpadded
from lab.training.trainers.token_texts import TokenPieces
from lab.training.worker.reporter import Reporter

DIGITS = 5
"""Significant digits of a number in a line."""
BYTES_A_TOKEN = 80
"""What a token takes in a line, at most in practice; used to choose, while what is written is counted."""


class TokenJournal:
    """Chooses groups, gathers their tokens over the micro-batches of a step, writes a line a group and update."""

    def __init__(self, reporter: Reporter, tokenizer: Any, megabytes: float, steps: int) -> None:
        self._reporter, self._pieces = reporter, TokenPieces(tokenizer)
        self._room, self._steps = int(megabytes * 1e6), steps
        self._gathered: dict[int, dict[int, dict[str, Any]]] = {}

    def choose(self, rollout: Rollout, updates: int) -> torch.Tensor:
        """Which completions of a rollout are written, shape (B,), bool: those of whole groups that train."""
        size = len(rollout.texts) // len(rollout.groups)
        left = self._room * min(1.0, rollout.step / self._steps) - self._written()
        chosen = torch.zeros(len(rollout.texts), dtype=torch.bool)
        order = list(range(len(rollout.groups)))
        random.Random(rollout.step).shuffle(order)
        for group in order:
            first, kept = group * size, rollout.groups[group].kept
            tokens = sum(rollout.tokens[first + place] for place in range(size) if kept[place])
            needed = tokens * updates * BYTES_A_TOKEN
            if tokens and needed <= left:
                chosen[first : first + size] = True
                left -= needed
        return chosen

    def note(self, batch: Mapping[str, Any], values: Mapping[str, torch.Tensor], size: int) -> None:
        """Keep a micro-batch's rows of chosen groups until the step is over. ``size`` is K."""
        rows = batch["told"].nonzero().squeeze(1)
        if not len(rows):
            return
        mask = batch["completion_mask"][rows]
        tensors = {"token_ids": batch["completion_ids"], **values}
        if "ref_per_token_logps" in batch:
            tensors["ref_logps"] = batch["ref_per_token_logps"]
        columns = {
            name: unpadded(tensor[rows].detach().expand(mask.shape), mask)
            if tensor.dtype in (torch.bool, torch.long)
            else [
                [short(number) for number in row]
                for row in unpadded(tensor[rows].detach().float().expand(mask.shape), mask)
            ]
            for name, tensor in tensors.items()
        }
        for place, index in enumerate(batch["index"][rows].tolist()):
            told: dict[str, Any] = {name: column[place] for name, column in columns.items()}
            told["token_texts"] = self._pieces.of(told["token_ids"])
            self._gathered.setdefault(index // size, {})[index % size] = told

    def write(self, step: int, update: int) -> None:
        """Append a line for each group that was gathered; ``step`` is the optimiser step that ends, the ``update``-th of its rollout."""
        for group, completions in sorted(self._gathered.items()):
            line = {
                "version": 1,
                "step": step - update + 1,
                "group": group,
                "at": step,
                "update": update,
                "completions": [{"index": index, **completions[index]} for index in sorted(completions)],
            }
            if self._written() + len(dump(line)) < self._room:
                self._reporter.append("tokens", line)
        self._gathered = {}

    def _written(self) -> int:
        return size_of(self._reporter.folder.path / TOKENS)


def short(number: float) -> float:
    """The number with ``DIGITS`` significant digits."""
    return float(f"{number:.{DIGITS}g}")

"""pairs.jsonl and tokens.jsonl of DPO: some pairs of each step, as the update saw them, whole and token by token.

A pair has the form of a group of two, so that it is shown as one: its rewards are the implicit ones, r = β (log π − log π_ref), and its
advantages ± σ(r_rejected − r_chosen), the weight with which the gradient pushes the chosen response up and the rejected one down
(Rafailov et al., arXiv 2305.18290, section 4). The numbers are the loss's own. Not here: any formula that trains (``algorithms/dpo.py``).
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from lab.store.lines import dump
from lab.store.run_folder import PAIRS
from lab.store.token_lines import TOKENS
from lab.store.worker_folder import size_of
from lab.training.trainers.token_journal import short
from lab.training.trainers.token_texts import TokenPieces
from lab.training.worker.reporter import Reporter

SIDES = ("chosen", "rejected")
MOST_PAIRS = 4
"""Of one micro-batch: more would be read by nobody."""


class PairJournal:
    """Writes pairs chosen at random, within a share of the room that grows with the steps."""

    def __init__(self, reporter: Reporter, tokenizer: Any, megabytes: float, steps: int) -> None:
        self._reporter, self._tokenizer, self._pieces = reporter, tokenizer, TokenPieces(tokenizer)
        self._room, self._steps = int(megabytes * 1e6), steps
        self._step = self._number = 0

    def note(self, step: int, batch: dict[str, Any], beta: float, **values: torch.Tensor) -> None:
        """Write some pairs of a micro-batch, its chosen responses first. ``values``: logps, ref_logps, entropies, shape (2B, T − 1), each
        at the token before the one that it is of."""
        if step != self._step:
            self._step, self._number = step, 0
        pairs = len(batch["input_ids"]) // 2
        order = random.Random(f"{step}:{self._number}").sample(range(pairs), min(pairs, MOST_PAIRS))
        for pair in order:
            lines = self._lines(batch, [pair, pair + pairs], beta, values)
            size = sum(len(dump(line)) + 1 for line in lines)
            if self._written() + size <= self._room * min(1.0, step / self._steps):
                self._reporter.append("pairs", lines[0])
                self._reporter.append("tokens", lines[1])
                self._number += 1

    def _lines(
        self, batch: dict[str, Any], rows: list[int], beta: float, values: dict[str, torch.Tensor]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A pair as a line of pairs.jsonl, and its tokens as one of tokens.jsonl."""
        told = [self._tokens(batch, row, values) for row in rows]
        sums = [{name: sum(each[name]) for name in ("logps", "ref_logps")} for each in told]
        rewards = [beta * (each["logps"] - each["ref_logps"]) for each in sums]
        margin = rewards[0] - rewards[1]
        push = float(torch.sigmoid(torch.tensor(-margin)))
        for each, sign in zip(told, (1, -1), strict=True):
            gaps = zip(each["logps"], each["ref_logps"], strict=True)
            each["parts"] = [short(sign * beta * (logp - reference)) for logp, reference in gaps]
        place = {"version": 1, "step": self._step, "group": self._number}
        completions = [
            {
                "text": self._tokenizer.decode(each["token_ids"], skip_special_tokens=True),
                "side": side,
                "tokens": len(each["token_ids"]),
                "truncated": False,
                "scores": {},
                "reward": reward,
                "advantage": sign * push,
                "kept": True,
                "why_dropped": None,
                "logp": total["logps"],
                "ref_logp": total["ref_logps"],
            }
            for each, side, reward, sign, total in zip(told, SIDES, rewards, (1, -1), sums, strict=True)
        ]
        pair = {
            **place,
            "prompt": self._prompt(batch, rows[0]),
            "answer": None,
            "mean": float(np.mean(rewards)),
            "std": float(np.std(rewards, ddof=1)),
            "margin": margin,
            "threshold": {"kind": "all", "fraction": 1.0},
            "completions": completions,
        }
        tokens = {"at": self._step, "update": 1, "completions": [{"index": at, **each} for at, each in enumerate(told)]}
        return pair, place | tokens

    def _tokens(self, batch: dict[str, Any], row: int, values: dict[str, torch.Tensor]) -> dict[str, Any]:
        counted = batch["completion_mask"][row, 1:].bool()
        ids = batch["input_ids"][row, 1:][counted].tolist()
        numbers = {
            name: [short(number) for number in value[row].detach().float()[counted].tolist()]
            for name, value in values.items()
        }
        return {"token_ids": ids, **numbers, "token_texts": self._pieces.of(ids)}

    def _prompt(self, batch: dict[str, Any], row: int) -> str:
        """What stands before the response, as the model reads it."""
        asked = (batch["attention_mask"][row] * (1 - batch["completion_mask"][row])).bool()
        text: str = self._tokenizer.decode(batch["input_ids"][row][asked].tolist(), skip_special_tokens=True)
        return text.strip()

    def _written(self) -> int:
        return sum(size_of(self._reporter.folder.path / name) for name in (PAIRS, TOKENS))

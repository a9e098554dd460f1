"""One generation of a group algorithm: what was written, its scores and groups, as lines of groups.jsonl and as metrics.

Not here: how completions are made, or what is trained on them (``grpo.py``).
"""

from __future__ import annotations

from typing import Any

import torch

from lab.core.groups import Group
from lab.core.recipes import GrpoRecipe
from lab.core.rules import Reward


class Rollout:
    """Everything known of one generation: what was asked and written, its scores, groups and log-probabilities."""

    def __init__(self, inputs: Any, texts: list[str], tokens: list[int], rewards: list[Reward]) -> None:
        self.prompts = [row["prompt"][-1]["content"] for row in inputs]
        self.answers = [row.get("answer") for row in inputs]
        self.texts, self.tokens, self.rewards = texts, tokens, rewards
        self.groups: list[Group] = []
        self.truncated: list[bool] = []
        self.logps: list[float | None] = [None] * len(texts)
        self.ref_logps: list[float | None] = [None] * len(texts)
        self.step = 0
        self.reward_seconds = 0.0

    def note_logps(self, part: dict[str, Any], logps: torch.Tensor) -> None:
        """Sums over a completion's tokens, for the rows of one micro-batch."""
        mask = part["completion_mask"]
        sums = (logps * mask).sum(1).tolist()
        reference = (part["ref_per_token_logps"] * mask).sum(1).tolist() if "ref_per_token_logps" in part else None
        for row, index in enumerate(part["index"].tolist()):
            self.logps[index] = sums[row]
            if reference is not None:
                self.ref_logps[index] = reference[row]

    def lines(self, recipe: GrpoRecipe) -> list[dict[str, Any]]:
        """One line of groups.jsonl for each group."""
        threshold = {"kind": recipe.threshold.kind.value, "fraction": recipe.threshold.fraction}
        size = len(self.texts) // len(self.groups)
        return [
            {
                "version": 1,
                "step": self.step,
                "group": number,
                "prompt": self.prompts[number * size],
                "answer": self.answers[number * size],
                "mean": group.mean,
                "std": group.std,
                "threshold": threshold,
                "completions": [self._completion(group, number * size, i) for i in range(size)],
            }
            for number, group in enumerate(self.groups)
        ]

    def _completion(self, group: Group, first: int, i: int) -> dict[str, Any]:
        at = first + i
        return {
            "text": self.texts[at],
            "tokens": self.tokens[at],
            "truncated": self.truncated[at],
            "scores": {name: score.as_json() for name, score in self.rewards[at].scores.items()},
            "reward": group.rewards[i],
            "advantage": group.advantages[i],
            "kept": group.kept[i],
            "why_dropped": group.why_dropped[i],
            "logp": self.logps[at],
            "ref_logp": self.ref_logps[at],
        }

    def metrics(self) -> dict[str, Any]:
        """What a step's line of metrics says of its groups."""
        completions, kept = len(self.texts), sum(k for g in self.groups for k in g.kept)
        values: dict[str, Any] = {
            "kept_share": kept / completions,
            "no_spread_share": sum(not g.has_spread for g in self.groups) / len(self.groups),
            "optimizer_step": int(kept > 0),
            "reward_seconds": self.reward_seconds,
            "group_std": sum(g.std for g in self.groups) / len(self.groups),
        }
        for name in self.rewards[0].scores:
            scores = [reward.scores[name] for reward in self.rewards]
            values[f"rule/{name}"] = sum(score.value for score in scores) / completions
            if failed := sum(score.error is not None for score in scores):
                values[f"errors/{name}"] = failed
        return values

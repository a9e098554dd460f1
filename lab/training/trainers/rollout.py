"""One rollout: the completions with their scores and groups, as lines of groups.jsonl and as metrics.

Not here: how completions are made, or what is trained on them (``grpo.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import torch

from lab.core.groups import Group
from lab.core.rules import Reward
from lab.core.text_health import text_health
from lab.data.turns import Turns, last_words
from lab.training.trainers.dynamic_sampling import Draws
from lab.training.trainers.token_texts import Piece

OF_COMPLETIONS = (
    *("conversations", "answers", "texts", "tokens", "rewards", "groups", "truncated", "logps", "ref_logps"),
    *("token_rewards", "values", "token_advantages", "token_texts", "model_scores"),
)
"""What a rollout has one of for each completion, or for each group."""
DECIMALS = 4
"""Of the numbers of a token in a line of groups.jsonl."""


class Rollout:
    """Prompts and completions of one rollout, with their scores, groups and log-probabilities."""

    def __init__(self, inputs: Any, texts: list[str], tokens: list[int], rewards: list[Reward]) -> None:
        self.conversations = [row["prompt"] for row in inputs]
        self.answers = [row.get("answer") for row in inputs]
        self.texts, self.tokens, self.rewards = texts, tokens, rewards
        self.groups: list[Group] = []
        self.truncated: list[bool] = []
        self.logps: list[float | None] = [None] * len(texts)
        self.ref_logps: list[float | None] = [None] * len(texts)
        self.token_rewards: list[list[float]] = []
        self.values: list[list[float]] = []
        self.token_advantages: list[list[float]] = []
        self.token_texts: list[list[Piece] | None] = []
        self.whitening: dict[str, float] = {}
        self.model_scores: list[float] = []
        self.step = 0
        self.reward_seconds = 0.0
        self.draws: Draws | None = None
        self.of_processes = 1

    def note_logps(self, part: dict[str, Any], logps: torch.Tensor) -> None:
        """Sums over a completion's tokens, for the rows of one micro-batch."""
        mask = part["completion_mask"]
        sums = (logps * mask).sum(1).tolist()
        reference = (part["ref_per_token_logps"] * mask).sum(1).tolist() if "ref_per_token_logps" in part else None
        for row, index in enumerate(part["index"].tolist()):
            self.logps[index] = sums[row]
            if reference is not None:
                self.ref_logps[index] = reference[row]

    def note_tokens(
        self,
        mask: torch.Tensor,
        *,
        rewards: torch.Tensor,
        values: torch.Tensor,
        advantages: torch.Tensor,
        texts: list[list[Piece] | None],
    ) -> None:
        """PPO's rewards, values and advantages of each token, shape (B, T) each, and what each token wrote."""
        self.token_texts = texts
        self.token_rewards, self.values, self.token_advantages = (
            [[round(number, DECIMALS) for number in row] for row in unpadded(numbers, mask)]
            for numbers in (rewards, values, advantages)
        )

    def lines(self, threshold: dict[str, Any]) -> list[dict[str, Any]]:
        """One line of groups.jsonl for each group."""
        size = len(self.texts) // len(self.groups)
        return [
            {
                "version": 1,
                "step": self.step,
                "group": number,
                **self._asked(self.conversations[number * size]),
                "answer": self.answers[number * size],
                "mean": group.mean,
                "std": group.std,
                "threshold": threshold,
                **({"whitening": self.whitening} if self.whitening else {}),
                "completions": [self._completion(group, number * size, i) for i in range(size)],
            }
            for number, group in enumerate(self.groups)
        ]

    def _asked(self, conversation: Turns) -> dict[str, Any]:
        """The prompt as it is shown: the user's last words; the whole conversation beside it where there is more."""
        turns = {"turns": conversation} if len(conversation) > 1 else {}
        return {"prompt": last_words(conversation), **turns}

    def _completion(self, group: Group, first: int, i: int) -> dict[str, Any]:
        at = first + i
        line: dict[str, Any] = {
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
        if self.token_advantages:
            advantages = self.token_advantages[at]
            line |= {
                "token_rewards": self.token_rewards[at],
                "values": self.values[at],
                "token_advantages": advantages,
            }
            if (texts := self.token_texts[at]) is not None:
                line["token_texts"] = texts
            line["advantage"] = sum(advantages) / max(1, len(advantages))
        if self.model_scores:
            line["scores"]["reward_model"] = self.model_scores[at]
        return line

    def metrics(self) -> dict[str, Any]:
        """What a step's line of metrics says of its groups."""
        completions, kept = len(self.texts), sum(k for g in self.groups for k in g.kept)
        rewards = np.array([reward for group in self.groups for reward in group.rewards])
        scored = rewards[np.isfinite(rewards)]
        values: dict[str, Any] = {
            "reward": float(scored.mean()) if scored.size else None,
            "reward_std": float(scored.std(ddof=1)) if scored.size > 1 else 0.0,
            "kept_share": kept / completions,
            "no_spread_share": sum(not g.has_spread for g in self.groups) / len(self.groups),
            "optimizer_step": int(kept > 0),
            "reward_seconds": self.reward_seconds,
            "group_std": sum(g.std for g in self.groups) / len(self.groups),
        }
        if self.draws is not None:
            values["groups_drawn"], values["groups_thrown_away"] = self.draws.drawn, self.draws.thrown_away
        if self.of_processes > 1 or self.draws is not None:
            # trl's own figures are of one process, and of all that it sampled, also of what was thrown away
            values["completion_tokens"] = sum(self.tokens) / completions
            values["truncated_share"] = sum(self.truncated) / completions
        size = completions // len(self.groups)
        values |= text_health(self.texts, [at // size for at in range(completions)])
        if self.model_scores:
            values["rule/reward_model"] = sum(self.model_scores) / completions
        for name in self.rewards[0].scores:
            scores = [reward.scores[name] for reward in self.rewards]
            values[f"rule/{name}"] = sum(score.value for score in scores) / completions
            if failed := sum(score.error is not None for score in scores):
                values[f"errors/{name}"] = failed
        return values


def joined(rollouts: Sequence[Rollout]) -> Rollout:
    """The rollouts of all processes as one, in their order; of one process its own."""
    first = rollouts[0]
    if len(rollouts) == 1:
        return first
    whole = copy(first)
    for name in OF_COMPLETIONS:
        setattr(whole, name, [value for each in rollouts for value in getattr(each, name)])
    whole.reward_seconds = max(each.reward_seconds for each in rollouts)
    draws = [each.draws for each in rollouts if each.draws is not None]
    if draws:
        whole.draws = Draws(sum(each.drawn for each in draws), sum(each.thrown_away for each in draws))
    whole.of_processes = len(rollouts)
    return whole


def unpadded(numbers: torch.Tensor, mask: torch.Tensor) -> list[list[Any]]:
    """The real entries of each row, of two tensors of shape (B, T) padded on the right."""
    lengths = mask.sum(1).int().tolist()
    return [row[:length] for row, length in zip(numbers.tolist(), lengths, strict=True)]

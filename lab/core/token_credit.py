"""What PPO credited each token of a completion with, worked back from a line of groups.jsonl.

The line holds, a token, the critic's value V_t and the advantage that trained (whitened over the step's tokens), and, a step, the
``whitening`` that made it. With γ and λ of the recipe the rest follows (Schulman et al., arXiv 1506.02438, eq. 16)::

    Â_t = advantage_t · std + mean        GAE, before whitening
    δ_t = Â_t − γλ Â_{t+1}                 Â after the end is 0
    r_t = δ_t − γ V_{t+1} + V_t            V after the end is 0

The browser's twin is ``group_inspector/credit.js``, tested against this one. Numbers stand rounded to 4 decimals in the line, so
what follows from them is good to about 3. Not here: how advantages are estimated (``lab/training/algorithms/ppo.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True)
class TokenCredit:
    """One token. ``piece`` is as in the line, None where it holds none; the last three None where ``whitening`` is not known."""

    piece: str | dict[str, str] | None
    value: float
    advantage: float
    estimate: float | None = None
    delta: float | None = None
    reward: float | None = None


def token_credits(
    completion: Mapping[str, Any], whitening: Mapping[str, float] | None, discount: float, lam: float
) -> list[TokenCredit]:
    """Every token of a completion, in order; none where the completion has no values (an algorithm without a critic)."""
    values, advantages = completion.get("values") or [], completion.get("token_advantages") or []
    pieces = completion.get("token_texts") or []
    tokens = [(p, v, a) for p, v, a in zip_longest(pieces, values, advantages) if v is not None and a is not None]
    if not whitening:
        return [TokenCredit(*token) for token in tokens]
    estimates = [a * whitening["std"] + whitening["mean"] for _, _, a in tokens]
    deltas = [now - discount * lam * after for now, after in _with_next(estimates)]
    rewards = [
        d - discount * after + now
        for d, (now, after) in zip(deltas, _with_next([v for _, v, _ in tokens]), strict=True)
    ]
    return [
        TokenCredit(*token, estimate, delta, reward)
        for token, estimate, delta, reward in zip(tokens, estimates, deltas, rewards, strict=True)
    ]


def _with_next(numbers: Sequence[float]) -> list[tuple[float, float]]:
    """Each number with the one after it; 0 after the last."""
    return list(zip(numbers, [*numbers[1:], 0.0], strict=False))

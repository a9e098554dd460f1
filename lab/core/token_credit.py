"""What PPO credited each token of a completion with, from a line of groups.jsonl.

The line holds, a token, its reward r_t, the critic's value V_t and the advantage that trained. With γ and λ of the recipe the rest
follows (Schulman et al., arXiv 1506.02438, eq. 16)::

    δ_t = r_t + γ V_{t+1} − V_t           V after the end is 0
    Â_t = δ_t + γλ Â_{t+1}                 GAE, before whitening; Â after the end is 0

Older lines hold no rewards. In them the same equations are turned round, from Â_t = advantage_t · std + mean by the step's
``whitening``. Numbers stand rounded to 4 decimals in a line, so what follows from them is good to about 3.

The browser's twin is ``group_inspector/credit.js``, tested against this one. Not here: how advantages are estimated
(``lab/training/algorithms/ppo.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True)
class TokenCredit:
    """One token. ``piece`` is as in the line, None where it holds none; the last three None in a line that tells neither rewards nor
    ``whitening``."""

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
    pieces, rewards = completion.get("token_texts") or [], completion.get("token_rewards") or []
    tokens = [(p, v, a) for p, v, a in zip_longest(pieces, values, advantages) if v is not None and a is not None]
    values = [value for _, value, _ in tokens]
    if len(rewards) >= len(tokens) > 0:
        deltas = [r + discount * after - now for r, (now, after) in zip(rewards, _with_next(values), strict=False)]
        estimates = _summed(deltas, discount * lam)
    elif whitening:
        estimates = [advantage * whitening["std"] + whitening["mean"] for _, _, advantage in tokens]
        deltas = [now - discount * lam * after for now, after in _with_next(estimates)]
        rewards = [d - discount * after + now for d, (now, after) in zip(deltas, _with_next(values), strict=True)]
    else:
        return [TokenCredit(*token) for token in tokens]
    return [
        TokenCredit(*token, estimate, delta, reward)
        for token, estimate, delta, reward in zip(tokens, estimates, deltas, rewards, strict=False)
    ]


def _summed(deltas: Sequence[float], decay: float) -> list[float]:
    """Each delta with all after it, each step away weighted by ``decay`` once more."""
    sums: list[float] = []
    running = 0.0
    for delta in reversed(deltas):
        running = delta + decay * running
        sums.append(running)
    return sums[::-1]


def _with_next(numbers: Sequence[float]) -> list[tuple[float, float]]:
    """Each number with the one after it; 0 after the last."""
    return list(zip(numbers, [*numbers[1:], 0.0], strict=False))

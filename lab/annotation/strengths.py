"""How strongly people prefer each source, from which of two they chose: Bradley–Terry strengths with 95 % intervals.

P(i before j) = 1 / (1 + exp(θ_j − θ_i)), fitted by iterative Luce spectral ranking (Maystre & Grossglauser 2015; the package choix).
Intervals: ± 1.96 √ of the diagonal of the inverse Fisher information, Σ n_ij p (1 − p), with Σ θ = 0. A tie is no vote for either.
Not here: which of two sources is better (``lab/core/comparison.py``), how votes become a pair's winner (there too).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.core.comparison import Comparison

Z95 = 1.959964
PRIOR = 0.02
"""Pulls a source that won or lost everything back from infinity; choix adds as many wins to every two sources."""


@dataclass(frozen=True)
class Strength:
    """A source's θ, in logits; 0 is the mean of all."""

    source: str
    value: float
    low: float
    high: float
    wins: int
    decided: int
    """Pairs with it in them that were decided."""


def strengths(compared: Sequence[Comparison]) -> list[Strength]:
    """The sources of some comparisons, the strongest first; none where nothing was decided."""
    decided = [each for each in compared if each.wins_one + each.wins_other]
    sources = list(dict.fromkeys(source for each in decided for source in (each.one, each.other)))
    if len(sources) < 2:
        return []
    import choix

    number = {source: place for place, source in enumerate(sources)}
    data = [pair for each in decided for pair in _pairs(each, number)]
    theta = np.asarray(choix.ilsr_pairwise(len(sources), data, alpha=PRIOR))
    theta = theta - theta.mean()
    errors = _errors(theta, data)
    found = []
    for source, place in number.items():
        wins = sum(winner == place for winner, _ in data)
        met = sum(place in pair for pair in data)
        value, error = float(theta[place]), float(errors[place])
        found.append(Strength(source, value, value - Z95 * error, value + Z95 * error, wins, met))
    return sorted(found, key=lambda strength: -strength.value)


def _pairs(compared: Comparison, number: dict[str, int]) -> list[tuple[int, int]]:
    one, other = number[compared.one], number[compared.other]
    return [(one, other)] * compared.wins_one + [(other, one)] * compared.wins_other


def _errors(theta: np.ndarray, data: Sequence[tuple[int, int]]) -> np.ndarray:
    """Standard errors of θ, shape (sources,)."""
    information = np.zeros((len(theta), len(theta)))
    for one, other in data:
        p = 1 / (1 + math.exp(theta[other] - theta[one]))
        weight = p * (1 - p)
        information[one, one] += weight
        information[other, other] += weight
        information[one, other] -= weight
        information[other, one] -= weight
    return np.sqrt(np.clip(np.diag(np.linalg.pinv(information)), 0, None))

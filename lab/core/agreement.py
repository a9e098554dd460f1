"""How far annotators agree: raw agreement, Cohen's κ for two, Krippendorff's α for any number, left-side rate, gold accuracy.

The votes are compared by the *response* that was chosen, wherever it stood on the screen. A skip is no vote. Where a number is
undefined, its reason is returned instead. Not here: deriving preferences (``preferences.py``).

Sources: Cohen, "A coefficient of agreement for nominal scales" (1960): κ = (p_o − p_e) / (1 − p_e).
Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), section D: α = 1 − D_o / D_e.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np

from lab.core.preferences import Choice, Judgement, Place

Votes = Mapping[str, Mapping[str, Choice]]
"""By pair id, by annotator."""

CHOICES = (Choice.FIRST, Choice.SECOND, Choice.TIE, Choice.BOTH_BAD)


class WhyUndefined(StrEnum):
    """Why a number of agreement cannot be given."""

    NO_OVERLAP = "no_overlap"
    """No pair has been judged by two people."""
    ONE_CATEGORY = "one_category"
    """All votes are the same choice, so that agreement cannot be told from chance."""
    NONE_CHOSEN = "none_chosen"
    """No judgement chose a response."""
    NO_GOLD = "no_gold"
    """No gold pair has been judged."""


@dataclass(frozen=True)
class Measure:
    """A number, or the reason why there is none, and the count of pairs (for rates: judgements) it is computed from."""

    value: float | None
    count: int
    why: WhyUndefined | None = None


def votes(judgements: Iterable[Judgement]) -> dict[str, dict[str, Choice]]:
    """The choices by pair and annotator, without skips; of two by the same annotator on a pair the later one counts."""
    choices: dict[str, dict[str, Choice]] = {}
    for judgement in judgements:
        of_pair = choices.setdefault(judgement.pair_id, {})
        of_pair.pop(judgement.annotator, None)
        if judgement.choice is not Choice.SKIP:
            of_pair[judgement.annotator] = judgement.choice
    return choices


def shared(choices: Votes) -> dict[str, Mapping[str, Choice]]:
    """The pairs that at least two people judged; agreement is computed from these alone."""
    return {pair_id: of_pair for pair_id, of_pair in choices.items() if len(of_pair) > 1}


def raw_agreement(choices: Votes) -> Measure:
    """Of two people who judged the same pair, how often they said the same: every two on every pair count alike."""
    pairs = shared(choices)
    twos = [one is other for of_pair in pairs.values() for one, other in combinations(of_pair.values(), 2)]
    if not twos:
        return Measure(None, 0, WhyUndefined.NO_OVERLAP)
    return Measure(sum(twos) / len(twos), len(pairs))


def cohens_kappa(choices: Votes, one: str, other: str) -> Measure:
    """κ of two annotators, over the pairs that both have judged."""
    both = [(of_pair[one], of_pair[other]) for of_pair in choices.values() if one in of_pair and other in of_pair]
    if not both:
        return Measure(None, 0, WhyUndefined.NO_OVERLAP)
    of_one, of_other = Counter(first for first, _ in both), Counter(second for _, second in both)
    by_chance = sum(of_one[choice] * of_other[choice] for choice in CHOICES)  # integers: p_e · n²
    if by_chance == len(both) ** 2:
        return Measure(None, len(both), WhyUndefined.ONE_CATEGORY)
    observed = sum(first is second for first, second in both) / len(both)
    expected = by_chance / len(both) ** 2
    return Measure((observed - expected) / (1 - expected), len(both))


def krippendorffs_alpha(choices: Votes) -> Measure:
    """α of any number of annotators, each of whom may have judged any of the pairs; nominal: the four choices have no order.

    A unit (pair) with m ≥ 2 votes adds its ordered couples of votes to the coincidences, each with weight 1 / (m − 1)::

        n_c = votes for choice c in such units,  n = Σ_c n_c
        D_o = Σ_units (couples that differ) / (m − 1) / n
        D_e = Σ_{c ≠ k} n_c n_k / (n (n − 1))
    """
    units = [Counter(of_pair.values()) for of_pair in shared(choices).values()]
    if not units:
        return Measure(None, 0, WhyUndefined.NO_OVERLAP)
    totals: Counter[Choice] = sum(units, Counter())
    if len(totals) < 2:
        return Measure(None, len(units), WhyUndefined.ONE_CATEGORY)
    n = totals.total()
    observed = sum(_differing_couples(unit) / (unit.total() - 1) for unit in units) / n
    expected = _differing_couples(totals) / (n * (n - 1))
    return Measure(1 - observed / expected, len(units))


RESAMPLES = 1000


def alpha_interval(choices: Votes) -> tuple[float, float] | None:
    """A 95 % interval of α: the percentile bootstrap over pairs (Efron and Tibshirani, 1993, chapter 13).

    None where α is undefined, or is in more than a twentieth of the resamples.
    """
    units = [Counter(of_pair.values()) for of_pair in shared(choices).values()]
    if len(units) < 2 or krippendorffs_alpha(choices).value is None:
        return None
    counts_P_C = np.array([[unit[choice] for choice in CHOICES] for unit in units], dtype=float)
    votes_P = counts_P_C.sum(axis=1)
    apart_P = (votes_P**2 - (counts_P_C**2).sum(axis=1)) / (votes_P - 1)
    drawn_RP = np.random.default_rng(0).integers(len(units), size=(RESAMPLES, len(units)))
    totals_RC = counts_P_C[drawn_RP].sum(axis=1)
    n_R = totals_RC.sum(axis=1)
    expected_R = (n_R**2 - (totals_RC**2).sum(axis=1)) / (n_R - 1)
    defined_R = expected_R > 0
    if defined_R.mean() < 0.95:
        return None
    alphas = 1 - apart_P[drawn_RP].sum(axis=1)[defined_R] / expected_R[defined_R]
    low, high = np.percentile(alphas, [2.5, 97.5])
    return float(low), float(high)


def _differing_couples(counts: Counter[Choice]) -> int:
    """Ordered couples of votes that differ: Σ_{c ≠ k} n_c n_k."""
    return counts.total() ** 2 - sum(count**2 for count in counts.values())


def left_rate(judgements: Iterable[Judgement]) -> Measure:
    """How often the chosen response stood on the left; about one half where people read both."""
    places = [judgement.place for judgement in judgements if judgement.place is not None]
    if not places:
        return Measure(None, 0, WhyUndefined.NONE_CHOSEN)
    return Measure(sum(place is Place.LEFT for place in places) / len(places), len(places))


def gold_accuracy(choices: Votes, gold: Mapping[str, Choice], annotator: str) -> Measure:
    """How often an annotator said of the gold pairs what is known of them."""
    right = [
        choices[pair_id][annotator] is known for pair_id, known in gold.items() if annotator in choices.get(pair_id, {})
    ]
    if not right:
        return Measure(None, 0, WhyUndefined.NO_GOLD)
    return Measure(sum(right) / len(right), len(right))


FASTEST_READER = 100.0
"""Latin letters a second. Fluent readers skim at about half of that."""
LEAST_TIME, MOST_TIME = 0.4, 3.0
"""Seconds: no one can see and answer faster than the first; an answer within the second may rest on knowing the texts."""


IDEOGRAPH = 3
"""Latin letters that take as long to read as one Chinese or Japanese character."""


def reading_length(*texts: str) -> int:
    """The length of what was read, in Latin letters."""
    return sum(IDEOGRAPH if letter >= "\u2e80" else 1 for text in texts for letter in text)


def least_seconds(length: int) -> float:
    """The line below which a judgement is too fast, for so much to read (``reading_length`` of both responses)."""
    return min(max(length / FASTEST_READER, LEAST_TIME), MOST_TIME)


def too_fast(seconds: float, length: int) -> bool:
    """Whether the time is too short to read so much. A hint, not a proof."""
    return seconds < least_seconds(length)

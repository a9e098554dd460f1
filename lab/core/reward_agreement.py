"""Does a reward agree with people? How often it ranks judged pairs as people did, and which biases (length, side) each shows.

Pure: rewards come from rules (``lab/annotation/rewarded_pairs.py``) or from a reward model (``lab/training/worker/score_job.py``); the
majority's choice comes from ``derivation.py``. Gold pairs are left out, as they are from the data: they are there to
measure people by, and mostly easy. Lengths are characters. A pair counts once in every share, however many judged it: judgements of
the same pair are not independent (as in ``comparison.py``). Intervals are those of ``shares.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any

from lab.core.derivation import derive
from lab.core.groups import NO_SPREAD
from lab.core.preferences import (
    CATEGORY,
    Choice,
    Derivation,
    Judgement,
    Pair,
    Response,
    Which,
    WhyNotDerived,
    plain_prompt,
)
from lab.core.shares import Share

Rewards = Mapping[str, tuple[float, float]]
"""By pair id: the rewards of the first and of the second response."""


class Unity(StrEnum):
    """How far the people who judged a pair agree."""

    ONE_VOTE = "one_vote"
    """Only one person judged it."""
    ALL = "all"
    """Two or more, and all chose the same."""
    MOST = "most"
    """More than half, and not all."""


@dataclass(frozen=True)
class Failure:
    """A rule that failed on some responses; those got its fallback score."""

    rule: str
    count: int
    of: int
    message: str
    """The most frequent one."""


@dataclass(frozen=True)
class Ranked:
    """A pair that people decided, with its rewards."""

    pair: Pair
    choice: Which
    """The response that people chose."""
    votes: int
    agreement: float
    """The share of the votes behind it."""
    chosen_reward: float
    other_reward: float

    @property
    def margin(self) -> float:
        """How much more the reward gives the response that people chose."""
        return self.chosen_reward - self.other_reward

    @property
    def agrees(self) -> float:
        """1 where the reward ranks as people did, 0 where it does not, a half where it makes no difference."""
        return 0.5 if abs(self.margin) < NO_SPREAD else float(self.margin > 0)

    @property
    def unity(self) -> Unity:
        """How many stood behind the choice."""
        if self.votes == 1:
            return Unity.ONE_VOTE
        return Unity.ALL if self.agreement == 1 else Unity.MOST

    def prefers(self, which: Choice) -> float:
        """How far the reward prefers a response: 1, 0, or a half."""
        return self.agrees if which is self.choice else 1 - self.agrees

    @property
    def chosen(self) -> Response:
        """The response that people chose."""
        return self.pair.response(self.choice)

    @property
    def other(self) -> Response:
        """The other one."""
        return self.pair.response(self.choice.of_other)


@dataclass(frozen=True)
class RewardAgreement:
    """What a reward and people say of the same pairs. A tie of the reward counts as half in every share."""

    ranked: tuple[Ranked, ...]
    agree: Share
    ties: int
    people_longer: Share
    """Of the pairs with responses of unequal length: how often people chose the longer one."""
    reward_longer: Share
    people_left: Share
    """Of the pairs: what share of the judgements that chose a response chose the one on the left."""
    reward_left: Share
    """Of the same: in what share of them the reward prefers the one that stood there. It sees no sides, so this is chance."""
    by_unity: Mapping[Unity, Share]
    by_category: Mapping[str, Share]
    """Of the pairs whose file gave them a category: ranked as people did, by category."""
    left_out: Mapping[WhyNotDerived, int]
    """Judged pairs that people did not decide."""
    gold: int
    """Judged gold pairs."""
    unscored: int
    """Decided pairs that the reward was not asked about."""
    unseen: Share
    """Of the pairs that a reward model was not trained on: ranked as people did. The same as ``agree`` for rules."""

    @property
    def disagreements(self) -> tuple[Ranked, ...]:
        """The pairs that the reward ranks the other way, those first that most people stand behind, then by its margin."""
        wrong = [ranked for ranked in self.ranked if ranked.agrees == 0]
        return tuple(
            sorted(wrong, key=lambda ranked: (-ranked.votes * ranked.agreement, ranked.margin, ranked.pair.id))
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers and the disagreements, for scripts."""
        shares = ("agree", "unseen", "people_longer", "reward_longer", "people_left", "reward_left")
        return {
            **{name: getattr(self, name).as_json() for name in shares},
            "pairs": len(self.ranked),
            "ties": self.ties,
            "by_unity": {unity.value: share.as_json() for unity, share in self.by_unity.items()},
            "by_category": {category: share.as_json() for category, share in self.by_category.items()},
            "left_out": {why.value: count for why, count in self.left_out.items()},
            "gold": self.gold,
            "unscored": self.unscored,
            "disagreements": [_as_json(pair) for pair in self.disagreements],
        }


@dataclass(frozen=True)
class Decided:
    """The pairs of a collection that people decided, with the judgements that decided them, and how many they did not."""

    choices: tuple[tuple[Pair, Which, int, float], ...]
    """Pair, what was chosen, votes, the share of them behind it."""
    judgements: tuple[Judgement, ...]
    left_out: Mapping[WhyNotDerived, int]
    gold: int

    @property
    def pairs(self) -> list[Pair]:
        """The pairs, in the order of their ids."""
        return [pair for pair, *_ in self.choices]


def decided(pairs: Iterable[Pair], judgements: Sequence[Judgement]) -> Decided:
    """What more than half of those who judged blind chose, pair by pair. ``judgements``: one of each annotator on a pair."""
    by_id = {pair.id: pair for pair in pairs}
    judgements = [judgement for judgement in judgements if not judgement.revealed]
    judged = {judgement.pair_id for judgement in judgements if judgement.choice is not Choice.SKIP}
    ordinary = {pair_id: pair for pair_id, pair in by_id.items() if pair.gold is None and pair_id in judged}
    counted = [judgement for judgement in judgements if judgement.pair_id in ordinary]
    derived = derive(ordinary.values(), counted, Derivation())
    choices: list[tuple[Pair, Which, int, float]] = []
    for preference in derived.preferences:
        pair = ordinary[preference.pair_id]
        choice: Which = Choice.FIRST if preference.chosen == pair.first.text else Choice.SECOND
        choices.append((pair, choice, preference.n_votes, preference.agreement))
    ids = {pair.id for pair, *_ in choices}
    behind = tuple(vote for vote in counted if vote.pair_id in ids and vote.choice.is_response)
    gold = sum(by_id[pair_id].gold is not None for pair_id in judged if pair_id in by_id)
    return Decided(tuple(choices), behind, derived.counts, gold)


def reward_agreement(decided_pairs: Decided, rewards: Rewards, seen: Collection[str] = ()) -> RewardAgreement:
    """How the rewards rank what people decided. Pairs that have no rewards are left out and counted.

    ``seen`` are the ids of pairs that stood in a reward model's own data: it says little that it ranks those right.
    """
    ranked = tuple(
        Ranked(pair, choice, votes, agreement, *_in_order(rewards[pair.id], choice))
        for pair, choice, votes, agreement in decided_pairs.choices
        if pair.id in rewards
    )
    by_id = {ranked_pair.pair.id: ranked_pair for ranked_pair in ranked}
    shown: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in decided_pairs.judgements:
        if judgement.pair_id in by_id:
            shown[judgement.pair_id].append(judgement)
    unequal = [(ranked_pair, longer) for ranked_pair in ranked if (longer := longer_of(ranked_pair.pair)) is not None]
    return RewardAgreement(
        ranked=ranked,
        agree=_share(ranked_pair.agrees for ranked_pair in ranked),
        ties=sum(ranked_pair.agrees == 0.5 for ranked_pair in ranked),
        people_longer=_share(longer is ranked_pair.choice for ranked_pair, longer in unequal),
        reward_longer=_share(ranked_pair.prefers(longer) for ranked_pair, longer in unequal),
        people_left=_share(fmean(vote.choice is vote.left for vote in of_pair) for of_pair in shown.values()),
        reward_left=_share(
            fmean(by_id[pair_id].prefers(vote.left) for vote in of_pair) for pair_id, of_pair in shown.items()
        ),
        by_unity={
            unity: _share(ranked_pair.agrees for ranked_pair in ranked if ranked_pair.unity is unity)
            for unity in Unity
            if any(ranked_pair.unity is unity for ranked_pair in ranked)
        },
        by_category=_by_category(ranked),
        left_out=decided_pairs.left_out,
        gold=decided_pairs.gold,
        unscored=len(decided_pairs.choices) - len(ranked),
        unseen=_share(ranked_pair.agrees for ranked_pair in ranked if ranked_pair.pair.id not in seen),
    )


def _by_category(ranked: Sequence[Ranked]) -> dict[str, Share]:
    categories = sorted({str(each.pair.own[CATEGORY]) for each in ranked if CATEGORY in each.pair.own})
    return {
        category: _share(each.agrees for each in ranked if str(each.pair.own.get(CATEGORY)) == category)
        for category in categories
    }


def longer_of(pair: Pair) -> Which | None:
    """The response with more characters; None where both have as many."""
    first, second = len(pair.first.text.strip()), len(pair.second.text.strip())
    if first == second:
        return None
    return Choice.FIRST if first > second else Choice.SECOND


def _in_order(rewards: tuple[float, float], choice: Choice) -> tuple[float, float]:
    """The reward of the chosen response, then that of the other."""
    return rewards if choice is Choice.FIRST else (rewards[1], rewards[0])


def _share(weights: Iterable[float]) -> Share:
    values = list(weights)
    return Share(float(sum(values)), len(values))


def _as_json(ranked: Ranked) -> dict[str, Any]:
    return {
        "pair": ranked.pair.id,
        "prompt": plain_prompt(ranked.pair.prompt),
        "chosen": ranked.chosen.text,
        "other": ranked.other.text,
        "votes": ranked.votes,
        "agreement": ranked.agreement,
        "chosen_reward": ranked.chosen_reward,
        "other_reward": ranked.other_reward,
    }

"""A reward against people: planted rewards over planted judgements."""

from __future__ import annotations

from uuid import uuid4

import pytest

from lab.core.preferences import Choice, Judgement, Pair, Response, WhyNotDerived
from lab.core.reward_agreement import Unity, decided, reward_agreement
from lab.core.shares import Share
from tests.core.swapping import swapped

FIRST, SECOND = Choice.FIRST, Choice.SECOND


def pair(number: int, first: str = "short", second: str = "much longer", **more) -> Pair:
    return Pair(id=f"p{number}", prompt="?", first=Response(text=first), second=Response(text=second), **more)


def said(number: int, choice: Choice, who: str = "a", left: Choice = FIRST) -> Judgement:
    return Judgement(uuid=uuid4(), pair_id=f"p{number}", annotator=who, choice=choice, left=left)


def test_it_counts_what_people_decided_and_ties_as_half():
    pairs = [pair(n) for n in range(7)]
    judged = [said(n, FIRST) for n in range(3)]
    judged += [
        said(3, Choice.TIE),
        said(4, Choice.BOTH_BAD),
        said(5, FIRST),
        said(5, SECOND, "b"),
        said(6, Choice.SKIP),
    ]
    found = decided(pairs, judged)
    agreement = reward_agreement(found, {"p0": (1.0, 0.0), "p1": (0.0, 1.0), "p2": (0.5, 0.5), "p3": (1.0, 0.0)})
    assert agreement.agree == Share(1.5, 3)
    assert agreement.ties == 1
    assert agreement.left_out == {WhyNotDerived.TIE: 1, WhyNotDerived.BOTH_BAD: 1, WhyNotDerived.NO_MAJORITY: 1}
    assert [one.pair.id for one in agreement.disagreements] == ["p1"]
    assert agreement.disagreements[0].margin == -1.0
    assert agreement.disagreements[0].chosen.text == "short"


def test_first_and_second_mean_nothing():
    pairs, judged = [pair(n) for n in range(4)], [said(n, FIRST if n % 2 else SECOND, left=SECOND) for n in range(4)]
    rewards = {f"p{n}": (float(n), 1.5) for n in range(4)}
    one = reward_agreement(decided(pairs, judged), rewards)
    other_way = reward_agreement(
        decided([swapped(each) for each in pairs], [swapped(each) for each in judged]),
        {name: (second, first) for name, (first, second) in rewards.items()},
    )
    for name in ("agree", "ties", "people_longer", "reward_longer", "people_left", "reward_left", "by_unity"):
        assert getattr(one, name) == getattr(other_way, name), name


def test_leanings_to_the_longer_and_to_the_left():
    pairs = [pair(0), pair(1), pair(2, "same size", "size same")]
    judged = [said(0, SECOND, left=SECOND), said(0, SECOND, "b"), said(1, FIRST), said(2, FIRST)]
    found = reward_agreement(decided(pairs, judged), {"p0": (0, 1), "p1": (0, 1), "p2": (1, 1)})
    assert (found.people_longer, found.reward_longer) == (Share(1, 2), Share(2, 2))
    assert found.people_left == Share(0.5 + 1 + 1, 3)
    assert found.reward_left == Share((1 + 0) / 2 + 0 + 0.5, 3)


def test_many_judgements_of_one_pair_make_no_leaning():
    judged = [said(0, FIRST, f"who {n}") for n in range(20)]  # all on the left, and all of one pair
    found = reward_agreement(decided([pair(0)], judged), {"p0": (1, 0)})
    assert found.people_left == Share(1, 1) and found.people_left.interval[0] < 0.5


def test_by_how_far_people_agree():
    judged = [said(0, FIRST), *[said(1, FIRST, who) for who in "abc"], *[said(2, FIRST, who) for who in "ab"]]
    judged.append(said(2, SECOND, "c"))
    rewards = {"p0": (1, 0), "p1": (1, 0), "p2": (0, 1)}
    found = reward_agreement(decided([pair(n) for n in range(3)], judged), rewards)
    assert found.by_unity == {Unity.ONE_VOTE: Share(1, 1), Unity.ALL: Share(1, 1), Unity.MOST: Share(0, 1)}
    assert found.as_json()["by_unity"]["most"]["share"] == 0
    assert found.disagreements[0].agreement == pytest.approx(2 / 3)


def test_gold_pairs_and_pairs_it_was_not_asked_about_are_counted_apart():
    pairs = [pair(0, gold=FIRST), pair(1), pair(2), pair(3)]
    found = reward_agreement(decided(pairs, [said(n, FIRST) for n in range(3)]), {"p0": (1, 0), "p1": (1, 0)})
    assert (found.gold, found.unscored, found.agree) == (1, 1, Share(1, 1))


def test_of_nothing_nothing_is_said():
    found = reward_agreement(decided([pair(0)], []), {})
    assert found.agree == Share(0, 0)
    assert found.as_json()["agree"]["low"] == 0 and found.as_json()["agree"]["high"] == 1


def test_pairs_that_a_model_was_trained_on_are_told_apart():
    found = decided([pair(0), pair(1), pair(2)], [said(n, FIRST) for n in range(3)])
    agreement = reward_agreement(found, {"p0": (1, 0), "p1": (1, 0), "p2": (0, 1)}, seen={"p0", "p1"})
    assert (agreement.agree, agreement.unseen) == (Share(2, 3), Share(0, 1))

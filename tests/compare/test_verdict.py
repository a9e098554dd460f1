"""What a comparison may say: three constructed cases (equal, hacked, too few samples), and what paired seeds support."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import pytest

from lab.compare.runs import ComparedRun, compared
from lab.compare.verdict import Standing, difference, differences, groups_of, hacked, policies, verdict
from lab.store.runs import Store
from tests.compare.made_runs import course, made_run

PASSES = {"one": (0.91, 0.86, 0.90), "other": (0.80, 0.77, 0.79), "near": (0.92, 0.88, 0.88)}


def group_runs(store: Store, **passes: tuple[float, ...]) -> list[ComparedRun]:
    runs = [
        made_run(
            store, seed=seed, after=after, before=0.55, group_size=2 ** (place + 1), learning_rate=1e-4 * (place + 1)
        )
        for place, values in enumerate(passes.values())
        for seed, after in enumerate(values, 1)
    ]
    entries = {run.id: (list(passes)[place // 3], list(passes)[place // 3]) for place, run in enumerate(runs)}
    return compared(store, [run.id for run in runs], entries=entries)


def keys(runs: list[ComparedRun]) -> list[str]:
    return [phrase.key.removeprefix("compared.verdict.") for phrase in verdict(runs)]


def test_a_paired_difference_is_the_paired_t_interval(store: Store) -> None:
    groups = groups_of(group_runs(store, one=PASSES["one"], other=PASSES["other"]))
    gap = difference(*groups)
    gaps = [a - b for a, b in zip(PASSES["one"], PASSES["other"], strict=True)]
    half = 4.30265 * stdev(gaps) / math.sqrt(3)  # t of 97.5 %, two degrees of freedom, from a table
    assert gap.interval is not None
    assert gap.interval.mean == pytest.approx(fmean(gaps))
    assert gap.interval.half == pytest.approx(half, rel=1e-4)
    assert gap.standing is Standing.DISTINGUISHABLE


def test_what_cannot_be_told_apart_is_not_ranked(store: Store) -> None:
    runs = group_runs(store, one=PASSES["one"], near=PASSES["near"], other=PASSES["other"])
    assert keys(runs) == ["level", "behind"]
    said = verdict(runs)[0].say("en")
    assert "one" in said and "near" in said and "cannot be told apart" in said
    assert {gap.standing for gap in differences(groups_of(runs))} == {
        Standing.DISTINGUISHABLE,
        Standing.NOT_DISTINGUISHABLE,
    }


def test_equal_runs(store: Store) -> None:
    runs = group_runs(store, one=PASSES["one"], twin=PASSES["one"])
    assert keys(runs) == ["equal"]
    assert difference(*groups_of(runs)).standing is Standing.EQUAL


def test_a_hacked_run(store: Store) -> None:
    runs = [
        made_run(store, seed=seed, before=0.55, after=after, reward=(0.3, 0.9), steps=40)
        for seed, after in ((1, 0.31), (2, 0.2))
    ]
    group = groups_of(compared(store, [run.id for run in runs]))[0]
    assert hacked(group)
    assert keys(compared(store, [run.id for run in runs])) == ["hacked"]
    honest = [made_run(store, seed=seed, before=0.55, after=0.7, reward=(0.3, 0.9), beta=0.1) for seed in (1, 2)]
    assert keys(compared(store, [run.id for run in [*runs, *honest]]))[0] == "hacked"
    assert not hacked(groups_of(compared(store, [run.id for run in honest]))[0])


def test_several_hacked_groups_share_one_sentence(store: Store) -> None:
    runs = [
        made_run(store, before=0.55, after=0.3, reward=(0.3, 0.9), steps=40, group_size=2**place) for place in (1, 2, 3)
    ]
    named = compared(store, [run.id for run in runs])
    assert keys(named[:2]) == ["hacked", "hacked"] and keys(named) == ["hacked_several"]
    assert all(group.label in verdict(named)[0].say("en") for group in groups_of(named))


def test_the_reward_that_was_optimised_counts_and_not_the_held_out_one(store: Store) -> None:
    """PPO on a bad reward model: its score rises while the rules' held-out reward stays."""
    run = made_run(store, before=0.55, after=0.54, reward=(1.8, 1.8), train_reward=(-1.0, 4.0))
    assert hacked(groups_of(compared(store, [run.id]))[0])
    still = made_run(store, before=0.55, after=0.54, reward=(1.8, 1.8), train_reward=(1.8, 1.81))
    assert not hacked(groups_of(compared(store, [still.id]))[0])


def test_too_few_samples(store: Store) -> None:
    runs = [made_run(store, seed=seed, after=1.0, samples=29) for seed in (1, 2, 3)]
    assert keys(compared(store, [run.id for run in runs])) == ["few_samples"]
    assert "29" in verdict(compared(store, [run.id for run in runs]))[0].say("en")
    enough = [made_run(store, seed=seed, after=1.0, samples=30) for seed in (1, 2, 3)]
    assert "few_samples" not in keys(compared(store, [run.id for run in enough]))


def test_one_seed_is_said(store: Store) -> None:
    runs = [made_run(store, after=0.9), made_run(store, after=0.6, beta=0.2)]
    assert keys(compared(store, [run.id for run in runs])) == ["leads", "behind_by", "one_seed"]
    pair = differences(groups_of(compared(store, [run.id for run in runs])))[0]
    assert pair.standing is Standing.ONE_SEED and pair.interval is not None and pair.interval.low > 0.25


def test_nothing_is_measured(store: Store) -> None:
    assert keys(compared(store, [made_run(store, after=None).id])) == ["nothing_measured"]
    assert keys([]) == ["nothing_measured"]


def test_the_course_leaves_the_reward_model_out(store: Store) -> None:
    runs = [run.id for of_entry in course(store).values() for run in of_entry]
    every = compared(store, runs)
    assert len(groups_of(every)) == 5  # seeds of one recipe, though each starts from a run of its own
    assert [group.algorithm for group in policies(groups_of(every))] == ["sft", "dpo", "ppo", "grpo"]
    assert "drifts" in keys(every)


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_sentence_has_its_words(store: Store, locale: str) -> None:
    runs = group_runs(store, one=PASSES["one"], near=PASSES["near"], other=PASSES["other"])
    gaps = [gap.sentence for gap in differences(groups_of(runs))]
    assert gaps and verdict(runs)
    for phrase in [*verdict(runs), *gaps]:
        said = phrase.say(locale)
        assert phrase.key not in said and "{" not in said

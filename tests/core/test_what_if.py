"""What if: the worked example and random groups under other rewards, thresholds and estimators."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.groups import Estimator, ThresholdKind, make_group
from lab.core.rules import Reward, Score
from lab.core.what_if import WhatIf, ranks, summary, what_if

REWARDS = [3.0, 2.5, 3.0, 0.0, 3.0]


def line_of(rewards: list[float], kind: ThresholdKind = ThresholdKind.ABOVE_MEAN, fraction: float = 0.2) -> dict:
    group = make_group(rewards, kind, fraction)
    return {
        "version": 1, "step": 7, "group": 2, "prompt": "解方程：3x + 5 = 20", "answer": "5",
        "mean": group.mean, "std": group.std, "threshold": {"kind": str(kind), "fraction": fraction},
        "completions": [
            {"text": f"c{n}", "scores": {"a": reward}, "reward": reward, "advantage": group.advantages[n],
             "kept": group.kept[n], "why_dropped": group.why_dropped[n]}
            for n, reward in enumerate(rewards)
        ],
    }  # fmt: skip


def given_rewards(values: list[float]) -> list[Reward]:
    return [Reward(value, {"b": Score(value)}) for value in values]


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=2, max_size=9), st.sampled_from(ThresholdKind))
def test_nothing_changed_changes_nothing(rewards: list[float], kind: ThresholdKind) -> None:
    change = what_if(json.loads(json.dumps(line_of(rewards, kind))))
    assert all(one.old == one.new for one in change.completions)
    told = summary([change])
    assert told["old"] == told["new"]
    assert told["newly_kept"] == told["newly_dropped"] == told["rank_changes"] == told["another_best"] == 0


def test_another_threshold_on_the_worked_example() -> None:
    change = what_if(line_of(REWARDS), change=WhatIf(threshold=ThresholdKind.TOP_FRACTION, fraction=0.2))
    assert [one.old.kept for one in change.completions] == [True, True, True, False, True]
    assert [one.new.kept for one in change.completions] == [True, False, False, False, False]
    assert summary([change])["newly_dropped"] == 3


def test_another_estimator() -> None:
    loo = what_if(line_of(REWARDS), change=WhatIf(estimator=Estimator.LEAVE_ONE_OUT))
    expected = [r - (sum(REWARDS) - r) / 4 for r in REWARDS]
    assert [one.new.advantage for one in loo.completions] == pytest.approx(expected)
    kept_as_it_was = what_if(line_of(REWARDS), was=Estimator.UNSCALED)
    assert [one.new.advantage for one in kept_as_it_was.completions] == pytest.approx([0.7, 0.2, 0.7, -2.3, 0.7])


def test_other_rewards_change_ranks_and_who_is_kept() -> None:
    change = what_if(line_of(REWARDS), given_rewards([0.0, 1.0, 0.0, 4.0, 0.0]))
    assert [one.new.rank for one in change.completions] == [3, 2, 3, 1, 3]
    assert [one.new.kept for one in change.completions] == [False, False, False, True, False]
    assert change.completions[3].scores == {"b": 4.0}
    told = summary([change])
    assert (told["newly_kept"], told["newly_dropped"], told["another_best"]) == (1, 4, 1)
    assert told["new"]["reward"] == 1.0
    json.dumps(change.as_json())
    assert change.as_json()["completions"][3]["new"]["reward"] == 4.0


def test_unscored_completions_are_last_and_stay_json() -> None:
    line = line_of(REWARDS)
    line["completions"][0]["reward"] = None
    change = what_if(line)
    assert change.completions[0].new.reward is None
    assert change.completions[0].new.why_dropped == "unscored"
    assert json.loads(json.dumps(change.as_json(), allow_nan=False))["completions"][0]["new"]["rank"] == 5


def test_rewards_must_be_one_a_completion() -> None:
    with pytest.raises(ValueError, match="rewards for 5"):
        what_if(line_of(REWARDS), given_rewards([1.0]))


def test_equal_values_share_a_rank() -> None:
    assert ranks([1.0, 2.0, 2.0, float("nan")]) == [3, 1, 1, 4]

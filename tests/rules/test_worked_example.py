"""The worked example of the course, number by number: 解方程 3x + 5 = 20, five completions, who is kept."""

from __future__ import annotations

import pytest

from lab.core.groups import Estimator, Group, ThresholdKind, make_group
from lab.core.rules import Reward
from lab.rules import RULES
from lab.sandbox.rewards import Weighed, reward_batch

PROMPT, ANSWER = "解方程：3x + 5 = 20", "5"

# completion, integer_answer, consistent, equals_answer, reward, kept above the mean, kept at T = 20 %
TABLE = [
    ("x = 5", 1, 1, 1, 3, True, True),
    ("x = 15/3", 0.5, 1, 1, 2.5, True, False),
    ("x = 5", 1, 1, 1, 3, True, False),
    ("无解", 0, 0, 0, 0, False, False),
    ("3x = 15 → x = 5", 1, 1, 1, 3, True, False),
]
RULE_SET = [Weighed(RULES[name]) for name in ("integer_answer", "consistent", "equals_answer")]


def reward_of(completion: str) -> Reward:
    return reward_batch(RULE_SET, [(PROMPT, completion, ANSWER)])[0]


def group(threshold: ThresholdKind, fraction: float = 1.0) -> Group:
    rewards = [reward_of(row[0]).value for row in TABLE]
    return make_group(rewards, threshold, fraction)


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_scores_and_reward(row: tuple) -> None:
    completion, integer, consistent, equals, reward, *_ = row
    result = reward_of(completion)
    values = {name: score.value for name, score in result.scores.items()}
    assert values == {"integer_answer": integer, "consistent": consistent, "equals_answer": equals}
    assert all(score.error is None for score in result.scores.values())
    assert result.value == reward


def test_mean_and_standard_deviation() -> None:
    example = group(ThresholdKind.ALL)
    assert example.mean == pytest.approx(2.3)
    assert round(example.std, 4) == 1.3038
    assert example.advantages == pytest.approx([0.536834, 0.153381, 0.536834, -1.763884, 0.536834], abs=1e-6)


def test_kept_above_the_mean() -> None:
    assert list(group(ThresholdKind.ABOVE_MEAN).kept) == [row[5] for row in TABLE]


def test_kept_in_the_top_twenty_percent() -> None:
    assert list(group(ThresholdKind.TOP_FRACTION, 0.2).kept) == [row[6] for row in TABLE]


def test_advantages_without_scaling() -> None:
    rewards = [row[4] for row in TABLE]
    assert make_group(rewards, estimator=Estimator.UNSCALED).advantages == pytest.approx([0.7, 0.2, 0.7, -2.3, 0.7])

"""A run's folder scored anew: by other rules, with what a reward model said, and no more of it than asked."""

from __future__ import annotations

import pytest

from lab.core.groups import Estimator, ThresholdKind
from lab.core.recipes import RuleUse, parse
from lab.core.what_if import WhatIf
from lab.errors import InputError
from lab.runs.rescoring import MOST_STEPS, rescore
from lab.sandbox.rewards import weighed
from lab.sandbox.written import worker
from lab.store.run_folder import RunFolder
from lab.store.runs import Store
from tests.core.test_what_if import REWARDS, line_of

TEXTS = ["x = 5", "x = 15/3", "x = 5", "无解", "3x = 15 → x = 5"]
SHORT = [RuleUse(name="short", source="def reward(p, c, a):\n    return 1.0 if len(c) < 6 else 0.0\n")]


@pytest.fixture
def recorded(tmp_path):
    stores = []

    def make(steps: int = 3, every: int = 1, **recipe) -> RunFolder:
        store = Store(tmp_path)
        stores.append(store)
        folder = store.folder(store.create_run(parse({"algorithm": "grpo", **recipe})).id)
        for step in range(1, steps + 1):
            line = line_of(REWARDS, ThresholdKind.ALL if recipe.get("algorithm") == "ppo" else ThresholdKind.ABOVE_MEAN)
            for completion, text in zip(line["completions"], TEXTS, strict=True):
                completion |= {"text": text, "scores": {"short": 1.0, "reward_model": 10.0}}
            folder.append("groups", line | {"step": step * every})
        return folder

    yield make
    for store in stores:
        store.close()
    worker().close()


def test_other_rules(recorded) -> None:
    found = rescore(recorded(), weighed(SHORT), 2, 3)
    assert [group.step for group in found.groups] == [2, 3]
    assert [one.new.reward for one in found.groups[0].completions] == [1.0, 0.0, 1.0, 1.0, 0.0]
    assert [one.new.kept for one in found.groups[1].completions] == [True, False, True, True, False]
    assert found.summary["groups"] == 2 and found.summary["new"]["reward"] == 0.6


def test_the_recorded_rewards_with_another_threshold(recorded) -> None:
    found = rescore(recorded(), None, 1, 1, WhatIf(ThresholdKind.TOP_FRACTION, 0.2, Estimator.LEAVE_ONE_OUT))
    assert [one.new.reward for one in found.groups[0].completions] == REWARDS
    assert sum(one.new.kept for one in found.groups[0].completions) == 1


def test_a_runs_own_estimator_stays(recorded) -> None:
    found = rescore(recorded(scale_rewards=False), None, 1, 1)
    assert [one.new.advantage for one in found.groups[0].completions] == pytest.approx([0.7, 0.2, 0.7, -2.3, 0.7])


def test_a_run_that_left_one_out_does_so_anew(recorded) -> None:
    groups = rescore(recorded(scale_rewards=False, baseline="leave_one_out"), None, 1, 1).groups
    others = [sum(REWARDS[:n] + REWARDS[n + 1 :]) / 4 for n in range(5)]
    expected = [reward - other for reward, other in zip(REWARDS, others, strict=True)]
    assert [one.new.advantage for one in groups[0].completions] == pytest.approx(expected)


def test_what_a_reward_model_said_keeps_its_part(recorded) -> None:
    recipe = {"algorithm": "ppo", "reward_model": "run:x", "reward_model_weight": 0.1, "rules_weight": 2.0}
    found = rescore(recorded(**recipe), weighed(SHORT), 1, 1)
    assert [one.new.reward for one in found.groups[0].completions] == [3.0, 1.0, 3.0, 3.0, 1.0]
    assert found.groups[0].completions[0].scores == {"short": 1.0, "reward_model": 10.0}


def test_the_weight_of_ppos_rules_counts_without_a_reward_model_too(recorded) -> None:
    found = rescore(recorded(algorithm="ppo", rules_weight=2.0), weighed(SHORT), 1, 1)
    assert [one.new.reward for one in found.groups[0].completions] == [2.0, 0.0, 2.0, 2.0, 0.0]


def test_ppos_advantages_stay_or_are_not_known(recorded) -> None:
    """They come of values, token by token: the group's would be another number in their place."""
    folder = recorded(algorithm="ppo")
    unchanged = rescore(folder, None, 1, 1).groups[0].completions
    assert unchanged and all(one.old == one.new for one in unchanged)
    rescored = rescore(folder, weighed(SHORT), 1, 1).groups[0].completions
    assert len(rescored) == len(unchanged)
    for one in rescored:
        assert one.old.advantage is not None and one.new.advantage is None


def test_a_completion_without_the_reward_models_score_is_unscored(recorded) -> None:
    folder = recorded(1, algorithm="ppo", reward_model="run:x")
    (line,) = folder.group_lines(1, 1)
    line["completions"][0]["scores"]["reward_model"] = None
    folder.append("groups", line | {"step": 2})
    first, second, *_ = rescore(folder, weighed(SHORT), 2, 2).groups[0].completions
    assert (first.new.reward, first.new.kept, first.new.why_dropped) == (None, False, "unscored")
    assert first.scores["reward_model"] == {"error": "was not recorded"}
    assert second.new.reward == 10.0


def test_no_more_than_asked_for_at_once(recorded) -> None:
    folder = recorded(MOST_STEPS + 1)
    with pytest.raises(InputError, match="steps_asked"):
        rescore(folder, None, 1, 1 + MOST_STEPS)
    with pytest.raises(InputError, match="steps_asked"):
        rescore(folder, None, 2, 1)
    assert len(rescore(folder, None, 2, 1 + MOST_STEPS).groups) == MOST_STEPS
    assert rescore(folder, None, 70, 90).groups == ()


def test_steps_count_that_were_recorded(recorded) -> None:
    """A run that uses each rollout three times records every third step."""
    folder = recorded(MOST_STEPS, every=3)
    assert len(rescore(folder, None, 1, 3 * MOST_STEPS).groups) == MOST_STEPS

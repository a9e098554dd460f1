"""Written rules in training: scored in the sandbox a batch at a time, their errors recorded, and one that always fails stops the run."""

from __future__ import annotations

import pytest

from lab.core.recipes import GrpoRecipe, RuleUse
from lab.errors import RuleError
from lab.sandbox import written
from lab.sandbox.rewards import weighed
from lab.training.measure import heldout as measure
from tests.training.test_grpo import SMALL

ODD = """
def reward(prompt, completion, answer):
    if len(completion) % 2:
        raise ValueError("an odd one")
    return len(completion) % 7 / 7
"""
USES = [
    RuleUse(name="even", source=ODD, weight=2.0, fallback=0.25),
    RuleUse(
        name="starts", source="def reward(prompt, completion, answer):\n    return completion[:1] < 'm'\n", weight=0.5
    ),
]


def test_scores_and_errors_stand_in_the_groups_and_in_the_metrics(group_trainer, monkeypatch):
    asked = []
    ask = written.worker().ask
    monkeypatch.setattr(written.worker(), "ask", lambda request: asked.append(len(request["rows"])) or ask(request))
    seen = []
    trainer = group_trainer(GrpoRecipe(**SMALL | {"steps": 2}), rules=weighed(USES), on_rollout=seen.append)
    trainer.train()
    assert asked == [16, 16, 16, 16], "one call a rule and batch"
    completions = [
        one for line in seen[0].lines({"kind": "above_mean", "fraction": 0.2}) for one in line["completions"]
    ]
    failed = 0
    for one in completions:
        length, score = len(one["text"]), one["scores"]["even"]
        if length % 2:
            failed += 1
            assert score == {"error": "ValueError: an odd one (line 4)"}
        value = 0.25 if length % 2 else length % 7 / 7
        assert one["reward"] == pytest.approx(2.0 * value + 0.5 * one["scores"]["starts"])
    metrics = seen[0].metrics()
    assert metrics.get("errors/even", 0) == failed
    assert 0 < metrics["reward_seconds"] < 10
    assert 0 <= metrics["repetition"] <= 1 and 0 < metrics["distinct_share"] <= 1 and 0 <= metrics["same_answer"] <= 1


def test_one_that_always_fails_stops_the_run(group_trainer):
    broken = weighed([USES[1], RuleUse(name="broken", source="def reward(p, c, a):\n    return 1 / 0\n")])
    seen = []
    trainer = group_trainer(GrpoRecipe(**SMALL), rules=broken, on_rollout=seen.append)
    with pytest.raises(RuleError, match="rule_always_fails") as caught:
        trainer.train()
    assert caught.value.params["rule"] == "broken"
    assert "division by zero (line 2)" in caught.value.params["why"]
    assert len(seen) == 2, "the third batch in a row stops it"


def test_held_out_pass_at_1_is_the_labs_own_whatever_the_rules_are(make_model, tokenizer):
    rules = weighed([RuleUse(name="all", source="def reward(p, c, a):\n    return 1.0\n", weight=3.0)])
    rows = [{"prompt": f"Solve {n}x = {n}.", "answer": "1"} for n in range(2, 6)]
    found = measure.held_out(make_model(), tokenizer, rows, rules, samples=8, max_new_tokens=4, seed=1)
    assert found["reward"] == 3.0 and found["samples"] == 8
    assert found["pass_at_1"] < 1.0, "an untrained model is not always right"

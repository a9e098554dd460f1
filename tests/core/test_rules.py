"""Rules: whatever a rule does becomes a score, never a crash, a silent zero or a NaN."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.rules import CLOSE, Rule, Score, check, score, weigh


def rule(function, **kwargs):
    return Rule("under_test", function, **kwargs)


@pytest.mark.parametrize(("value", "number"), [(True, 1.0), (False, 0.0), (1, 1.0), (0.25, 0.25)])
def test_numbers_and_bools_are_scores(value, number):
    result = score(rule(lambda *_: value), "p", "c", None)
    assert (result.value, result.error) == (number, None)


@pytest.mark.parametrize("value", [None, "1", [1], math.nan, math.inf, -math.inf, 1.01, -0.01, 10**400, 1j, b"1"])
def test_everything_else_is_an_error_with_the_fallback(value):
    result = check(rule(lambda *_: None, fallback=0.5), value)
    assert result.value == 0.5
    assert result.error


def test_an_exception_is_recorded_with_its_type_and_cut():
    def fails(*_):
        raise ValueError("no answer\n" + "x" * 10_000)

    result = score(rule(fails, fallback=0.5), "p", "c", None)
    assert result.value == 0.5
    assert result.error.startswith("ValueError: no answer ")
    assert len(result.error) <= 200


def test_a_lone_surrogate_in_a_message_can_still_be_stored():
    def fails(*_):
        raise ValueError("\udcff")

    score(rule(fails), "p", "c", None).error.encode("utf-8")


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 1)), min_size=1, max_size=5))
def test_the_reward_is_the_weighted_sum(pairs):
    scores = {f"r{i}": Score(value) for i, (_, value) in enumerate(pairs)}
    reward = weigh(scores, {f"r{i}": weight for i, (weight, _) in enumerate(pairs)})
    assert reward.value == pytest.approx(sum(w * v for w, v in pairs), abs=1e-9)
    assert reward.scores == scores


def test_a_failing_rule_counts_with_its_fallback():
    reward = weigh({"good": Score(1.0), "bad": Score(0.25, "RuntimeError: broken")}, {"good": 1.0, "bad": 2.0})
    assert reward.value == 1.5
    assert reward.scores["bad"].as_json() == {"error": "RuntimeError: broken"}


def test_a_score_meets_what_was_expected_and_an_error_never_does() -> None:
    assert Score(1.0).meets(1.0) and Score(1.0 + CLOSE / 2).meets(1.0)
    assert not Score(1.0 - 2 * CLOSE).meets(1.0) and not Score(0.0).meets(1.0)
    assert not Score(1.0, "ZeroDivisionError").meets(1.0), "a fallback is not what was expected"

"""The pre-flight's numbers against plain numpy, and its verdict on groups that were made for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core import preflight
from lab.core.preflight import PreflightReport, Verdict, report
from lab.core.preflight_numbers import People, RuleInSet, Scored
from lab.core.rules import Score
from lab.core.shares import Share
from lab.words import table

ONE = [RuleInSet("one", 1.0, 0.0, 1.0)]
RULES = [RuleInSet("a", 2.0, 0.0, 1.0), RuleInSet("b", -0.5, 0.0, 1.0)]


def completion(reward: float, *, error: str | None = None, tokens: int = 5, truncated: bool = False) -> Scored:
    return Scored(reward, {"one": Score(reward, error)}, tokens, truncated)


def look(rows: list[list[float]], **how: object) -> PreflightReport:
    return report([[completion(reward) for reward in row] for row in rows], ONE, **how)  # type: ignore[arg-type]


def two(a: float, b: float, tokens: int) -> Scored:
    return Scored(2 * a - 0.5 * b, {"a": Score(a), "b": Score(b)}, tokens, False)


unit = st.floats(0, 1, width=32)
scored = st.builds(two, unit, unit, st.integers(1, 40))


@given(
    st.integers(2, 5).flatmap(
        lambda size: st.lists(st.lists(scored, min_size=size, max_size=size), min_size=1, max_size=6)
    )
)
def test_shares_of_variance_add_up_and_correlations_are_pearsons(groups: list[list[Scored]]) -> None:
    numbers = report(groups, RULES).as_json()
    rewards = np.array([[one.reward for one in group] for group in groups])
    centred = (rewards - rewards.mean(1, keepdims=True)).ravel()
    shares = [rule["share_of_variance"] for rule in numbers["rules"]]
    if (centred**2).sum() < 1e-6:
        assert shares == [None, None]
        return
    assert sum(shares) == pytest.approx(1.0, abs=1e-6)
    tokens = np.array([[one.tokens for one in group] for group in groups], dtype=float)
    lengths = (tokens - tokens.mean(1, keepdims=True)).ravel()
    if (r := numbers["with_length"]) is not None:
        assert r == pytest.approx(np.corrcoef(centred, lengths)[0, 1], abs=1e-6)
    else:
        assert np.sqrt((centred**2).sum() * (lengths**2).sum()) < 1e-6


def test_what_belongs_to_the_prompt_is_no_variance_that_grpo_sees_but_a_critic_does() -> None:
    groups = [[two(0.0, b, 5) for b in (0.0, 1.0)], [two(1.0, b, 5) for b in (0.0, 1.0)]]
    within = {rule["name"]: rule["share_of_variance"] for rule in report(groups, RULES).as_json()["rules"]}
    assert within == pytest.approx({"a": 0.0, "b": 1.0})
    across = {rule["name"]: rule["share_of_variance"] for rule in report(groups, RULES, critic=True).as_json()["rules"]}
    assert across["a"] == pytest.approx(2.0**2 / (2.0**2 + 0.5**2))


@pytest.mark.parametrize(
    ("rows", "kind", "key"),
    [
        ([[0.0] * 4] * 8, Verdict.BAD, "always_lowest"),
        ([[1.0] * 4] * 8, Verdict.BAD, "always_highest"),
        ([[0.4] * 4] * 8, Verdict.BAD, "always_same"),
        ([[0.0] * 4] * 9 + [[0.0, 1.0, 0.0, 1.0]], Verdict.BAD, "too_hard"),
        ([[0.0] * 4] * 6 + [[0.0, 1.0, 0.0, 1.0]] * 4, Verdict.WARNING, "too_hard"),
        ([[1.0] * 4] * 6 + [[0.0, 1.0, 0.0, 1.0]] * 4, Verdict.WARNING, "too_easy"),
        ([[1.0] * 4] * 3 + [[0.0] * 4] * 3 + [[0.0, 1.0, 0.0, 1.0]] * 4, Verdict.WARNING, "too_alike"),
        ([[0.0] * 4] * 3 + [[0.0, 1.0, 0.0, 1.0]] * 7, Verdict.GOOD, "good"),
    ],
)
def test_the_verdict(rows: list[list[float]], kind: Verdict, key: str) -> None:
    found = look(rows)
    assert (found.kind, found.reason.key) == (kind, key)


def test_a_negative_weight_turns_a_rules_bounds_round() -> None:
    silent = [[two(0.0, 1.0, 5)] * 4, [two(1.0, 0.0, 5)] * 4, [two(0.0, 0.0, 5)] * 4]
    numbers = report(silent, RULES).as_json()
    assert (numbers["reward"]["low"], numbers["reward"]["high"]) == (-0.5, 2.0)
    assert (numbers["no_spread"]["at_bottom"], numbers["no_spread"]["at_top"]) == (2, 1), "−0.5 and 0 of −0.5 to 2; 2"


def test_the_share_without_spread_in_words() -> None:
    found = look([[0.0] * 4] * 61 + [[0.0, 1.0, 0.0, 1.0]] * 39)
    assert found.reason.params == {"percent": 61, "low": 51, "high": 70, "groups": 100}
    assert found.as_json()["no_spread"] == {
        "share": 0.61, "low": pytest.approx(0.512, abs=1e-3), "high": pytest.approx(0.7, abs=1e-3),
        "count": 61, "of": 100, "at_bottom": 61, "at_top": 0,
    }  # fmt: skip


def test_a_rule_that_fails_comes_first() -> None:
    groups = [[completion(0.0, error="boom"), completion(1.0), completion(0.0, error="boom"), completion(0.0)]] * 4
    found = report(groups, ONE)
    assert (found.kind, found.reason.key) == (Verdict.BAD, "rule_fails")
    assert found.reason.params == {"rule": "one", "percent": 50, "message": "boom"}
    assert found.as_json()["rules"][0]["messages"] == [["boom", 8]]


def test_a_few_failures_are_a_note() -> None:
    groups = [[completion(float(n % 2)) for n in range(7)] + [completion(0.0, error="boom")] for _ in range(2)]
    groups += [[completion(float(n % 2)) for n in range(8)] for _ in range(6)]
    found = report(groups, ONE)
    assert found.reason.key == "good"
    assert [note.params["percent"] for note in found.notes if note.key == "some_errors"] == [3]


def test_a_critic_learns_across_prompts() -> None:
    rows = [[0.0, 0.0], [1.0, 1.0]] * 8
    assert look(rows).reason.key == "too_alike"
    assert look(rows, critic=True).reason.key == "good_critic"
    rare = [[0.0, 0.0]] * 24 + [[0.0, 1.0]]
    assert look(rare, critic=True).reason.key == "rarely_rewarded"
    assert look([[1.0, 1.0]] * 24 + [[0.0, 1.0]], critic=True).reason.key == "nearly_always"


def test_notes() -> None:
    def keys(groups: list[list[Scored]], **how: object) -> list[str]:
        return [note.key for note in report(groups, RULES, **how).notes]  # type: ignore[arg-type]

    tied = [[two(n / 4, 0.3, 5) for n in range(5)]] * 40
    assert keys(tied) == ["rule_constant", "rule_dominates"]
    assert "longer_pays" in keys([[two(n / 4, 0.3, 5 + n) for n in range(5)]] * 40)
    assert "shorter_pays" in keys([[two(n / 4, 0.3, 50 - n) for n in range(5)]] * 40)
    alike = keys([[two(n / 4, n / 4, 5) for n in range(5)]] * 40)
    assert "rules_alike" in alike and "rule_against" in alike
    assert "few_prompts" in keys([[two(n / 4, 0.3, 5) for n in range(5)], [two(0, 0, 5)] * 5] * 3)
    cut = [[Scored(one.reward, one.scores, 9, n < 2) for n, one in enumerate(group)] for group in tied]
    assert "truncated" in keys(cut)
    assert "people_differ" in keys(tied, people=People(Share(1, 10), 0))
    assert "people_differ" not in keys(tied, people=People(Share(9, 10), 0))


def test_agreement_with_people() -> None:
    found = look([[0.0, 1.0]] * 4, people=People(Share(2.5, 4), 1))
    people = found.as_json()["people"]
    assert (people["agree"], people["pairs"], people["ties"], people["failures"]) == (0.625, 4, 1, [])
    assert (people["low"], people["high"]) == Share(2.5, 4).interval
    assert look([[0.0, 1.0]] * 4).as_json()["people"] is None


def test_rules_that_cannot_tell_what_people_judged_are_not_said_to_differ_from_them() -> None:
    failed = (("equals_answer", Share(11, 12), "no answer"),)
    notes = look([[0.0, 1.0]] * 4, people=People(Share(3, 6), 6, failed)).notes
    assert [(note.key, note.params) for note in notes if note.key.startswith("people")] == [
        ("people_rule_fails", {"rule": "equals_answer", "percent": 92, "message": "no answer"}),
        ("people_tied", {"ties": 6, "pairs": 6}),
    ]


def test_a_reward_model_has_no_bounds() -> None:
    groups = [[Scored(value, {"rm": Score(value)}, 5, False) for value in (-3.0, 4.0)]] * 4
    found = report(groups, [RuleInSet("rm", 1.0, None, None)], critic=True)
    assert found.reason.key == "good_critic"
    assert (found.as_json()["reward"]["low"], found.as_json()["reward"]["high"]) == (None, None)
    same = [[Scored(4.0, {"rm": Score(4.0)}, 5, False)] * 2] * 4
    assert report(same, [RuleInSet("rm", 1.0, None, None)], critic=True).reason.key == "always_same"


def test_every_sentence_has_its_words_and_the_report_is_json() -> None:
    words = table("en")
    keys = {
        "rule_fails", "always_lowest", "always_highest", "always_same", "too_hard", "too_easy", "too_alike", "good",
        "good_critic", "rarely_rewarded", "nearly_always", "rarely_differs", "some_errors", "rule_constant", "rule_against",
        "rule_dominates", "rules_alike", "longer_pays", "shorter_pays", "truncated", "people_differ", "people_tied", "people_rule_fails", "few_prompts",
    }  # fmt: skip
    text = Path(preflight.__file__).read_text("utf-8")
    assert {key for key in keys if f'"{key}"' not in text} == set()
    assert {f"preflight.{key}" for key in keys} <= set(words)
    shown = look([[0.0, 1.0]] * 4).as_json()
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


@pytest.mark.parametrize("groups", [[], [[]], [[completion(0.0)], [completion(0.0)] * 2]])
def test_groups_of_one_size(groups: list[list[Scored]]) -> None:
    with pytest.raises(ValueError, match="groups of one size"):
        report(groups, ONE)

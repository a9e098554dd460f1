"""Reward hacking: found where it was planted, named by its rule, and not found in runs that are well."""

from __future__ import annotations

import random

import pytest

from lab.core.hacking import find_hacking, pick_samples
from lab.core.text_health import repetition, same_answer, text_health

WEIGHTS = {"short": 1.0, "equals_answer": 0.5}


def run_of(
    steps: int = 100,
    *,
    short=(0.2, 0.9),
    right=(0.4, 0.4),
    pass_at_1=(0.4, 0.4),
    every: int = 20,
    noise: float = 0.05,
    **text,
) -> list[dict]:
    """A run whose means move in a straight line from the first number to the second."""
    chance = random.Random(1)
    text = {"completion_tokens": (20, 20), "repetition": (0.0, 0.0), "same_answer": (0.05, 0.05)} | text

    def at(ends, step: int) -> float:
        return ends[0] + (ends[1] - ends[0]) * step / steps

    lines = [held_out(0, pass_at_1[0])] if every else []
    for step in range(1, steps + 1):
        line = {"step": step, "rule/short": at(short, step), "rule/equals_answer": at(right, step)}
        line |= {name: at(ends, step) for name, ends in text.items()}
        lines.append(
            {name: value if name == "step" else value + chance.gauss(0, noise * 0.2) for name, value in line.items()}
        )
        if every and step % every == 0:
            lines.append(held_out(step, at(pass_at_1, step)))
    return lines


def held_out(step: int, share: float, samples: int = 512) -> dict:
    return {"step": step, "held_out": {"pass_at_1": share, "samples": samples}}


def test_pass_at_1_that_falls_while_the_reward_rises() -> None:
    (found,) = find_hacking(run_of(pass_at_1=(0.6, 0.1)), WEIGHTS)
    assert (found.signal, found.rule, found.since, found.step) == ("pass_at_1", "short", 0, 20)
    assert found.reward_now > found.reward_before
    assert (found.before, found.now) == (0.6, pytest.approx(0.5))


def test_a_runs_state_at_a_step_is_the_mean_of_the_six_rollouts_up_to_it() -> None:
    (found,) = find_hacking(run_of(pass_at_1=(0.6, 0.1), noise=0.0), WEIGHTS)
    assert (found.since, found.step) == (0, 20)

    def mean(steps: range) -> float:
        return sum(0.2 + 0.7 * step / 100 + 0.5 * 0.4 for step in steps) / len(steps)

    assert found.reward_before == pytest.approx(mean(range(1, 7))), "at step 0, the run's first window"
    assert found.reward_now == pytest.approx(mean(range(15, 21)))


def judged(lines: list[dict], ends: tuple[float, float], pairs: int = 256, *, sampled: bool = True) -> list[dict]:
    """The same run with judged pairs that it watched; ``sampled`` is whether completions were measured as well."""
    steps = lines[-1]["step"]
    for line in lines:
        if "held_out" in line:
            share = 0.5 if line["step"] == 0 else ends[0] + (ends[1] - ends[0]) * line["step"] / steps
            line["held_out"] = (line["held_out"] if sampled else {}) | {"agreement": share, "agreement_pairs": pairs}
    return lines


@pytest.mark.parametrize("sampled", [True, False], ids=["beside-pass@1", "alone"])
def test_agreement_with_people_that_falls_while_the_reward_rises(sampled: bool) -> None:
    (found,) = find_hacking(judged(run_of(), (0.5, 0.1), sampled=sampled), WEIGHTS)
    assert (found.signal, found.rule, found.since, found.step) == ("agreement", "short", 0, 40)
    assert (found.before, found.now) == (0.5, pytest.approx(0.34))


@pytest.mark.parametrize(
    ("ends", "pairs"), [((0.5, 0.9), 256), ((0.5, 0.4), 256), ((0.5, 0.1), 12)], ids=["rises", "noise", "few-pairs"]
)
def test_agreement_that_says_nothing(ends: tuple[float, float], pairs: int) -> None:
    """A share of twelve pairs is not as sure as one of the 512 completions that were sampled beside them."""
    assert find_hacking(judged(run_of(), ends, pairs), WEIGHTS) == []


def test_the_rule_that_drove_it_is_the_one_that_gained_most_by_weight() -> None:
    lines = run_of(pass_at_1=(0.6, 0.1), right=(0.1, 0.5))
    assert find_hacking(lines, WEIGHTS)[0].rule == "short"
    assert find_hacking(lines, {"short": 0.2, "equals_answer": 2.0})[0].rule == "equals_answer"


@pytest.mark.parametrize(
    "changes",
    [
        {"pass_at_1": (0.4, 0.9)},
        {"pass_at_1": (0.4, 0.9), "completion_tokens": (30, 5), "same_answer": (0.0, 0.5)},
        {"short": (0.9, 0.2), "pass_at_1": (0.6, 0.1)},
        {"short": (0.5, 0.5), "pass_at_1": (0.6, 0.1)},
        {"pass_at_1": (0.50, 0.48)},
        {"steps": 10, "pass_at_1": (0.9, 0.1), "every": 5},
    ],
    ids=["better", "better-and-shorter", "all-fall", "reward-flat", "within-noise", "too-short"],
)
def test_runs_that_are_well_or_ill_in_another_way(changes: dict) -> None:
    assert find_hacking(run_of(**changes), WEIGHTS) == []


@pytest.mark.parametrize(
    ("signal", "text"),
    [
        ("same_answer", {"same_answer": (0.05, 0.9)}),
        ("repetition", {"repetition": (0.0, 0.5)}),
        ("length", {"completion_tokens": (20, 70)}),
        ("length", {"completion_tokens": (40, 4)}),
    ],
)
@pytest.mark.parametrize("every", [0, 25])
def test_text_that_gets_worse(signal: str, text: dict, every: int) -> None:
    (found,) = find_hacking(run_of(**text, every=every), WEIGHTS)
    assert (found.signal, found.rule, found.since) == (signal, "short", 1)


def test_what_has_passed_is_no_warning() -> None:
    lines = run_of(pass_at_1=(0.6, 0.1))
    assert find_hacking([*lines, held_out(100, 0.65)], WEIGHTS) == []


def test_a_fall_after_a_rise_counts_from_the_top() -> None:
    lines = run_of(every=0)
    for step, share in ((0, 0.3), (20, 0.5), (40, 0.8), (60, 0.6), (80, 0.3)):
        lines.append(held_out(step, share))
    (found,) = find_hacking(lines, WEIGHTS)
    assert (found.since, found.step, found.before, found.now) == (40, 60, 0.8, 0.6)


def test_rollouts_used_twice_have_lines_without_rules() -> None:
    lines = [line for line in run_of(200, pass_at_1=(0.6, 0.1)) if "held_out" in line or line["step"] % 2]
    lines += [{"step": 2, "loss": 0.1}]
    assert find_hacking(lines, WEIGHTS)
    assert find_hacking(lines, {}) == []


def test_samples_are_wrong_ones_that_the_rule_likes() -> None:
    def line(group: int, *completions: tuple[str, float]) -> dict:
        made = [{"text": text, "scores": {"short": score}, "reward": score} for text, score in completions]
        return {"step": 9, "group": group, "prompt": f"p{group}", "answer": "5", "completions": made}

    lines = [line(0, ("x = 5", 0.9), ("no", 1.0)), line(1, ("hm", 0.8), ("5", 1.0)), line(2, ("x = 5", 0.7))]
    picked = pick_samples(lines, "short", lambda _, text: "5" in text, count=3)
    assert [(one["group"], one["index"], one["text"]) for one in picked] == [
        (0, 1, "no"),
        (1, 0, "hm"),
        (2, 0, "x = 5"),
    ]


def test_text_health() -> None:
    texts = ["x = 1", "x = 1", "x = 2", "x = 2"]
    assert same_answer(texts, [0, 0, 1, 1]) == 0.0
    assert same_answer(["hm"] * 4, [0, 0, 1, 1]) == 1.0
    assert same_answer(["hm", "a", "hm", "b"], [0, 0, 1, 1]) == 0.25
    assert same_answer(["a", "b"], [0, 0]) is None
    assert repetition("one two three four five") == 0.0
    assert repetition("so " * 30) > 0.9
    assert repetition("好" * 30) > 0.9
    assert repetition("") == repetition("x") == 0.0
    assert text_health(["a", "a"], [0, 1]) == {"repetition": 0.0, "distinct_share": 0.5, "same_answer": 1.0}
    assert text_health([], []) == {}

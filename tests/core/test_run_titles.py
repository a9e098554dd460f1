"""Runs of one name are told apart by what differs."""

import pytest

from lab.core.run_titles import Named, differences, distinctions

PRESET = {
    "algorithm": "grpo",
    "model": "tiny",
    "seed": 1,
    "steps": 240,
    "threshold": {"kind": "above_mean"},
    "rules": [{"name": "a"}],
}


def named(id, name="Tiny: GRPO", created=0.0, **changes):
    return Named(id, name, {**PRESET, **changes}, created)


def test_a_name_that_is_alone_says_enough():
    assert distinctions([named("a"), named("b", "Other")], {}) == {"a": "", "b": ""}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"steps": 40}, "steps 40"),
        ({"seed": 2}, "seed 2"),
        ({"model": "run:s"}, "← Tiny: SFT"),
        ({"threshold": {"kind": "all"}}, "threshold.kind all"),
        ({"rules": [{"name": "a"}, {"name": "b"}]}, "rules a+b"),
    ],
)
def test_what_differs_from_the_preset_tells_two_runs_apart(changes, expected):
    told = distinctions([named("a"), named("b", **changes), named("s", "Tiny: SFT")], {"Tiny: GRPO": PRESET})
    assert expected in told["b"] and expected not in told["a"] and told["a"] != told["b"]


def test_what_all_have_in_common_is_not_repeated():
    told = distinctions([named("a", steps=40), named("b", steps=40, seed=2)], {"Tiny: GRPO": PRESET})
    assert told == {"a": "seed 1", "b": "seed 2"}


def test_equal_runs_are_told_apart_by_their_time():
    told = distinctions([named("a", created=0), named("b", created=120), named("c", created=86400 + 120)], {})
    assert len(set(told.values())) == 3


def test_runs_of_one_second_fall_back_on_their_ids():
    assert distinctions([named("a"), named("b")], {}) == {"a": "a", "b": "b"}


def test_differences_between_recipes_are_by_path():
    assert differences({"a": PRESET, "b": {**PRESET, "threshold": {"kind": "all"}, "beta": 0.1}}) == {
        "threshold.kind": {"a": "above_mean", "b": "all"},
        "beta": {"a": None, "b": 0.1},
    }

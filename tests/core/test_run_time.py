"""How long a run takes, from its measured parts, worked out by hand."""

from __future__ import annotations

import pytest

from lab.core.recipes import parse
from lab.core.run_time import RunTime
from lab.words.cost import how_long, spell

PARTS = RunTime(loading=10.0, step=2.0, measuring=30.0)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"steps": 100, "measure_samples": 1024}, 10 + 200 + 2 * 30),
        ({"steps": 100, "measure_samples": 0}, 10 + 200 + 2 * 30),  # nothing is measured: the part itself is 0 then
        ({"steps": 100, "measure_samples": 1024, "measure_every": 50}, 10 + 200 + (2 + 0.25) * 30),
        ({"steps": 100, "measure_samples": 128, "measure_every": 10}, 10 + 200 + (2 + 9) * 30),
        ({"algorithm": "pretrain", "steps": 100, "measure_samples": 1024}, 10 + 200 + 30),
    ],
)
def test_the_parts_add_up(changes: dict[str, object], seconds: float) -> None:
    assert PARTS.total(parse({"algorithm": "grpo"} | changes)) == pytest.approx(seconds)


def test_what_was_scaled_up_is_told_with_a_larger_factor() -> None:
    recipe = parse({"algorithm": "sft", "steps": 30, "measure_samples": 0})
    whole = RunTime(loading=0.0, step=1.0)
    assert "20 s" in how_long(whole, recipe, "en") and "45 s" in how_long(whole, recipe, "en")
    scaled = how_long(whole.model_copy(update={"scaled": True}), recipe, "en")
    assert "12 s" in scaled and "1 min 15 s" in scaled and "2.5" in scaled
    assert "秒" in how_long(whole, recipe, "zh")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.25 s"), (9.96, "10 s"), (59, "59 s"), (61, "1 min 1 s"), (120, "2 min"), (3725, "1 h 2 min")],
)
def test_seconds_are_spelled_in_two_units(seconds: float, words: str) -> None:
    assert spell(seconds, "en") == words

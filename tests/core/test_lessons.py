"""What the Learn tab may ask: bounded, and refused in words that name the field."""

from __future__ import annotations

from typing import Any

import pytest

from lab.core.lessons import Logps, Step, Warm, Write, parse_question
from lab.errors import InputError
from lab.words import word

ASKED = {"prompt": "Solve 3x + 5 = 20", "answers": ["x = 5", "x = 7"]}


def test_each_kind_is_read() -> None:
    assert isinstance(parse_question({"kind": "warm"}), Warm)
    assert type(parse_question({"kind": "logps", **ASKED})) is Logps
    step = parse_question({"kind": "step", **ASKED, "rewards": [3, 0]})
    assert isinstance(step, Step) and step.rewards == (3.0, 0.0)
    assert isinstance(parse_question({"kind": "write", "prompts": ["a"]}), Write)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "dream"}, "kind"),
        ({"kind": "logps", "prompt": "  ", "answers": ["x"]}, "logps.prompt"),
        ({"kind": "logps", "prompt": "p", "answers": ["x"] * 9}, "logps.answers"),
        ({"kind": "logps", "prompt": "p", "answers": ["x" * 201]}, "logps.answers.0"),
        ({"kind": "step", **ASKED, "rewards": [float("nan"), 0]}, "step.rewards.0"),
        ({"kind": "step", **ASKED, "rewards": [1]}, "step"),
        ({"kind": "step", **ASKED, "rewards": [1, 0], "steps": 11}, "step.steps"),
        ({"kind": "warm", "path": "/etc"}, "warm.path"),
        ("warm", "kind"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(values: Any, field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_question(values)
    assert refused.value.key == "lesson_value" and refused.value.params["field"] == field
    assert field in word(refused.value) and field in word(refused.value, "zh")

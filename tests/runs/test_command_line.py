"""The command that is shown beside a run makes the same recipe again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from lab.commands.arguments import _change
from lab.core.recipes import with_values
from lab.runs.command_line import command_line
from lab.store.presets import load_preset, preset_names

ALL = preset_names()


def again(line: str) -> dict[str, Any]:
    """What ``python -m lab train …`` would train."""
    words = shlex.split(line)
    assert words[:4] == ["python", "-m", "lab", "train"]
    changes = [word for flag, word in zip(words[5::2], words[6::2], strict=True) if flag == "--set"]
    recipe = load_preset(words[4]).recipe
    return with_values(recipe, dict(_change(text) for text in changes)).model_dump(mode="json")


@pytest.mark.parametrize("name", ALL)
def test_a_preset_is_its_own_line(name: str) -> None:
    recipe = load_preset(name).recipe.model_dump(mode="json")
    assert command_line(recipe) == f"python -m lab train {name}"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "title", ["second stage", "3", "true", "a = 'b\"", "3 + 3", "[x]", "结果 → 5", "$(rm -rf ~); `x`", "1e5"]
)
def test_the_line_makes_the_recipe_again(name: str, title: str) -> None:
    changes = {"name": title, "steps": 77, "learning_rate": 1e-06, "seed": 9, "measure_samples": 0}
    recipe = with_values(load_preset(name).recipe, changes).model_dump(mode="json")
    line = command_line(recipe)
    assert line is not None
    same = {key: value for key, value in recipe.items() if not key.startswith("about_")}
    assert {key: value for key, value in again(line).items() if not key.startswith("about_")} == same


def test_nested_values_and_lists() -> None:
    changes = {"threshold.kind": "top_fraction", "rules": [{"name": "integer", "weight": 0.5, "fallback": 0.0}]}
    recipe = with_values(load_preset("tiny/grpo").recipe, changes).model_dump(mode="json")
    line = command_line(recipe)
    assert line is not None
    assert "threshold.kind=top_fraction" in line
    assert again(line)["rules"] == recipe["rules"]


def test_without_a_preset_of_its_kind_there_is_none(tmp_path: Path) -> None:
    assert command_line(load_preset("tiny/grpo").recipe.model_dump(mode="json"), tmp_path) is None
    assert command_line({"algorithm": "grpo", "of_an_older_lab": 1}) is None

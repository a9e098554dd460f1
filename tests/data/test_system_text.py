"""A system text is put before the first question where a recipe asks for it."""

from __future__ import annotations

import json
from pathlib import Path

from lab.core.recipes import parse
from lab.data.datasets import load
from lab.data.system_text import folded

SYSTEM, QUESTION = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2"}
ANSWER = {"role": "assistant", "content": "4"}


def test_the_system_text_stands_before_the_question_that_follows_it() -> None:
    assert folded([SYSTEM, QUESTION]) == [{"role": "user", "content": "Be brief.\n\n2 + 2"}]
    later = folded([QUESTION, ANSWER, SYSTEM, QUESTION])
    assert [turn["content"] for turn in later] == ["2 + 2", "4", "Be brief.\n\n2 + 2"]


def test_nothing_else_changes() -> None:
    assert folded("2 + 2") == "2 + 2"
    assert folded([QUESTION, ANSWER, QUESTION]) == [QUESTION, ANSWER, QUESTION]
    assert folded([{"role": "system", "content": " "}, QUESTION]) == [QUESTION], (
        "an empty system text adds no blank lines"
    )
    assert folded([SYSTEM, ANSWER]) == [SYSTEM, ANSWER], "no question follows: nothing is lost"


def test_a_recipe_asks_for_it(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    pairs = [
        {"prompt": [SYSTEM, {"role": "user", "content": f"{n} + 2"}], "chosen": "4", "rejected": "5"} for n in range(3)
    ]
    file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    recipe = {"algorithm": "dpo", "dataset": str(file)}
    (plain, *_), (first, *_) = (load(parse(recipe | {"system_in_first_turn": on})).train for on in (False, True))
    assert plain["prompt"][0]["role"] == "system"
    assert [turn["role"] for turn in first["prompt"]] == ["user"]
    assert first["prompt"][0]["content"].startswith("Be brief.\n\n")

"""What is held out of a file: the same prompts for every algorithm, and never what is trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.data.datasets import Dataset, folded, load


def written(path: Path, *rows: dict) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def loaded(file: str, algorithm: str) -> Dataset:
    return load(parse({"algorithm": algorithm, "dataset": file}))


def prompts_of(rows) -> set[str]:
    return {row["prompt"] for row in rows}


@pytest.fixture
def problems(tmp_path: Path) -> str:
    rows = ({"question": f"{n} + 0?", "answer": f"It stays.\n#### {n}"} for n in range(300))
    return written(tmp_path / "gsm8k.jsonl", *rows)


def test_sft_never_trains_on_what_grpo_and_ppo_hold_out(problems: str) -> None:
    sft = loaded(problems, "sft")
    for algorithm in ("grpo", "ppo"):
        other = loaded(problems, algorithm)
        assert prompts_of(sft.train) == prompts_of(other.train)
        assert prompts_of(sft.held_out) == prompts_of(other.held_out) != set()
    assert not prompts_of(sft.train) & prompts_of(sft.held_out)


def test_sft_measures_on_the_answers_that_a_rule_can_compare(problems: str, tmp_path: Path) -> None:
    held_out = loaded(problems, "sft").held_out[0]
    assert held_out["completion"].endswith(f"#### {held_out['answer']}")
    own = written(
        tmp_path / "own.jsonl", *({"prompt": f"{n}?", "completion": f"{n}!", "answer": n} for n in range(300))
    )
    assert all(row["prompt"] == f"{row['answer']}?" for row in loaded(own, "sft").held_out)
    free = written(tmp_path / "free.jsonl", *({"question": f"{n}?", "answer": "As you like."} for n in range(300)))
    found = loaded(free, "sft")
    assert found.held_out == [] and 200 < len(found.train) < 300, "held out all the same, as the other algorithms do"


@pytest.mark.parametrize("algorithm", ["rm", "dpo", "sft", "grpo"])
def test_nothing_is_both_trained_on_and_held_out(tmp_path: Path, problems: str, algorithm: str) -> None:
    apart = sorted(prompts_of(loaded(problems, "grpo").held_out))[:5]
    rows = ({"prompt": one, "chosen": "x", "rejected": "y", "completion": "x", "answer": "1"} for one in apart)
    found = loaded(written(tmp_path / "few.jsonl", *rows), algorithm)
    assert len(found.train) == 5, "where all would be held out, nothing is"
    assert not found.held_out and not found.held_out_pairs


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

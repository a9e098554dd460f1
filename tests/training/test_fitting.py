"""Prompts that leave no room for a completion are left out and counted; where all are, the run is refused with their lengths."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.data.datasets import Dataset
from lab.errors import DatasetError
from lab.store.models import SHIPPED, resolve
from lab.training.base import load_tokenizer
from lab.training.fitting import fitting, prompt_tokens, room_for_prompts
from lab.ui.text import word

CONTEXT = 512
SHORT, LONG = {"prompt": "Solve 2x = 8"}, {"prompt": "7" * 600}


def test_the_room_is_what_the_completion_leaves() -> None:
    base = str(SHIPPED["tiny"])
    assert room_for_prompts(parse({"algorithm": "grpo", "max_completion_length": 32}), base) == CONTEXT - 32
    assert room_for_prompts(parse({"algorithm": "dpo", "max_length": 100}), base) == 99
    assert room_for_prompts(parse({"algorithm": "sft", "max_length": 4096}), base) == CONTEXT - 1
    assert room_for_prompts(parse({"algorithm": "ppo"}), "org/not-here") is None


def test_long_prompts_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = parse({"algorithm": "grpo", "dataset": "rows.jsonl"})
    found = fitting(recipe, Dataset([SHORT, LONG], [LONG | {"answer": "1"}], ""), tmp_path)
    assert found.train == [SHORT] and found.held_out == []
    assert "left out: 1 of 2 rows" in capsys.readouterr().out
    untouched = Dataset([SHORT], [], "")
    assert fitting(recipe, untouched, tmp_path) is untouched


def test_the_limit_is_exact(tmp_path: Path) -> None:
    tokens = prompt_tokens(load_tokenizer(resolve("tiny", tmp_path)), LONG)
    data = Dataset([LONG], [], "")
    fits = {"algorithm": "grpo", "dataset": "rows.jsonl", "model": "tiny"}
    assert tokens > CONTEXT
    with pytest.raises(DatasetError) as caught:
        fitting(parse(fits), data, tmp_path)
    assert caught.value.key == "prompts_too_long" and str(tokens) in word(caught.value)
    row = {"prompt": "7" * 100}
    exact = prompt_tokens(load_tokenizer(resolve("tiny", tmp_path)), row)
    for length, left in ((exact + 1, [row]), (exact, [])):
        recipe = parse({"algorithm": "dpo", "dataset": "rows.jsonl", "max_length": length})
        kept = fitting(recipe, Dataset([row, SHORT], [], ""), tmp_path).train
        assert kept == [*left, SHORT]

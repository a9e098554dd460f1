"""Prompts that leave no room for a completion are left out and counted; where all are, the run is refused with their lengths."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset as Rows

from lab.core.recipes import parse
from lab.data.datasets import Dataset, load
from lab.errors import DatasetError
from lab.store.models import SHIPPED, resolve
from lab.training.models.base import load_tokenizer
from lab.training.models.length_filter import fitting, prompt_tokens, room_for_prompts
from lab.words import word

CONTEXT = 512
SHORT, LONG = {"prompt": "Solve 2x = 8"}, {"prompt": "7" * 600}


def test_the_room_is_what_the_completion_leaves() -> None:
    base = str(SHIPPED["tiny"])
    assert room_for_prompts(parse({"algorithm": "grpo", "max_completion_length": 32}), base) == CONTEXT - 32
    assert room_for_prompts(parse({"algorithm": "dpo", "max_length": 100}), base) == 99
    assert room_for_prompts(parse({"algorithm": "sft", "max_length": 4096}), base) == CONTEXT - 1
    assert room_for_prompts(parse({"algorithm": "ppo"}), "no-config-here") is None


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


def pair(prompt: str, chosen: str, rejected: str = "5") -> dict[str, str]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_pairs_that_a_reward_model_would_not_train_on_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fits, long, other = pair("2 + 2", "4"), pair("2 + 2", "4 " * 60), pair("2 + 2", "4", "5 " * 60)
    recipe = parse({"algorithm": "rm", "dataset": "pairs.jsonl", "max_length": 40})
    found = fitting(recipe, Dataset([long, fits, other], [], "", (fits, long)), tmp_path)
    assert found.train == [fits] and found.held_out_pairs == (fits,)
    told = capsys.readouterr().out
    assert "left out: 2 of 3 pairs" in told and "not measured on: 1 of 2" in told
    cut = parse({"algorithm": "dpo", "dataset": "pairs.jsonl", "max_length": 40})
    assert len(fitting(cut, Dataset([long, fits], [], ""), tmp_path).train) == 2, "DPO cuts them"


def test_where_all_pairs_are_too_long_the_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    recipe = parse({"algorithm": "rm", "dataset": "pairs.jsonl", "max_length": 40})
    with pytest.raises(DatasetError) as caught:
        fitting(recipe, Dataset([pair("2 + 2", "4 " * 60)], [], ""), tmp_path)
    assert caught.value.key == "pairs_too_long" and caught.value.params["room"] == 40
    assert "max_length" in word(caught.value) and "max_length" in word(caught.value, "zh")
    assert caught.value.params["shortest"] > 60
    short = parse({"algorithm": "rm", "max_length": 8, "steps": 1, "batch_size": 4})
    with pytest.raises(DatasetError, match="pairs_too_long"):
        fitting(short, load(short), tmp_path)


@pytest.mark.train
def test_the_pairs_that_are_kept_are_those_that_trl_keeps(tmp_path: Path) -> None:
    from trl import RewardConfig, RewardTrainer

    from lab.training.models.base import load_scorer
    from lab.training.task import as_answer, as_conversation

    rows = [pair("2 + 2", "4" * length) for length in range(1, 30)]
    recipe = parse({"algorithm": "rm", "dataset": "pairs.jsonl", "max_length": 24})
    kept = fitting(recipe, Dataset(rows, [], ""), tmp_path).train
    loaded = load_scorer(recipe, tmp_path)
    sides = ("chosen", "rejected")
    trainer = RewardTrainer(
        model=loaded.model,
        args=RewardConfig(output_dir=str(tmp_path), max_length=24, report_to=[], use_cpu=True, bf16=False),
        train_dataset=Rows.from_list(
            [
                {"prompt": as_conversation(row["prompt"])} | {side: as_answer(row[side]) for side in sides}
                for row in rows
            ]
        ),
        processing_class=loaded.tokenizer,
    )
    assert 0 < len(kept) == len(trainer.train_dataset) < len(rows)


def test_held_out_demonstrations_that_training_would_cut_are_not_measured_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def row(completion: str) -> dict[str, str]:
        return {"prompt": "2 + 2", "completion": completion, "answer": "4"}

    recipe = parse({"algorithm": "sft", "dataset": "rows.jsonl", "max_length": 40})
    found = fitting(recipe, Dataset([row("4")], [row("4"), row("so " * 60)], ""), tmp_path)
    assert found.held_out == [row("4")]
    assert "not measured on: 1 of 2" in capsys.readouterr().out

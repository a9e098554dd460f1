"""Judged pairs that are watched: no prompt of theirs is trained on, and the training keeps nine tenths of its prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.data.datasets import load
from lab.data.heldout_preferences import set_apart
from lab.errors import DatasetError
from lab.tasks import equations


def pair(prompt: object, number: int = 0) -> dict:
    return {"prompt": prompt, "chosen": f"good {number}", "rejected": f"bad {number}"}


TRAIN = [{"prompt": f"train {number}", "answer": "1"} for number in range(40)]


def prompts_of(rows) -> list:
    return [row["prompt"] for row in rows]


def test_pairs_on_other_prompts_come_first_and_cost_no_training() -> None:
    pairs = [pair("train 3"), *[pair(f"other {number}") for number in range(5)]]
    train, watched = set_apart(TRAIN, pairs, "file", most=5)
    assert train == TRAIN
    assert sorted(prompts_of(watched)) == [f"other {number}" for number in range(5)]


def test_the_prompts_of_watched_pairs_leave_the_training_a_tenth_at_most() -> None:
    pairs = [pair(f"train {number}", turn) for number in range(40) for turn in range(2)]
    train, watched = set_apart(TRAIN, pairs, "file")
    apart = set(prompts_of(watched))
    assert len(apart) == 4 and len(watched) == 8, "both pairs of a prompt, since it has left already"
    assert prompts_of(train) == [prompt for prompt in prompts_of(TRAIN) if prompt not in apart]
    assert set_apart(TRAIN, pairs[::-1], "file") == (train, watched), "whatever the order of the file"


def test_a_question_is_the_same_as_the_one_message_that_asks_it() -> None:
    asked = [{"role": "user", "content": "train 3"}]
    train, watched = set_apart(TRAIN, [pair(asked)], "file")
    assert prompts_of(watched) == [asked]
    assert "train 3" not in prompts_of(train) and len(train) == len(TRAIN) - 1


def test_a_run_is_not_left_without_prompts() -> None:
    with pytest.raises(DatasetError) as caught:
        set_apart(TRAIN[:1], [pair("train 0")], "mine.jsonl")
    assert (caught.value.key, caught.value.params) == ("watch_none", {"value": "mine.jsonl", "count": 1})


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_a_recipe_names_a_file_of_preferences(tmp_path: Path, algorithm: str) -> None:
    rows = equations.preferences(equations.Split.TRAIN, 1, 500)
    path = tmp_path / "judged.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plain = load(parse({"algorithm": algorithm}))
    found = load(parse({"algorithm": algorithm, "watch_preferences": str(path)}))
    assert plain.watched == () and found.content_hash == plain.content_hash
    assert 100 < len(found.watched) <= 256
    assert set(prompts_of(found.watched)).isdisjoint(prompts_of(found.train))
    assert len(plain.train) * 0.9 <= len(found.train) < len(plain.train)
    few = load(parse({"algorithm": algorithm, "watch_preferences": str(path), "measure_samples": 7}))
    assert len(few.watched) == 7


def test_the_pairs_that_it_trains_on_too(tmp_path: Path) -> None:
    """PPO on the prompts of the preferences that its reward model was made from, watched besides."""
    path = tmp_path / "judged.jsonl"
    path.write_text("".join(json.dumps(pair(f"prompt {number}")) + "\n" for number in range(200)))
    found = load(parse({"algorithm": "ppo", "dataset": str(path), "watch_preferences": str(path)}))
    watched, trained = set(prompts_of(found.watched)), set(prompts_of(found.train))
    assert watched.isdisjoint(trained) and len(watched) + len(trained) == 200
    assert len(trained) > 150


def test_what_cannot_be_read_is_said_at_once(tmp_path: Path) -> None:
    for name, key in (
        (str(tmp_path / "none.jsonl"), "dataset_missing"),
        ("version:20260101-000000-aaaa", "version_missing"),
    ):
        with pytest.raises(DatasetError) as caught:
            load(parse({"algorithm": "grpo", "watch_preferences": name}), tmp_path)
        assert caught.value.key == key

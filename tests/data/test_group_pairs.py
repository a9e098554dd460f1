"""Preferences made from a run's groups: best against worst, with a margin; and what training reads of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.data.datasets import load
from lab.data.group_pairs import pairs_of_run
from lab.errors import DatasetError
from lab.words import word


def completion(text: str, reward: float, **more) -> dict:
    return {"text": text, "reward": reward, "truncated": False, "why_dropped": None, **more}


def group(step: int, prompt: str, *completions: dict, **more) -> dict:
    return {"step": step, "group": 0, "prompt": prompt, "completions": list(completions), **more}


def write(home: Path, *lines: dict, tail: str = "") -> None:
    path = home / "runs" / "one" / "groups.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)


def test_the_best_is_chosen_over_the_worst(tmp_path: Path) -> None:
    write(tmp_path, group(1, "a", completion("mid", 1.0), completion("bad", 0.0), completion("good", 2.0)))
    assert pairs_of_run("one", tmp_path, 0.0).rows == [{"prompt": "a", "chosen": "good", "rejected": "bad"}]


def test_what_makes_no_pair(tmp_path: Path) -> None:
    write(
        tmp_path,
        group(1, "close", completion("x", 1.0), completion("y", 0.5)),
        group(1, "same text", completion("x", 1.0), completion(" x", 0.0)),
        group(1, "cut off", completion("x", 3.0, truncated=True), completion("y", 0.0)),
        group(1, "unscored", completion("x", 3.0), completion("y", 0.0, why_dropped="unscored")),
        group(2, "kept", completion("x", 3.0), completion("y", 0.0, truncated=True)),
        group(3, "kept", completion("x", 3.0), completion("y", 0.0)),
    )
    assert [row["prompt"] for row in pairs_of_run("one", tmp_path, 0.5).rows] == ["kept"], "and each pair once"
    with pytest.raises(DatasetError) as caught:
        pairs_of_run("one", tmp_path, 3.0)
    assert caught.value.key == "groups_no_pairs" and "6 groups" in word(caught.value)


def test_a_resume_drops_what_lay_beyond_it(tmp_path: Path) -> None:
    pair = (completion("x", 3.0), completion("y", 0.0))
    lines = (group(1, "a", *pair), group(2, "gone", *pair), {"resumed_from": 1}, group(2, "b", *pair))
    write(tmp_path, *lines, tail='{"step": 3, "prom')
    assert [row["prompt"] for row in pairs_of_run("one", tmp_path, 0.0).rows] == ["a", "b"]


@pytest.mark.parametrize("run", ["none", "../../etc", ""])
def test_a_run_without_groups_is_named(tmp_path: Path, run: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load(parse({"algorithm": "dpo", "dataset": f"groups:{run}"}), tmp_path)
    assert caught.value.key == "groups_missing"


@pytest.mark.parametrize("algorithm", ["rm", "dpo"])
def test_they_are_a_dataset_of_rm_and_dpo_with_pairs_held_out(tmp_path: Path, algorithm: str) -> None:
    pair = (completion("x", 3.0), completion("y", 0.0))
    turns = [{"role": role, "content": word} for role, word in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    write(tmp_path, *(group(1, f"question {n}", *pair) for n in range(60)), group(1, "c", *pair, turns=turns))
    found = load(parse({"algorithm": algorithm, "dataset": "groups:one", "pair_margin": 2.5}), tmp_path)
    assert len(found.train) + len(found.held_out_pairs) == 61 and found.held_out_pairs
    assert turns in [row["prompt"] for row in [*found.train, *found.held_out_pairs]]
    assert found.content_hash.startswith("sha256:")


def test_ppo_and_grpo_take_the_prompts_of_preferences_with_several_turns(tmp_path: Path) -> None:
    turns = [{"role": role, "content": word} for role, word in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    rows = [{"prompt": "plain", "chosen": "x", "rejected": "y"}, {"prompt": turns, "chosen": "x", "rejected": "y"}]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for algorithm in ("ppo", "grpo"):
        found = load(parse({"algorithm": algorithm, "dataset": str(path)}), tmp_path)
        assert [row["prompt"] for row in [*found.train, *found.held_out]] == ["plain", turns]

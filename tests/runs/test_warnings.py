"""Warnings of a run: read from its folder, worded in both languages, quiet where there is nothing to say."""

from __future__ import annotations

import json

import pytest

from lab.core.hacking import WINDOW
from lab.core.recipes import parse
from lab.errors import StateError
from lab.runs.progress import with_warnings
from lab.runs.warnings import to_judge, warnings_of, weights_of
from lab.store.runs import RunState, Store
from lab.words import word
from tests.core.test_hacking import run_of

RULES = [{"name": "short", "source": "def reward(p, c, a): return 1.0"}, {"name": "equals_answer", "weight": 0.5}]


def group(step: int, number: int) -> dict:
    texts = ["x = 5", "no", "hm"]
    return {
        "version": 1, "step": step, "group": number, "prompt": f"2x = {number}", "answer": "5", "mean": 0.5, "std": 0.1,
        "threshold": {"kind": "all", "fraction": 1.0},
        "completions": [{"text": text, "tokens": 2, "scores": {"short": 0.5 + n / 10}, "reward": n / 10, "advantage": 0.0}
                        for n, text in enumerate(texts)],
    }  # fmt: skip


def written(store: Store, lines: list[dict]) -> str:
    run = store.create_run(parse({"algorithm": "grpo", "rules": RULES}))
    folder = store.folder(run.id)
    for line in lines:
        folder.append("metrics", line)
    for step in range(1, 30):
        for number in range(3):
            folder.append("groups", group(step, number))
    store.change(run.id, state=RunState.FINISHED)
    return run.id


def test_a_hacked_run_has_a_warning_with_samples(store: Store) -> None:
    run = store.run(written(store, run_of(pass_at_1=(0.6, 0.1))))
    (warning,) = with_warnings(run, store)["warnings"]
    assert (warning["kind"], warning["signal"], warning["rule"], warning["step"]) == (
        "reward_hacking",
        "pass_at_1",
        "short",
        20,
    )
    samples = warning["samples"]
    assert len(samples) == 5
    assert all(20 - WINDOW < one["step"] <= 20 and one["text"] in ("no", "hm") for one in samples)
    assert samples[0]["text"] == "hm", "of the wrong ones the one that the rule liked best"
    folder = store.folder(run.id)
    for one in samples:
        (line,) = [each for each in folder.group_lines(one["step"], one["step"]) if each["group"] == one["group"]]
        assert line["completions"][one["index"]]["text"] == one["text"]
    json.dumps(warning, allow_nan=False)
    for locale, said in (("en", "from 60 % to 50 %"), ("zh", "从 60 % 降到 50 %")):
        assert said in word(warning, locale) and "short" in word(warning, locale) and "{" not in word(warning, locale)


def test_a_run_that_is_well_has_none(store: Store) -> None:
    run = store.run(written(store, run_of(pass_at_1=(0.4, 0.9))))
    assert warnings_of(run, store) == []
    plain = store.create_run(parse({"algorithm": "sft"}))
    assert warnings_of(plain, store) == []


def test_new_lines_are_seen(store: Store) -> None:
    lines = run_of(pass_at_1=(0.6, 0.1))
    run_id = written(store, lines[:30])
    assert len(warnings_of(store.run(run_id), store)) == 1
    store.folder(run_id).append("metrics", {"step": 29, "held_out": {"pass_at_1": 0.9, "samples": 512}})
    assert warnings_of(store.run(run_id), store) == []


def test_what_counts_in_a_reward() -> None:
    recipe = {
        "rules": [{"name": "a", "weight": 2.0}],
        "rules_weight": 0.5,
        "reward_model": "run:x",
        "reward_model_weight": 3.0,
    }
    assert weights_of(recipe) == {"a": 1.0, "reward_model": 3.0}


def test_samples_become_pairs_for_people(store: Store) -> None:
    run = store.run(written(store, run_of(pass_at_1=(0.6, 0.1))))
    rows = to_judge(run, store, "pass_at_1")
    assert len(rows) == 5
    for row in rows:
        assert row["first"] in ("no", "hm") and row["second"] != row["first"]
        assert row["first_source"].startswith(f"run:{run.id} step ")
    with pytest.raises(StateError, match="warning_gone"):
        to_judge(run, store, "length")


def test_a_group_that_says_one_thing_stands_beside_the_known_answer(store: Store) -> None:
    run_id = written(store, [])
    folder = store.folder(run_id)
    line = group(90, 0) | {"prompt": "3x = 15"}
    line["completions"] = line["completions"][2:] * 3
    folder.append("groups", line)
    for metrics in run_of(90, pass_at_1=(0.6, 0.1), every=90):
        folder.append("metrics", metrics)
    (row,) = [one for one in to_judge(store.run(run_id), store, "pass_at_1") if one["prompt"] == "3x = 15"]
    assert (row["first"], row["second"], row["second_source"]) == ("hm", "5", "answer")


def test_a_conversation_is_judged_with_its_history(store: Store) -> None:
    run_id = written(store, [])
    folder = store.folder(run_id)
    talk = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2x = 0"}]
    other = [talk[0] | {"content": "Be long."}, talk[1]]
    earlier = group(31, 0) | {
        "turns": other,
        "completions": [group(31, 0)["completions"][0] | {"text": "another talk"}],
    }
    folder.append("groups", earlier)
    line = group(90, 0) | {"turns": talk}
    line["completions"] = line["completions"][2:] * 3
    folder.append("groups", line)
    for metrics in run_of(90, pass_at_1=(0.6, 0.1), every=90):
        folder.append("metrics", metrics)
    rows = [one for one in to_judge(store.run(run_id), store, "pass_at_1") if one["prompt"] == talk]
    assert [(row["first"], row["second"]) for row in rows] == [("hm", "5")]

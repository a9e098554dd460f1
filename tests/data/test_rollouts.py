"""Rollouts of other tools: trl's files as trl wrote them, the others' by their documented forms; what is broken is named by line and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.core.recorded import recorded
from lab.data.left_out import WhyLeftOut
from lab.data.rollouts import FoundRollouts, RolloutFinder, Tool
from lab.data.rows import read_rows
from lab.errors import DatasetError

FILES = Path(__file__).parent / "files" / "rollouts"


def found_in(tmp_path: Path, rows: list[dict[str, Any]], rewards: tuple[str, ...] = ()) -> FoundRollouts:
    path = tmp_path / "rollouts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return RolloutFinder(rewards).find(read_rows(path))


def episode(reward: float | None = 1.0, **changes: Any) -> dict[str, Any]:
    """A line of prime-rl's traces.jsonl, with the fields of ``verifiers.v1.Episode``."""
    nodes = [
        {"message": {"role": "system", "content": "Be short."}, "sampled": False},
        {"parent": 0, "message": {"role": "user", "content": "Solve x + 1 = 3"}, "sampled": False},
        {"parent": 1, "message": {"role": "assistant", "content": "x = 2"}, "sampled": True, "advantages": [0.5, 0.5]},
    ]
    trace = {
        "task": {"type": "Math", "data": {"prompt": "Solve x + 1 = 3", "answer": "2"}},
        "agent": {"name": "agent", "trainable": True},
        "nodes": nodes,
        "rewards": {"correct": None if reward is None else {"score": reward, "weight": 2.0}},
        "ok": True,
    }
    run = {"type": "train", "id": "r", "work": {"type": "train", "step": 7}}
    return {"id": "e", "task": trace["task"], "group": {"id": "g1"}, "run": run, "traces": [trace], **changes}


def test_what_trl_wrote_opens_with_groups_rewards_by_function_and_its_own_advantages() -> None:
    finder = RolloutFinder()
    found = [finder.find(read_rows(FILES / f"trl_completions_0000{step}.parquet")) for step in (1, 2)]
    assert {each.tool for each in found} == {Tool.TRL}
    made = recorded([rollout for each in found for rollout in each.rollouts])
    assert [line["step"] for line in made.lines] == [1, 1, 2, 2]
    assert [len(line["completions"]) for line in made.lines] == [4, 4, 4, 4]
    assert made.weights == {"equals_answer": 1.0, "short": 1.0} and made.own_advantages == 0
    for line in made.lines:
        for completion in line["completions"]:
            own = (completion["reward"] - line["mean"]) / (line["std"] + 1e-4)
            assert completion["advantage"] == pytest.approx(own, abs=2e-4)  # trl's, of trl's own K and weights


def test_verl_rows_of_a_step_and_prompt_are_a_group_whatever_their_order(tmp_path: Path) -> None:
    rows = [
        {
            "input": prompt,
            "output": f"x = {n}",
            "gts": "2",
            "score": float(n == 2),
            "step": 3,
            "acc": n == 2,
            "pred": str(n),
        }
        for n, prompt in enumerate(["a", "b", "a", "b"])
    ]
    found = found_in(tmp_path, rows)
    made = recorded(found.rollouts)
    assert found.tool is Tool.VERL and found.passed_over == ("pred",)
    assert [(line["step"], line["group"], line["prompt"]) for line in made.lines] == [(3, 0, "a"), (3, 1, "b")]
    assert made.lines[0]["completions"][1]["scores"] == {"score": 1.0, "acc": 1.0}
    assert made.lines[0]["answer"] == "2" and made.by_prompt == 2 and made.own_advantages == 4


def test_a_line_of_ms_swift_is_a_step(tmp_path: Path) -> None:
    table = {"step": ["5", "5"], "prompt": ["p", "p"], "completion": ["a", "b"], "Accuracy": [1.0, 0.0]}
    table |= {"Format": [1.0, 1.0], "advantages": [0.7, -0.7], "entropy": [0.1, 0.2]}
    found = found_in(tmp_path, [table])
    (line,) = recorded(found.rollouts).lines
    assert found.tool is Tool.SWIFT and line["step"] == 5
    assert [completion["reward"] for completion in line["completions"]] == [2.0, 1.0]
    assert [completion["advantage"] for completion in line["completions"]] == [0.7, -0.7]
    named = found_in(tmp_path, [table], ("Accuracy",))
    assert [rollout.reward for rollout in named.rollouts] == [1.0, 0.0]


def test_verifiers_groups_by_example_and_a_failed_rollout_is_unscored(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Solve"}]
    said = [{"role": "assistant", "content": "x"}, {"role": "tool", "content": "42"}]
    row = {
        "example_id": 4,
        "prompt": asked,
        "completion": said,
        "reward": 0.5,
        "metrics": {"right": 0.5},
        "answer": "1",
    }
    found = found_in(tmp_path, [row, {**row, "reward": 0.0, "error": {"type": "Timeout"}}])
    (line,) = recorded(found.rollouts).lines
    assert found.tool is Tool.VERIFIERS
    assert line["completions"][0]["text"] == "[assistant]\nx\n\n[tool]\n42"
    assert [completion["why_dropped"] for completion in line["completions"]] == [None, "unscored"]


def test_prime_rl_traces_keep_group_step_weights_and_turns(tmp_path: Path) -> None:
    found = found_in(tmp_path, [episode(1.0), episode(0.0), episode(1.0, group={"id": "g2"})])
    made = recorded(found.rollouts)
    assert found.tool is Tool.PRIME_RL and made.by_prompt == 0 and made.weights == {"correct": 2.0}
    assert [(line["step"], len(line["completions"])) for line in made.lines] == [(7, 2), (7, 1)]
    first = made.lines[0]
    assert first["prompt"] == "Solve x + 1 = 3" and [turn["role"] for turn in first["turns"]] == ["system", "user"]
    assert [completion["reward"] for completion in first["completions"]] == [2.0, 0.0]
    assert first["completions"][0]["scores"] == {"correct": 1.0} and first["completions"][0]["advantage"] == 0.5


@pytest.mark.parametrize(
    ("rows", "line", "why", "detail"),
    [
        ([{"input": "p", "score": 1.0, "step": 1, "output": "x"}, {"input": "p", "score": 1.0, "step": 1}], 2, "missing", "output"),
        ([{"input": "p", "score": 1.0, "step": "?", "output": "x"}] * 2, 1, "not_a_number", "step"),
        ([episode(), {**episode(), "traces": [{"nodes": [], "rewards": {}}]}], 2, "missing", "nodes"),
        ([{"prompt": ["p"], "completion": ["a", "b"], "advantages": [1.0]}], 1, "uneven", "prompt 1, completion 2, advantages 1"),
    ],
)  # fmt: skip
def test_a_broken_row_is_named_by_line_and_reason(
    tmp_path: Path, rows: list[dict[str, Any]], line: int, why: str, detail: str
) -> None:
    first = found_in(tmp_path, rows).left_out[0]
    assert (first.line, first.why, first.detail) == (line, WhyLeftOut(why), detail)


def test_another_file_is_refused_with_the_nearest_form_and_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as refused:
        found_in(tmp_path, [{"input": "p", "output": "x", "label": 1}])
    assert refused.value.key == "rollouts_form"
    assert (refused.value.params["nearest"], refused.value.params["missing"]) == ("verl", "score")
    with pytest.raises(DatasetError) as unknown:
        found_in(tmp_path, [{"input": "p", "output": "x", "score": 1.0}], ("nothing",))
    assert unknown.value.key == "rollouts_no_reward"

"""The log says what is not measured, and where a reward model scores on another number format than it was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.data.datasets import Dataset, load
from lab.training.worker.main import work
from lab.training.worker.notes import notes
from tests.training.worker.test_main import make_run

PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}


def told(home: Path, dataset: Dataset | None = None, **values: object) -> list[str]:
    recipe = parse(values)
    return list(notes(recipe, dataset or load(recipe), home))


def test_nothing_measured_is_said_with_the_reason(tmp_path: Path) -> None:
    bare = Dataset([PAIR], [], "")
    for algorithm, why in (("sft", "has an answer"), ("grpo", "has an answer"), ("rm", "no pair"), ("dpo", "no pair")):
        (line,) = told(tmp_path, bare, algorithm=algorithm)
        assert line.startswith("nothing is measured") and why in line
        assert not told(tmp_path, bare, algorithm=algorithm, measure_samples=0), "as was asked"
        assert not told(tmp_path, algorithm=algorithm)


@pytest.mark.parametrize(("there", "here"), [(False, True), (True, False), (True, True)])
def test_a_reward_model_on_the_same_base_in_another_format(tmp_path: Path, there: bool, here: bool) -> None:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    recipe = parse({"algorithm": "rm", "load_in_4bit": there}).model_dump(mode="json")
    (folder / "recipe.json").write_text(json.dumps({"version": 1, "recipe": recipe}))
    lines = told(tmp_path, algorithm="ppo", reward_model="run:one", load_in_4bit=here)
    formats = ["in full precision", "in 4 bits"]
    assert len(lines) == (there != here)
    for line in lines:
        assert f"trained on its base {formats[there]}" in line and f"same base {formats[here]}" in line
    assert not told(tmp_path, algorithm="ppo", reward_model="run:copied", load_in_4bit=here)


@pytest.mark.train
@pytest.mark.timeout(300)
def test_sft_on_a_file_is_measured_where_answers_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, answer in (("known", "It is\n#### {}"), ("free", "It is {}.")):
        file = tmp_path / f"{name}.jsonl"
        rows = [{"question": f"{n} + 1", "answer": answer.format(n + 1)} for n in range(80)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        path = make_run(tmp_path, "tiny/sft", name, steps=1, measure_samples=8, dataset=str(file))
        assert work(path) == 0
        result = json.loads((path / "result.json").read_text())
        printed = capsys.readouterr().out
        if name == "known":
            assert result["before"]["samples"] == result["after"]["samples"] == 8
            assert result["kl_from_start"] is not None and "nothing is measured" not in printed
        else:
            assert result["before"] is None and "note: nothing is measured before and after" in printed

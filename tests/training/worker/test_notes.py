"""What is said before a run begins: of its rows, of what is not measured, of a reward model on another number format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.notes import Note
from lab.core.recipes import parse
from lab.data.datasets import Dataset, load
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.store.run_folder import RunFolder
from lab.training.models.length_filter import fit
from lab.training.worker.main import work
from lab.training.worker.notes import notes, tell
from lab.words import with_mend
from tests.training.worker.test_main import make_run

PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}


def told(home: Path, rows: Dataset | None = None, **values: object) -> list[Note]:
    recipe = parse(values)
    return notes(fit(recipe, rows or load(recipe), home), home)


def keys(found: list[Note]) -> list[str]:
    return [note.key for note in found]


def test_nothing_measured_is_said_with_the_reason(tmp_path: Path) -> None:
    bare = Dataset([PAIR | {"completion": "b"}], [], "")
    for algorithm, key in (("sft", "prompts"), ("grpo", "prompts"), ("rm", "pairs"), ("dpo", "pairs")):
        assert f"unmeasured_{key}" in keys(told(tmp_path, bare, algorithm=algorithm))
        assert f"unmeasured_{key}" not in keys(told(tmp_path, bare, algorithm=algorithm, measure_samples=0)), "as asked"
        assert f"unmeasured_{key}" not in keys(told(tmp_path, algorithm=algorithm, steps=1))


@pytest.mark.parametrize(("there", "here"), [(False, True), (True, False), (True, True)])
def test_a_reward_model_on_the_same_base_in_another_format(tmp_path: Path, there: bool, here: bool) -> None:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    recipe = parse({"algorithm": "rm", "load_in_4bit": there}).model_dump(mode="json")
    (folder / "recipe.json").write_text(json.dumps({"version": 1, "recipe": recipe}))
    found = told(tmp_path, algorithm="ppo", reward_model="run:one", load_in_4bit=here)
    wanted = [] if there == here else ["other_format_4bit" if there else "other_format_full"]
    assert [key for key in keys(found) if "format" in key] == wanted
    copied = told(tmp_path, algorithm="ppo", reward_model="run:copied", load_in_4bit=here)
    assert not [key for key in keys(copied) if "format" in key]


def test_every_note_on_rows_has_its_figures_and_its_words(tmp_path: Path) -> None:
    rows = [PAIR, PAIR | {"chosen": "b " * 60}, PAIR | {"prompt": "7" * 90}]
    out = (LeftOut(2, WhyLeftOut.EMPTY, "chosen"), LeftOut(5, WhyLeftOut.EMPTY, "chosen"))
    data = Dataset(rows, [], "", (PAIR,), out, passed_over=("system", "label"))
    found = told(tmp_path, data, algorithm="dpo", max_length=40, dataset="pairs.jsonl")
    assert found[0].params == {"used": 2, "rows": 5, "held_out": 1}
    empty, long = [note.params for note in found if note.key == "left_out"]
    assert (empty["count"], empty["why"], empty["detail"]) == (2, "empty", "chosen")
    assert (long["count"], long["why"]) == (1, "prompt_too_long")
    (cut,) = [note for note in found if note.key == "rows_cut"]
    assert (cut.params["count"], cut.params["rows"], cut.params["max_length"]) == (1, 2, 40)
    assert cut.mend["max_length"] >= cut.params["longest"] > 40
    (passed,) = [note for note in found if note.key == "passed_over"]
    assert passed.params["columns"] == "system, label"
    (repeated,) = [note for note in found if note.key == "rows_repeated"]
    assert repeated.params == {"rows": 2, "needed": 32}
    for note in found:
        for locale in ("en", "zh"):
            sentence = with_mend(note.as_dict(), locale)
            assert "{" not in sentence and sentence != note.key and len(sentence) > 8


def test_rows_without_an_answer_among_rows_with_one_are_trained_and_counted(tmp_path: Path) -> None:
    data = Dataset(
        [{"prompt": "1 + 1", "answer": "2"}, {"prompt": "1 + 2"}, {"prompt": "1 + 3", "answer": " "}], [], ""
    )
    found = told(tmp_path, data, algorithm="grpo", dataset="rows.jsonl")
    assert found[0].params["used"] == 3
    (note,) = [note for note in found if note.key == "without_answer"]
    assert note.params == {"count": 2, "rows": 3, "rules": "equals_answer"}
    without = told(tmp_path, data, algorithm="grpo", dataset="rows.jsonl", rules=[{"name": "integer_answer"}])
    assert "without_answer" not in keys(without)


def test_notes_are_printed_and_kept_with_the_run_once_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder(tmp_path)
    assert folder.notes() == []
    first, last = Note("rows_repeated", {"rows": 1, "needed": 32}), Note("weights_unchanged", {"steps": 3})
    tell([first], folder)
    tell([first], folder)  # a resumed run says the same again
    tell([last], folder)
    assert folder.notes() == [first.as_dict(), last.as_dict()]
    assert capsys.readouterr().out.count("One step takes 32 rows, and there are 1") == 2


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
            assert abs(result["kl_from_start"]) > 0 and "Nothing is measured" not in printed
        else:
            assert result["before"] is None and "note: Nothing is measured before and after" in printed


@pytest.mark.parametrize(("warmup", "said"), [(0, False), (9, False), (10, True), (1000, True)])
def test_a_warm_up_that_outlasts_the_run_is_said_with_the_mend(tmp_path: Path, warmup: int, said: bool) -> None:
    found = told(tmp_path, algorithm="sft", steps=10, warmup_steps=warmup, learning_rate=0.01)
    notes_of_it = [note for note in found if note.key == "warm_up_too_long"]
    assert bool(notes_of_it) is said
    if warmup == 1000:
        assert notes_of_it[0].params == {"warmup": 1000, "steps": 10, "highest": "9e-05", "wanted": "0.01"}
        assert notes_of_it[0].mend == {"warmup_steps": 0}

"""The preview is what training reads: template applied, prompt masked, too long rows counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.core.recipes import parse
from lab.training.preview import marked, preview


def written(path: Path, *rows: dict) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_the_loss_counts_the_completion_and_its_end(tmp_path: Path) -> None:
    file = written(
        tmp_path / "rows.jsonl",
        {"prompt": "2 + 2", "completion": "4"},
        {"prompt": "7" * 900, "completion": "x"},
        {"prompt": "empty", "completion": " "},
    )
    found = preview(parse({"algorithm": "sft", "dataset": file}), tmp_path)
    (row,) = found["rows"]
    assert row["completion"]["masked"].startswith("<|user|>2 + 2") or "2 + 2" in row["completion"]["masked"]
    assert "4" not in row["completion"]["masked"] and row["completion"]["trained"].startswith("4")
    assert len(row["completion"]["trained"]) > 1, "the end token trains too"
    assert found["template"] == "own" and found["count"] == 1
    assert sorted(found["left_out"]) == [("empty", "completion", 1), ("prompt_too_long", "", 1)]


def test_what_the_template_adds_is_told_from_the_rows_own_text(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", {"prompt": "2 + 2", "completion": "4"})
    parts = preview(parse({"algorithm": "sft", "dataset": file}), tmp_path)["rows"][0]["completion"]["parts"]
    assert [(text, counted) for text, whose, counted in parts if whose == "row"] == [("2 + 2", False), ("4", True)]
    assert parts[-1][1:] == ("template", True), "the end token is the template's, and trains"


def test_parts_are_the_whole_text_also_where_it_is_cut_off() -> None:
    runs = [("<u>2 + 2</u><a>", False), ("4 and no mo", True)]
    parts = marked(runs, ["2 + 2", "4 and no more"])
    assert "".join(text for text, _, _ in parts) == "<u>2 + 2</u><a>4 and no mo"
    assert parts[-1] == ("4 and no mo", "row", True) and parts[0] == ("<u>", "template", False)
    unknown = marked([("abc", False)], ["not in it"])
    assert unknown == [("abc", "template", False)]


def test_what_is_cut_off_is_counted(tmp_path: Path) -> None:
    file = written(tmp_path / "pairs.jsonl", {"prompt": "2 + 2", "chosen": "4 " * 60, "rejected": "5"})
    found = preview(parse({"algorithm": "dpo", "dataset": file, "max_length": 40}), tmp_path)
    chosen, rejected = found["rows"][0]["chosen"], found["rows"][0]["rejected"]
    assert chosen["tokens"] == 40 and chosen["cut"] > 50
    assert rejected["cut"] == 0 and rejected["masked"] == chosen["masked"]


def test_the_command_shows_rows_and_refuses_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    equal = written(tmp_path / "equal.jsonl", {"prompt": "a", "chosen": "x", "rejected": "x"})
    assert cli.main(["preview", "tiny/sft", "--home", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("⟦") == 4 and "left out" not in shown
    assert cli.main(["preview", "tiny/dpo", "--set", f"dataset={equal}", "--home", str(tmp_path)]) == 1
    assert "chosen and rejected are the same" in capsys.readouterr().err

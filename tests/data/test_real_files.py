"""Small files of the shapes that are published, through the doors that training and Annotate use; docs/data.md's table is made of it."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest

from lab.core.recipes import parse
from lab.data.datasets import Dataset, load, rows_of_file
from lab.data.forms import detect_form, shape_completions, shape_prompts
from lab.data.left_out import counted
from lab.data.pair_rows import FoundPairs, find_pairs
from lab.data.preference_forms import shape_preferences
from lab.data.splits import training_rows
from lab.errors import DatasetError
from lab.words import say, word

FILES = Path(__file__).with_name("files")
NAMES = sorted(path.name for path in FILES.iterdir() if path.is_file())
DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"
HEAD = "| file | form | preview of | SFT | RM, DPO | GRPO, PPO | Annotate | left out, and why |\n|---|---|---|---|---|---|---|---|\n"


def loaded(name: str, algorithm: str) -> Dataset:
    return load(parse({"algorithm": algorithm, "dataset": str(FILES / name)}))


def line_of(name: str) -> str:
    rows = training_rows(rows_of_file(str(FILES / name)))
    cells, reasons = [], {}
    for use in (shape_completions, shape_preferences, lambda rows: shape_prompts(rows, conversations=True), find_pairs):
        try:
            found = use(rows)
        except DatasetError:
            cells.append("–")
            continue
        cells.append(str(len(found.pairs if isinstance(found, FoundPairs) else found.rows)))
        reasons |= {(why, detail): times for why, detail, times in counted(found.left_out)}
    said = "; ".join(f"{n} × {say(f'left_out.{why}', detail=detail)}" for (why, detail), n in sorted(reasons.items()))
    preview = ", ".join(algorithm for algorithm in ("sft", "dpo", "grpo") if is_loaded(name, algorithm)) or "–"
    return f"| `{name}` | {detect_form(rows)} | {preview} | {' | '.join(cells)} | {said} |\n"


def is_loaded(name: str, algorithm: str) -> bool:
    """Whether the rows reach the preview, which asks for them as a run does."""
    try:
        return bool(loaded(name, algorithm).train)
    except DatasetError:
        return False


def test_the_table_of_the_document_is_what_the_files_give() -> None:
    table = HEAD + "".join(line_of(name) for name in NAMES)
    text = DOCUMENT.read_text("utf-8")
    if os.environ.get("LAB_WRITE_DOCS"):
        before, _, rest = text.partition(HEAD)
        _, _, after = rest.partition("\n\n")
        DOCUMENT.write_text(f"{before}{table}\n{after}", "utf-8")
    assert table in DOCUMENT.read_text("utf-8"), "run this test with LAB_WRITE_DOCS=1"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("algorithm", ["sft", "dpo", "grpo"])
def test_a_file_is_trained_on_or_refused_in_one_whole_sentence(name: str, algorithm: str) -> None:
    try:
        found = loaded(name, algorithm)
    except DatasetError as error:
        for locale in ("en", "zh"):
            assert "{" not in word(error, locale).replace("{name", "") and str(error.key) not in word(error, locale)
        return
    columns = {"sft": {"prompt", "completion"}, "dpo": {"prompt", "chosen", "rejected"}, "grpo": {"prompt"}}[algorithm]
    for row in [*found.train, *found.held_out, *found.held_out_pairs]:
        assert columns <= row.keys()
        turns = row["prompt"] if isinstance(row["prompt"], list) else [{"role": "user", "content": row["prompt"]}]
        assert turns[-1]["role"] == "user" and all(turn["content"].strip() for turn in turns)
    for note in found.notes:
        for locale in ("en", "zh"):
            sentence = say(f"data_note.{note.key}", locale, **dict(note.params))
            assert "{" not in sentence and not sentence.startswith("data_note")


@pytest.mark.parametrize("name", NAMES)
def test_the_line_that_a_refusal_names_works(name: str) -> None:
    """A file of preferences that SFT refuses: typed as the sentence says, its chosen responses are learnt."""
    try:
        loaded(name, "sft")
    except DatasetError as error:
        if error.key == "dataset_holds_preferences":
            found = load(parse({"algorithm": "sft", "dataset": str(error.params["line"])}))
            pairs = loaded(name, "dpo")
            chosen = {row["chosen"] for row in [*pairs.train, *pairs.held_out_pairs]}
            assert {row["completion"] for row in found.train} <= chosen | {"Gone.", "Take care."}
            assert found.train and "rejected" in found.passed_over


@pytest.mark.parametrize("packed", [".gz", ".zst"])
@pytest.mark.parametrize("name", ["hh_rlhf.jsonl", "alpaca.json", "pairs.csv"])
def test_packed_files_are_the_same(tmp_path: Path, name: str, packed: str) -> None:
    content = (FILES / name).read_bytes()
    path = tmp_path / (name + packed)
    if packed == ".gz":
        path.write_bytes(gzip.compress(content))
    else:
        with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as stream:
            stream.write(content)
    assert rows_of_file(str(path)).rows == rows_of_file(str(FILES / name)).rows

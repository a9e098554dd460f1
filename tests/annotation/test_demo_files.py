"""LLaMA-Factory's demonstration files, as they are: what is read of them, and that what is left out was there before.

They are looked for where ``make real`` looks for its data (``DATA``, else ``../shared/data`` beside the checkout).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.core.preferences import Place
from lab.data.left_out import WhyLeftOut
from lab.data.recognition import Form
from lab.data.rows import read_rows
from tests.annotation.annotating import ANNA, given, says
from tests.annotation.reading import import_file, preview_file

DATA = Path(os.environ.get("DATA") or Path(__file__).parents[2] / "../shared/data").resolve()
ROWS = 300


def demo(language: str) -> Path:
    path = DATA / f"dpo_{language}_demo.json"
    if not path.is_file():
        pytest.skip(f"there is no {path}; set DATA to the folder that has it")
    return path


def texts(row: dict[str, Any]) -> Any:
    """What makes a row a pair: the conversation, and its two responses in either order."""
    return row["conversations"], sorted(row[side]["value"] for side in ("chosen", "rejected"))


@pytest.mark.parametrize(("language", "taken", "conversations"), [("zh", 289, 62), ("en", 295, 183)])
def test_every_row_is_a_pair_or_was_there_before(
    annotation: Annotation, language: str, taken: int, conversations: int
) -> None:
    path = demo(language)
    rows = json.loads(path.read_text("utf-8"))
    assert len(rows) == ROWS and preview_file(annotation, path).form is Form.CONVERSATIONS
    found = import_file(annotation, path)
    assert (found.taken, len(found.left_out)) == (taken, ROWS - taken)
    assert {one.why for one in found.left_out} == {WhyLeftOut.SAME_PAIR}
    for one in found.left_out:  # lines count rows from 1
        assert texts(rows[one.line - 1]) == texts(rows[int(one.detail) - 1])
    pairs = annotation.pairs(found.collection.id)
    assert sum(not isinstance(pair.prompt, str) for pair in pairs) == conversations
    assert {(pair.first.source, pair.second.source) for pair in pairs} == {
        ("chosen", "rejected"),
        ("rejected", "chosen"),
    }


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_judged_of_them_is_what_they_say(annotation: Annotation, tmp_path: Path, language: str) -> None:
    path = demo(language)
    wanted = {
        (row["conversations"][-1]["value"], row["chosen"]["value"], row["rejected"]["value"])
        for row in json.loads(path.read_text("utf-8"))
    }
    collection = import_file(annotation, path).collection.id
    better = {
        pair.id: next(s.text for s in (pair.first, pair.second) if s.source == "chosen")
        for pair in annotation.pairs(collection)
    }
    for pair in given(annotation, ANNA, collection, 20):
        says(annotation, ANNA, collection, pair, Place.LEFT if pair["a"] == better[pair["pair"]] else Place.RIGHT)
    folder = annotation.export(annotation.freeze(collection).id, tmp_path / "out")
    rows = read_rows(folder / "preferences.jsonl").rows
    said = {
        (row["prompt"][-1]["content"], row["chosen"][0]["content"], row["rejected"][0]["content"])
        if isinstance(row["prompt"], list)
        else (row["prompt"], row["chosen"], row["rejected"])
        for row in rows
    }
    assert len(said) == 20 and said <= wanted

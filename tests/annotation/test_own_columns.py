"""A file's own ids, categories and chosen columns: from import through judging and freezing into exports and back, and to a reward model's rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.annotation.collections import Annotation
from lab.annotation.rewarded_pairs import decided_in
from lab.core.preferences import Place
from lab.core.reward_agreement import reward_agreement
from lab.data.datasets import rows_of_file
from lab.data.preference_forms import shape_preferences
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, given, says
from tests.annotation.reading import import_file

ROWS = [
    {"id": f"row-{n}", "prompt": f"{n} + 1?", "first": str(n + 1), "second": "no", "category": kind, "source": "exam", "level": n}
    for n, kind in enumerate(["sum", "style"])
]  # fmt: skip


@pytest.fixture
def annotation(tmp_path: Path) -> Annotation:
    return Annotation(Store(tmp_path / "home", allow_unsafe_disk=True))


def judged(annotation: Annotation, tmp_path: Path) -> str:
    """A collection of the file, each pair judged for the sum; its id."""
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    collection = import_file(annotation, path, own=("level", "source")).collection.id
    for shown in given(annotation, ANNA, collection, 5):
        assert not any(word in json.dumps(shown) for word in ('"own"', "row-", "exam", '"category"'))
        says(annotation, ANNA, collection, shown, Place.RIGHT if shown["a"] == "no" else Place.LEFT)
    return collection


def test_ids_categories_and_chosen_columns_come_through_to_an_export_and_back(
    annotation: Annotation, tmp_path: Path
) -> None:
    collection = judged(annotation, tmp_path)
    assert {pair.own["own_id"] for pair in annotation.pairs(collection)} == {"row-0", "row-1"}
    version = annotation.freeze(collection)
    kept = {row["own_id"]: (row["category"], row["source"], row["level"]) for row in annotation.rows(version.id)}
    assert kept == {"row-0": ("sum", "exam", 0), "row-1": ("style", "exam", 1)}

    folder = annotation.export(version.id, tmp_path / "export")
    assert "`own_id`, `category`, `level`, `source`" in (folder / "README.md").read_text("utf-8")
    elsewhere = Annotation(Store(tmp_path / "other", allow_unsafe_disk=True))
    there = elsewhere.import_export(folder).version
    assert there.content_hash == version.content_hash
    again = {row["own_id"]: (row["category"], row["source"], row["level"]) for row in elsewhere.rows(there.id)}
    assert again == kept

    for name in ("preferences.jsonl", "preferences.parquet"):
        rows = rows_of_file(str(folder / name))
        assert {row["category"] for row in shape_preferences(rows).rows} == {"sum", "style"}
        imported = import_file(elsewhere, folder / name, name=name, own=("source", "level"))
        back = {pair.own["own_id"]: pair.own["level"] for pair in elsewhere.pairs(imported.collection.id)}
        assert back == {"row-0": 0, "row-1": 1}


def test_a_reward_is_compared_with_people_by_category(annotation: Annotation, tmp_path: Path) -> None:
    collection = judged(annotation, tmp_path)
    people = decided_in(annotation.store, collection)
    rewards = {
        pair.id: (1.0, 0.0) if (pair.own["category"] == "sum") == (pair.first.text != "no") else (0.0, 1.0)
        for pair in people.pairs
    }
    agreement = reward_agreement(people, rewards)
    assert {name: (share.count, share.of) for name, share in agreement.by_category.items()} == {
        "sum": (1, 1),
        "style": (0, 1),
    }


def test_a_file_without_own_columns_gives_the_rows_and_hash_of_before(annotation: Annotation, tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_text(json.dumps({"prompt": "p", "first": "a", "second": "b"}) + "\n", "utf-8")
    (pair,) = annotation.pairs(import_file(annotation, path).collection.id)
    assert pair.own == {}

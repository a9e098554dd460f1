"""Choices that a file records become judgements of a named annotator: once, marked as imported, and in no figure about sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.annotation.imported_votes import imported_id
from lab.annotation.pairs import CollectionSettings
from lab.core.preferences import IMPORTED, Choice, Derivation
from lab.errors import DatasetError
from tests.annotation.annotating import ANNA, counted_anew, counters, given, judge_all, stored
from tests.annotation.reading import import_file, preview_file

ARENA = [
    {"prompt": "Why?", "response_a": "Because.", "response_b": "Why not?", "winner": "model_a"},
    {"prompt": "How?", "response_a": "So.", "response_b": "Thus.", "winner": "model_b"},
    {"prompt": "When?", "response_a": "Now.", "response_b": "Later.", "winner": "tie"},
]
PREFERENCES = [{"prompt": f"{n} + 1", "chosen": f"{n + 1}", "rejected": f"{n}"} for n in range(6)]


def written(folder: Path, rows: list[dict[str, Any]], name: str = "arena.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def choices(annotation: Annotation, collection: str) -> dict[str, str]:
    """The text that was chosen at each prompt, or what else was said."""
    pairs = {pair.id: pair for pair in annotation.pairs(collection)}
    found = {}
    for event in stored(annotation):
        choice = Choice(event.choice)
        pair = pairs[event.pair]
        found[str(pair.prompt)] = pair.response(choice).text if choice.is_response else str(choice)
    return found


def test_the_winners_of_an_arena_are_judgements_of_a_named_annotator(annotation: Annotation, tmp_path: Path) -> None:
    path = written(tmp_path, ARENA)
    assert preview_file(annotation, path, votes="the arena").votes == 3
    done = import_file(annotation, path, votes="the arena")
    collection = done.collection.id
    assert (done.taken, done.votes, done.collection.judgements, done.collection.annotators) == (3, 3, 3, 1)
    assert choices(annotation, collection) == {"Why?": "Because.", "How?": "Thus.", "When?": "tie"}
    (person,) = annotation.quality(collection).annotators
    assert (person.name, person.id) == ("the arena", imported_id("the arena")) and person.id.startswith(IMPORTED)
    assert person.left_rate.count == 0 and annotation.quality(collection).left_rate.count == 0
    assert counters(annotation, collection) == counted_anew(annotation, collection)
    assert annotation.freeze(collection).preferences == 2


def test_without_a_name_the_winners_are_left_to_people(annotation: Annotation, tmp_path: Path) -> None:
    done = import_file(annotation, written(tmp_path, ARENA))
    assert (done.taken, done.votes, done.collection.judgements) == (3, 0, 0)
    assert stored(annotation) == []


def test_preferences_are_votes_for_the_chosen_one_and_no_gold(annotation: Annotation, tmp_path: Path) -> None:
    done = import_file(annotation, written(tmp_path, PREFERENCES), votes="an earlier study")
    assert (done.votes, done.collection.gold, done.collection.open) == (6, 0, 0)
    assert choices(annotation, done.collection.id) == {f"{n} + 1": f"{n + 1}" for n in range(6)}


def test_the_same_file_again_adds_no_judgement(annotation: Annotation, tmp_path: Path) -> None:
    path = written(tmp_path, ARENA)
    collection = import_file(annotation, path, votes="arena").collection.id
    again = import_file(annotation, path, votes="arena", into=collection)
    assert again.taken == 0 and len(stored(annotation)) == 3
    other = import_file(annotation, path, votes="another", into=collection)
    assert other.collection.judgements == 6 and other.collection.annotators == 2


def test_several_votes_on_a_pair_are_several_annotators(annotation: Annotation, tmp_path: Path) -> None:
    again = [ARENA[0], ARENA[0] | {"winner": "model_b"}, ARENA[0], ARENA[1]]
    done = import_file(annotation, written(tmp_path, again), votes="crowd", settings=CollectionSettings(overlap=3))
    assert (done.taken, done.votes, done.collection.judgements) == (2, 4, 4)
    names = {one.name: one.judged for one in annotation.quality(done.collection.id).annotators}
    assert names == {"crowd": 2, "crowd 2": 1, "crowd 3": 1}
    found = {one.prompt: one.agreement for one in annotation.derived(done.collection.id, Derivation()).preferences}
    assert found == {"Why?": pytest.approx(2 / 3), "How?": 1.0}


def test_people_judge_beside_what_was_imported(annotation: Annotation, tmp_path: Path) -> None:
    settings = CollectionSettings(overlap=2, seed=1, gold_rate=0)
    collection = import_file(annotation, written(tmp_path, PREFERENCES), votes="study", settings=settings).collection.id
    rights = {f"{n} + 1": f"{n + 1}" for n in range(6)}
    assert {pair["prompt"] for pair in given(annotation, ANNA, collection, 6)} == set(rights)
    annotation.change(collection, overlap=1)
    assert annotation.collection(collection).open == 0 and judge_all(annotation, ANNA, collection) == 0


def test_a_file_that_says_nothing_is_refused_as_judgements(annotation: Annotation, tmp_path: Path) -> None:
    rows = [{"prompt": "p", "first": "a", "second": "b"}]
    with pytest.raises(DatasetError) as caught:
        import_file(annotation, written(tmp_path, rows), votes="nobody")
    assert caught.value.key == "pairs_no_votes" and annotation.collections() == []


def test_imported_judgements_survive_an_export(annotation: Annotation, tmp_path: Path) -> None:
    from lab.store.runs import Store

    collection = import_file(annotation, written(tmp_path, ARENA), votes="arena").collection.id
    version = annotation.freeze(collection)
    folder = annotation.export(version.id, tmp_path / "out")
    elsewhere = Annotation(Store(tmp_path / "another home", allow_unsafe_disk=True))
    done = elsewhere.import_export(folder)
    assert done.version.content_hash == version.content_hash
    assert elsewhere.quality(done.version.collection).left_rate.count == 0
    elsewhere.store.close()

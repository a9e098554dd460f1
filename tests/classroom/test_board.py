"""The leaderboard: a hack scores high and shows, and nobody's own judgements speak for their rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.annotation.collections import Annotation
from lab.classroom.board import Board, completions_of
from lab.core.access import Access, User
from lab.core.preferences import Place
from lab.core.recipes import RuleUse
from lab.errors import InputError, RuleError
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, BEN, given, judge_all, says, sums

LONGER = "def reward(prompt, completion, answer):\n    return 1.0\n"
RIGHT = """def reward(prompt, completion, answer):
    first = prompt.split(" ")[0]
    return 1.0 if first.isdigit() and str(int(first) + 1) in completion else 0.0
"""


@pytest.fixture
def annotation(lab_home: Path) -> Iterator[Annotation]:
    store = Store(lab_home, allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


def written(name: str, source: str) -> RuleUse:
    return RuleUse(name=name, source=source)


def test_a_hack_is_first_and_shows_that_people_disagree(annotation: Annotation) -> None:
    collection = sums(annotation, 8, everyone=True)
    for person in (ANNA, BEN):
        judge_all(annotation, person, collection)
    board, diego = Board(annotation.store), User("Diego", Access.ANNOTATOR, id="g-diego", guest=True)
    board.submit(diego, "always", [written("always", LONGER)], "", collection)
    board.submit(diego, "right", [written("right", RIGHT)], "", collection)
    board.submit(diego, "equals", [RuleUse(name="equals_answer")], "", "")
    first, second, third = board.entries()
    assert (first.title, first.score, first.agree.share, first.hacked) == ("always", 1.0, 0.5, True)
    assert (second.title, second.score, second.agree.of) == ("equals", pytest.approx(0.6, abs=0.01), 0)
    assert (third.title, third.agree.share, third.hacked) == ("right", 1.0, False)
    board.submit(diego, "always", [written("always", RIGHT)], "", collection)  # the same name again replaces it
    assert len(board.entries()) == 3 and board.entries()[-1].title == "always"


def test_the_submitters_own_judgements_do_not_count(annotation: Annotation) -> None:
    collection = sums(annotation, 4, everyone=True)
    judge_all(annotation, ANNA, collection, right=False)
    board = Board(annotation.store)
    board.submit(ANNA, "mine", [written("right", RIGHT)], "", collection)
    board.submit(BEN, "his", [written("right", RIGHT)], "", collection)
    assert {entry.person: entry.agree.of for entry in board.entries()} == {ANNA.id: 0, BEN.id: 4}
    judge_all(annotation, BEN, collection)
    assert {entry.person: entry.agree.share for entry in board.entries()} == {ANNA.id: 1.0, BEN.id: 0.0}


def test_what_cannot_be_scored_is_refused_with_its_reason(annotation: Annotation) -> None:
    board = Board(annotation.store)
    with pytest.raises(InputError, match="class_set_title"):
        board.submit(ANNA, " ", [RuleUse(name="equals_answer")], "", "")
    with pytest.raises(RuleError, match="class_no_spread"):
        board.submit(ANNA, "nothing", [RuleUse(name="equals_answer", weight=0)], "", "")
    with pytest.raises(RuleError):
        board.submit(ANNA, "broken", [written("broken", "def reward(:")], "", "")
    assert board.entries() == []


def test_without_a_recorded_run_the_labs_own_answers_are_scored(annotation: Annotation) -> None:
    rows = completions_of(annotation.store, "")
    assert len(rows) > 500 and all(answer for _, _, answer in rows)
    assert {"无解", "no solution"} <= {text for _, text, _ in rows}


def test_what_somebody_judged_is_taken_back_and_stays_on_record(annotation: Annotation) -> None:
    collection = sums(annotation, 5, everyone=True)
    judge_all(annotation, ANNA, collection)
    judge_all(annotation, BEN, collection)
    held = given(annotation, ANNA, collection)
    assert annotation.take_back_all(ANNA, collection) == 5
    assert annotation.take_back_all(ANNA, collection) == 0
    found = annotation.quality(collection)
    assert (found.judgements, [one.id for one in found.annotators]) == (5, [BEN.id])
    assert not held and len(given(annotation, ANNA, collection, 9)) == 5
    pair = given(annotation, ANNA, collection, 1)[0]
    assert says(annotation, ANNA, collection, pair, Place.LEFT)["saved"]

"""Pairs and judgements by identity, whatever the sides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.core.preferences import (
    Choice,
    Judgement,
    Pair,
    Place,
    Response,
    choice_at,
    left_of,
    make_pair,
    side_swapped,
)
from tests.core.swapping import swapped

NAMES = ["an", "bo", "陈", "di", "eve"]
responses = st.sampled_from([Choice.FIRST, Choice.SECOND])


def pair(number: int = 0, **changes: Any) -> Pair:
    values: dict[str, Any] = {
        "id": f"p{number}",
        "prompt": "解方程 3x + 5 = 20",
        "first": Response(text="x = 5", source="run:a"),
        "second": Response(text="无解", source="run:b"),
    }
    return Pair(**(values | changes))


def judged(choice: Choice, annotator: str = "an", number: int = 0, **values: Any) -> Judgement:
    values = {"left": Choice.FIRST} | values
    return Judgement(uuid=uuid4(), pair_id=f"p{number}", annotator=annotator, choice=choice, **values)


@st.composite
def judgement_lists(draw: st.DrawFn) -> list[Judgement]:
    """What some annotators said of up to five pairs, each at most once of a pair."""
    cells = draw(st.sets(st.tuples(st.integers(0, 4), st.sampled_from(NAMES)), max_size=20))
    found = []
    for number, name in sorted(cells):
        choice = draw(st.sampled_from(list(Choice)))
        of_response = choice.is_response
        found.append(
            Judgement(
                uuid=draw(st.uuids()),
                pair_id=f"p{number}",
                annotator=name,
                choice=choice,
                left=draw(responses),
                strength=draw(st.none() | st.integers(1, 3)) if of_response else None,
                edited=draw(st.none() | st.sampled_from(["x = 5!", "5", "无解"])) if of_response else None,
            )
        )
    return found


@given(judgement_lists(), st.none() | responses)
def test_swapping_twice_is_the_identity(judgements: list[Judgement], gold: Any) -> None:
    one = pair(gold=gold)
    assert swapped(swapped(one)) == one
    assert (swapped(one) == one) is False
    for judgement in judgements:
        assert swapped(swapped(judgement)) == judgement
        assert swapped(judgement).place is judgement.place
        if judgement.choice.is_response:
            assert swapped(one).response(swapped(judgement).choice) == one.response(judgement.choice)


@pytest.mark.parametrize(
    "values",
    [
        {"strength": float("nan")},
        {"strength": 4},
        {"strength": True},
        {"strength": 1.0},
        {"duration": float("nan")},
        {"duration": float("inf")},
        {"duration": -1},
        {"reason": "x" * 1_000_000},
        {"choice": "A"},
        {"choice": "tie", "strength": 1},
        {"choice": "skip", "edited": "x"},
        {"edited": " "},
        {"left": "tie"},
        {"annotator": ""},
        {"uuid": "1"},
        {"user": "root"},
    ],
)
def test_values_that_a_judgement_does_not_take(values: dict[str, Any]) -> None:
    good = {"uuid": str(uuid4()), "pair_id": "p0", "annotator": "an", "choice": "first", "left": "second"}
    assert Judgement(**good).place is Place.RIGHT  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Judgement(**(good | values))


def test_a_judgement_survives_json() -> None:
    one = judged(Choice.FIRST, left=Choice.SECOND, strength=2, reason="更清楚", duration=1.5, edited="5")
    again = Judgement.model_validate_json(one.model_dump_json())
    assert again == one and isinstance(again.uuid, UUID)
    assert again.choice is Choice.FIRST and again.left is Choice.SECOND
    assert Judgement.model_validate(json.loads(one.model_dump_json())).left is Choice.SECOND


def test_equal_responses_are_no_pair() -> None:
    with pytest.raises(ValidationError, match="equal"):
        pair(second=Response(text=" x = 5"))


@given(st.text(max_size=5), st.text(st.characters(codec="utf-8"), max_size=5), st.text(max_size=5))
def test_a_pair_does_not_tell_which_was_given_first(prompt: str, one: str, other: str) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in (prompt, one, other)]
    if texts[1].strip() == texts[2].strip():
        return
    first, second = Response(text=texts[1]), Response(text=texts[2])
    made = make_pair(texts[0], first, second, better=first)
    assert made == make_pair(texts[0], second, first, better=first)
    assert made.gold is not None and made.response(made.gold) == first


def test_first_is_the_better_one_half_of_the_time() -> None:
    golds = [
        make_pair(f"q{n}", Response(text="good"), Response(text="bad"), better=Response(text="good")).gold
        for n in range(2_000)
    ]
    assert 890 < golds.count(Choice.FIRST) < 1110


def test_sides_are_balanced_over_pairs_and_over_annotators() -> None:
    for seed in (0, 1):
        by_annotator = {name: sum(side_swapped(name, f"p{n}", seed) for n in range(2_000)) for name in NAMES}
        assert all(890 < swapped < 1110 for swapped in by_annotator.values()), by_annotator
        assert 890 < sum(side_swapped(f"u{n}", "p0", seed) for n in range(2_000)) < 1110
    differ = sum(side_swapped("an", f"p{n}", 0) != side_swapped("bo", f"p{n}", 0) for n in range(2_000))
    assert 890 < differ < 1110


def test_sides_are_the_same_in_every_process() -> None:
    code = "from lab.core.preferences import side_swapped as s; print([s('陈', f'p{n}', 7) for n in range(40)])"
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] == str([side_swapped("陈", f"p{n}", 7) for n in range(40)])


@given(responses, st.sampled_from(list(Place)))
def test_a_place_means_the_response_that_stood_there(left: Any, place: Place) -> None:
    chosen = choice_at(place, left)
    assert judged(chosen, left=left).place is place
    assert left_of("an", "p0", 1) is (Choice.SECOND if side_swapped("an", "p0", 1) else Choice.FIRST)


def test_sides_depend_on_the_seed_the_annotator_and_the_pair() -> None:
    pairs = [f"p{number}" for number in range(64)]

    def sides(annotator: str, seed: int) -> list[bool]:
        return [side_swapped(annotator, one, seed) for one in pairs]

    assert sides("an", 1) != sides("an", 2)
    assert sides("an", 1) != sides("bo", 1)
    assert sides("an", 1) == sides("an", 1) and set(sides("an", 1)) == {True, False}

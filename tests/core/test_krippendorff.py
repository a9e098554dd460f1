"""Krippendorff's α: one for people who agree, whatever the sides; equal to the formula; a reason where undefined."""

from __future__ import annotations

from itertools import permutations
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.agreement import Votes, WhyUndefined, krippendorffs_alpha, votes
from lab.core.preferences import Choice, Judgement, Place, choice_at, left_of

FOUR = list(Choice)[:4]
NAMES = ["an", "bo", "陈"]


def by_formula(found: Votes) -> float | None:
    """α = 1 − D_o / D_e from the coincidences, written out (Krippendorff 2011, section D)."""
    units = [list(of_pair.values()) for of_pair in found.values() if len(of_pair) > 1]
    coincidences = [(one, other, 1 / (len(unit) - 1)) for unit in units for one, other in permutations(unit, 2)]
    n = sum(weight for _, _, weight in coincidences)
    totals = {choice: sum(weight for one, _, weight in coincidences if one is choice) for choice in FOUR}
    expected = sum(totals[one] * totals[other] for one, other in permutations(FOUR, 2)) / (n * (n - 1)) if n else 0
    if not expected:
        return None
    observed = sum(weight for one, other, weight in coincidences if one is not other) / n
    return 1 - observed / expected


@given(st.lists(st.sampled_from(FOUR), min_size=2, max_size=30), st.integers(0, 2**31))
def test_three_people_who_agree_in_everything_get_one_under_any_sides(opinions: list[Choice], seed: int) -> None:
    judgements = []
    for number, opinion in enumerate(opinions):
        for name in NAMES:
            left = left_of(name, f"p{number}", seed)
            choice = opinion
            if opinion.is_response:  # what they really do: press the key of the place where it stands
                choice = choice_at(Place.LEFT if opinion is left else Place.RIGHT, left)
            judgements.append(Judgement(uuid=uuid4(), pair_id=f"p{number}", annotator=name, choice=choice, left=left))
    alpha = krippendorffs_alpha(votes(judgements))
    if len(set(opinions)) == 1:
        assert alpha.value is None and alpha.why is WhyUndefined.ONE_CATEGORY
    else:
        assert alpha.value == pytest.approx(1.0) and alpha.why is None


@given(
    st.dictionaries(
        st.integers(0, 12).map("p{}".format),
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from(FOUR), max_size=3),
        max_size=12,
    )
)
def test_alpha_equals_the_formula(found: dict[str, dict[str, Choice]]) -> None:
    alpha, expected = krippendorffs_alpha(found), by_formula(found)
    assert (alpha.value is None) == (expected is None)
    if expected is not None:
        assert alpha.value == pytest.approx(expected)


def test_no_overlap() -> None:
    assert krippendorffs_alpha({}).why is WhyUndefined.NO_OVERLAP
    assert krippendorffs_alpha({"p0": {"an": Choice.FIRST}}).why is WhyUndefined.NO_OVERLAP


# Krippendorff 2011: a row an annotator, a column a unit, a full stop where nothing was coded
BINARY = ["0100000010", "1110010000"]
NOMINAL = ["aabbdcccedda", "babbbcccedddd"[:12]]
MISSING = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


@pytest.mark.parametrize(("rows", "published"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743)])
def test_alpha_equals_the_published_tables(rows: list[str], published: float) -> None:
    units = {
        f"u{number}": {f"a{row}": code for row, code in enumerate(column) if code != "."}
        for number, column in enumerate(zip(*rows, strict=True))
    }
    assert krippendorffs_alpha(units).value == pytest.approx(published, abs=0.0005)  # type: ignore[arg-type]

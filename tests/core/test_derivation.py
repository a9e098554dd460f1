"""What judgements come to by the rule; whatever the sides and whatever the order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.derivation import EditFate, as_rows, derive
from lab.core.preferences import Adjudication, Choice, Derivation, Judgement, WhyNotDerived
from tests.core.swapping import swapped
from tests.core.test_preferences import NAMES, judged, judgement_lists, pair, responses

rules = st.builds(
    Derivation,
    least_votes=st.integers(1, 3),
    least_agreement=st.sampled_from([0.5, 2 / 3, 1.0]),
    use_edits=st.booleans(),
)


@given(judgement_lists(), rules, st.randoms())
def test_deriving_does_not_depend_on_order(judgements: list[Judgement], rule: Derivation, random: Any) -> None:
    pairs = [pair(number) for number in range(5)]
    expected = derive(pairs, judgements, rule)
    random.shuffle(pairs)
    random.shuffle(judgements)
    assert derive(pairs, judgements, rule) == expected
    assert len(expected.preferences) + sum(expected.counts.values()) == 5


@given(judgement_lists(), rules)
def test_deriving_does_not_depend_on_which_is_called_first(judgements: list[Judgement], rule: Derivation) -> None:
    pairs = [pair(number) for number in range(5)]
    other_way = derive([swapped(pair) for pair in pairs], [swapped(judgement) for judgement in judgements], rule)
    assert other_way == derive(pairs, judgements, rule)


@given(judgement_lists(), rules, st.lists(responses, min_size=20, max_size=20))
def test_deriving_does_not_depend_on_the_sides(
    judgements: list[Judgement], rule: Derivation, sides: list[Choice]
) -> None:
    pairs = [pair(number) for number in range(5)]
    elsewhere = [one.model_copy(update={"left": left}) for one, left in zip(judgements, sides, strict=False)]
    assert derive(pairs, elsewhere, rule) == derive(pairs, judgements, rule)


@pytest.mark.parametrize(
    ("choices", "rule", "expected"),
    [
        ("", {}, WhyNotDerived.NOT_JUDGED),
        ("kk", {}, WhyNotDerived.NOT_JUDGED),
        ("1", {}, 1.0),
        ("1k", {"least_votes": 2}, WhyNotDerived.TOO_FEW_VOTES),
        ("112", {}, 2 / 3),
        ("112", {"least_agreement": 2 / 3}, 2 / 3),
        ("112", {"least_agreement": 0.7}, WhyNotDerived.LOW_AGREEMENT),
        ("12", {}, WhyNotDerived.NO_MAJORITY),
        ("1123", {}, WhyNotDerived.NO_MAJORITY),
        ("t", {}, WhyNotDerived.TIE),
        ("tt1", {}, WhyNotDerived.TIE),
        ("bb1", {}, WhyNotDerived.BOTH_BAD),
        ("111tb", {}, 3 / 5),
        ("111kk", {"least_agreement": 1.0}, 1.0),
    ],
)
def test_the_rule(choices: str, rule: dict[str, Any], expected: float | WhyNotDerived) -> None:
    letters = dict(zip("123tbk", [Choice.FIRST, Choice.SECOND, Choice.TIE, *list(Choice)[2:]], strict=True))
    votes = [judged(letters[letter], NAMES[place]) for place, letter in enumerate(choices)]
    derived = derive([pair()], votes, Derivation(**rule))
    if isinstance(expected, WhyNotDerived):
        assert derived.left_out == (("p0", expected),)
        assert derived.counts == {expected: 1}
    else:
        assert derived.preferences[0].agreement == pytest.approx(expected)
        assert (derived.preferences[0].chosen, derived.preferences[0].rejected) == ("x = 5", "无解")


def test_what_a_preference_carries() -> None:
    votes = [
        judged(Choice.SECOND, "bo", strength=3),
        judged(Choice.SECOND, "an", strength=2),
        judged(Choice.FIRST, "di", strength=1),
        judged(Choice.SECOND, "eve"),
        judged(Choice.SKIP, "陈"),
    ]
    found = derive([pair()], votes).preferences[0]
    assert (found.chosen, found.rejected) == ("无解", "x = 5")
    assert (found.source_chosen, found.source_rejected) == ("run:b", "run:a")
    assert (found.annotators, found.n_votes, found.agreement, found.strength) == (
        ("an", "bo", "di", "eve"),
        4,
        0.75,
        2.5,
    )
    conversation = pair(1, prompt=[{"role": "system", "content": "s"}, {"role": "user", "content": "q"}])
    other = derive([conversation], [judged(Choice.FIRST, number=1)]).preferences[0]
    (row,) = as_rows([found], "v1")
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("解方程 3x + 5 = 20", "无解", "x = 5")
    assert (row["annotators"], row["dataset_version"]) == (["an", "bo", "di", "eve"], "v1")
    first, second = as_rows([found, other], "v1")
    assert first["prompt"] == [{"role": "user", "content": "解方程 3x + 5 = 20"}]
    assert first["chosen"] == [{"role": "assistant", "content": "无解"}]
    assert second["prompt"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    assert second["rejected"] == [{"role": "assistant", "content": "无解"}]


def test_edits() -> None:
    votes = [
        judged(Choice.FIRST, "an", edited="x is 5"),
        judged(Choice.FIRST, "bo", edited="x = 5."),
        judged(Choice.FIRST, "di", edited="x = 5."),
        judged(Choice.SECOND, "eve", edited="none"),
    ]
    assert derive([pair()], votes).preferences[0].chosen == "x = 5"
    edited = derive([pair()], votes, Derivation(use_edits=True)).preferences[0]
    assert (edited.chosen, edited.edited_by) == ("x = 5.", "bo")
    first_by_name = derive([pair()], votes[:2], Derivation(use_edits=True)).preferences[0]
    assert (first_by_name.chosen, first_by_name.edited_by) == ("x is 5", "an")
    same = derive([pair()], [judged(Choice.FIRST, edited="无解 ")], Derivation(use_edits=True))
    assert same.left_out == (("p0", WhyNotDerived.EQUAL_SIDES),)


def test_one_judgement_of_each_annotator() -> None:
    with pytest.raises(ValueError, match="twice"):
        derive([pair()], [judged(Choice.FIRST), judged(Choice.SECOND)])


# ---- the owner's word


def word(choice: Any, number: int = 0) -> Adjudication:
    return Adjudication(pair_id=f"p{number}", by="owner", choice=choice)


@pytest.mark.parametrize("votes", ["", "1", "12", "112", "111", "tt"])
def test_the_owners_word_decides_whatever_the_votes_say_and_is_no_vote(votes: str) -> None:
    letters = {"1": Choice.FIRST, "2": Choice.SECOND, "t": Choice.TIE}
    said = [judged(letters[letter], NAMES[place]) for place, letter in enumerate(votes)]
    rule = Derivation(least_votes=2, least_agreement=0.9)
    (found,) = derive([pair()], said, rule, [word(Choice.SECOND)]).preferences
    assert (found.chosen, found.adjudicated_by, found.n_votes) == ("无解", "owner", len(votes))
    assert "owner" not in found.annotators
    assert found.agreement == (votes.count("2") / len(votes) if votes else 0)
    for choice, why in ((Choice.TIE, WhyNotDerived.TIE), (Choice.BOTH_BAD, WhyNotDerived.BOTH_BAD)):
        assert derive([pair()], said, rule, [word(choice)]).left_out == (("p0", why),)


def test_a_rule_may_leave_the_owners_word_out() -> None:
    said = [judged(Choice.FIRST, "an"), judged(Choice.FIRST, "bo"), judged(Choice.SECOND, "di")]
    rule = Derivation(use_adjudications=False)
    assert derive([pair()], said, rule, [word(Choice.SECOND)]) == derive([pair()], said, rule)
    assert derive([pair()], said, rule).preferences[0].chosen == "x = 5"


def test_rows_name_who_adjudicated_only_where_somebody_did() -> None:
    plain, other = derive([pair(), pair(1)], [judged(Choice.FIRST), judged(Choice.FIRST, number=1)]).preferences
    decided = derive([pair(1)], [], None, [word(Choice.FIRST, 1)]).preferences[0]
    assert all("adjudicated_by" not in row for row in as_rows([plain, other], "v1"))
    assert [row["adjudicated_by"] for row in as_rows([plain, decided], "v1")] == [None, "owner"]


def test_one_word_stands() -> None:
    with pytest.raises(ValueError, match="adjudicated twice"):
        derive([pair()], [], None, [word(Choice.FIRST), word(Choice.SECOND)])


# ---- judged after the sources were shown


def test_a_judgement_that_is_not_blind_is_no_vote_unless_the_rule_says_so() -> None:
    said = [judged(Choice.FIRST, "an"), judged(Choice.SECOND, "bo", revealed=True)]
    (found,) = derive([pair()], said).preferences
    assert (found.chosen, found.annotators, found.n_votes) == ("x = 5", ("an",), 1)
    assert derive([pair()], said, Derivation(use_revealed=True)).left_out == (("p0", WhyNotDerived.NO_MAJORITY),)
    assert derive([pair()], said[1:]).left_out == (("p0", WhyNotDerived.NOT_BLIND),)


# ---- more judgements than were wanted


@pytest.mark.parametrize(
    ("choices", "overlap", "rule", "chosen"),
    [
        ("12", 1, {}, "x = 5"),  # the second came late: the first one decides
        ("21", 1, {}, "无解"),
        ("112", 2, {"least_agreement": 1.0}, "x = 5"),
        ("1122", 3, {}, "x = 5"),
        ("12", 2, {}, WhyNotDerived.NO_MAJORITY),  # both were wanted
        ("121", 2, {}, "x = 5"),  # together they are clear
        ("122", 1, {}, "无解"),
        ("1212", 2, {}, WhyNotDerived.NO_MAJORITY),  # nor are the first two
        ("t1", 1, {}, WhyNotDerived.TIE),
        ("k12", 1, {}, "x = 5"),  # a skip is no vote
        ("12", None, {}, WhyNotDerived.NO_MAJORITY),
    ],
)
def test_a_judgement_that_came_late_costs_no_preference(
    choices: str, overlap: int | None, rule: dict[str, Any], chosen: str | WhyNotDerived
) -> None:
    letters = {"1": Choice.FIRST, "2": Choice.SECOND, "t": Choice.TIE, "k": Choice.SKIP}
    names = ["di", "an", "eve", "bo"]  # the order in which they came is not that of their names
    said = [judged(letters[letter], names[place]) for place, letter in enumerate(choices)]
    found = derive([pair()], said, Derivation(**rule), overlap=overlap)
    if isinstance(chosen, WhyNotDerived):
        assert found.left_out == (("p0", chosen),)
    else:
        assert [one.chosen for one in found.preferences] == [chosen]
        first = chosen != derive_all(said, rule)
        assert found.first_votes == (("p0",) if first else ())
        assert not first or found.preferences[0].n_votes == overlap


def derive_all(said: list[Judgement], rule: dict[str, Any]) -> str | None:
    """What all votes together choose; None where they give no preference."""
    found = derive([pair()], said, Derivation(**rule))
    return found.preferences[0].chosen if found.preferences else None


def test_a_gold_pair_is_for_everybody_and_has_no_first_votes() -> None:
    said = [judged(Choice.FIRST, "an"), judged(Choice.SECOND, "bo")]
    found = derive([pair(gold=Choice.FIRST)], said, overlap=1)
    assert found.left_out == (("p0", WhyNotDerived.NO_MAJORITY),)


# ---- what becomes of edits


def test_the_fate_of_each_edit_is_counted() -> None:
    said = [
        judged(Choice.FIRST, "an", edited="x = 5."),
        judged(Choice.FIRST, "bo", edited="x = 5."),
        judged(Choice.FIRST, "di", edited="five"),
        judged(Choice.SECOND, "eve", edited="none"),  # outvoted
        judged(Choice.FIRST, "an", number=1, edited="5"),
        judged(Choice.SECOND, "bo", number=1, edited="no"),  # no majority
        judged(Choice.FIRST, "an", number=2, edited="5", revealed=True),  # no vote
        judged(Choice.FIRST, "bo", number=2),
    ]
    pairs = [pair(number) for number in range(3)]
    used = derive(pairs, said, Derivation(use_edits=True)).edits
    assert used == {EditFate.USED: 2, EditFate.ANOTHER: 1, EditFate.NOT_CHOSEN: 4}
    assert derive(pairs, said).edits == {EditFate.NOT_BY_RULE: 3, EditFate.NOT_CHOSEN: 4}
    assert derive(pairs, [judged(Choice.FIRST)]).edits == {}

"""Agreement between people: numbers checked by hand, and the reasons where there is none."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.agreement import (
    WhyUndefined,
    alpha_interval,
    cohens_kappa,
    gold_accuracy,
    krippendorffs_alpha,
    least_seconds,
    left_rate,
    raw_agreement,
    reading_length,
    too_fast,
    votes,
)
from lab.core.preferences import Choice, Judgement

FIRST, SECOND, TIE = Choice.FIRST, Choice.SECOND, Choice.TIE


def judged(annotator: str, pair_id: str, choice: Choice, left: Choice = FIRST) -> Judgement:
    return Judgement(uuid=uuid4(), pair_id=pair_id, annotator=annotator, choice=choice, left=left)  # type: ignore[arg-type]


def two(*choices: tuple[Choice, Choice]) -> dict[str, dict[str, Choice]]:
    return {f"p{n}": {"an": one, "bo": other} for n, (one, other) in enumerate(choices)}


def test_kappa_by_hand() -> None:
    # Cohen's textbook table: 20 both yes, 15 both no, 5 and 10 between: p_o = .7, p_e = .5, κ = .4
    found = two(*[(FIRST, FIRST)] * 20, *[(FIRST, SECOND)] * 5, *[(SECOND, FIRST)] * 10, *[(SECOND, SECOND)] * 15)
    assert cohens_kappa(found, "an", "bo").value == pytest.approx(0.4)
    assert cohens_kappa(found, "an", "bo").count == 50
    assert raw_agreement(found).value == pytest.approx(0.7)


@given(st.lists(st.tuples(st.sampled_from(list(Choice)[:4]), st.sampled_from(list(Choice)[:4])), min_size=1))
def test_kappa_is_symmetric_and_at_most_one(choices: list[tuple[Choice, Choice]]) -> None:
    found = two(*choices)
    kappa, other = cohens_kappa(found, "an", "bo"), cohens_kappa(found, "bo", "an")
    assert kappa == other
    if kappa.value is None:
        assert kappa.why is WhyUndefined.ONE_CATEGORY
    else:
        assert -1 - 1e-9 <= kappa.value <= 1
        assert (kappa.value == pytest.approx(1)) == (raw_agreement(found).value == 1)


def test_only_shared_pairs_count_and_skips_do_not() -> None:
    found = votes(
        [
            judged("an", "p0", FIRST),
            judged("bo", "p0", FIRST),
            judged("an", "p1", FIRST),
            judged("bo", "p1", TIE),
            judged("di", "p1", TIE),
            judged("an", "p2", SECOND),
            judged("bo", "p2", Choice.SKIP),
        ]
    )
    assert raw_agreement(found).value == pytest.approx(2 / 4)
    assert raw_agreement(found).count == 2
    assert cohens_kappa(found, "an", "bo").count == 2


def test_the_later_judgement_counts() -> None:
    assert votes([judged("an", "p0", FIRST), judged("an", "p0", SECOND)]) == {"p0": {"an": SECOND}}
    assert votes([judged("an", "p0", FIRST), judged("an", "p0", Choice.SKIP)]) == {"p0": {}}


def test_reasons_where_undefined() -> None:
    assert raw_agreement({}).why is WhyUndefined.NO_OVERLAP
    assert raw_agreement({"p0": {"an": FIRST}}).why is WhyUndefined.NO_OVERLAP
    assert cohens_kappa({"p0": {"an": FIRST}}, "an", "bo").why is WhyUndefined.NO_OVERLAP
    assert cohens_kappa(two((FIRST, FIRST)), "an", "bo").why is WhyUndefined.ONE_CATEGORY
    assert left_rate([judged("an", "p0", TIE)]).why is WhyUndefined.NONE_CHOSEN
    assert gold_accuracy(two((FIRST, FIRST)), {"p9": FIRST}, "an").why is WhyUndefined.NO_GOLD


def test_left_rate_and_gold() -> None:
    judgements = [
        judged("an", "p0", FIRST, FIRST),
        judged("an", "p1", SECOND, FIRST),
        judged("an", "p2", SECOND, SECOND),
    ]
    assert left_rate(judgements).value == pytest.approx(2 / 3)
    accuracy = gold_accuracy(votes(judgements), {"p0": FIRST, "p1": FIRST, "p9": FIRST}, "an")
    assert (accuracy.value, accuracy.count) == (0.5, 2)


def test_nobody_reads_that_fast() -> None:
    assert too_fast(0.1, 10) and not too_fast(0.5, 10)
    assert too_fast(1.9, 200) and not too_fast(2.1, 200)
    assert not too_fast(3.0, 100_000)  # whoever takes their time may have known the texts


def test_the_line_follows_what_was_read_and_a_chinese_character_takes_longer_than_a_letter():
    assert reading_length("x = 5", "所以") == 5 + 6
    assert [least_seconds(reading_length(text)) for text in ("x" * 10, "x" * 150, "字" * 50, "x" * 999)] == [
        0.4,
        1.5,
        1.5,
        3,
    ]


def test_the_interval_of_alpha_holds_it_and_is_narrower_with_more_pairs():
    def judged(pairs):
        return {
            str(n): {a: FIRST if (n % 2 == 0) ^ ((n + k) % 7 == 0) else SECOND for k, a in enumerate("abcd")}
            for n in range(pairs)
        }

    few, many = judged(14), judged(140)
    for votes_of_pairs in (few, many):
        low, high = alpha_interval(votes_of_pairs)
        assert low < krippendorffs_alpha(votes_of_pairs).value < high
    width = [high - low for low, high in (alpha_interval(few), alpha_interval(many))]
    assert width[1] < width[0] / 2
    assert alpha_interval({"1": {"a": FIRST, "b": FIRST}, "2": {"a": FIRST, "b": FIRST}}) is None

"""What the owner reads of a collection: escaped, in both languages, with the reason where a number is undefined."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.annotation.adjudication import adjudicate
from lab.annotation.collections import Annotation
from lab.annotation.pairs import Collection, CollectionSettings
from lab.annotation.quality import Quality
from lab.core.agreement import Measure, WhyUndefined
from lab.core.derivation import Derived, EditFate
from lab.core.preferences import Choice, Derivation
from lab.store.runs import Store
from lab.ui.tabs.annotate import tables
from lab.words import say
from tests.annotation.annotating import ANNA, BEN, given, judge_all, place_of, says, sums
from tests.annotation.reading import preview_file

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def annotation(tmp_path: Path):
    store = Store(tmp_path, allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_preview_escapes_what_stands_in_the_file_and_counts_what_is_left_out(annotation, tmp_path, language):
    rows = [{"prompt": HOSTILE, "chosen": HOSTILE + "1", "rejected": "2"}] + [
        {"prompt": "p", "chosen": "same", "rejected": "same"}
    ] * 2
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows), "utf-8")
    shown = tables.preview(preview_file(annotation, path), language)
    assert "<img" not in shown and "&lt;img" in shown
    assert ("2 rows are left out" if language == "en" else "2 行未采用") in shown
    assert "2, 3" in shown


def test_undefined_agreement_gives_its_reason_and_defined_agreement_its_number():
    nothing = Measure(None, 0, WhyUndefined.NO_OVERLAP)
    found = Quality(3, 1, 3, nothing, None, nothing, Measure(2 / 3, 3), (), ())
    shown = tables.quality(found, [], {}, "en")
    assert "has been judged by two people yet" in shown
    assert "67%" in shown and "κ" not in shown
    two = Quality(6, 0, 3, Measure(1.0, 3), Measure(-0.25, 3), Measure(1.0, 3), Measure(0.5, 6), (), ())
    shown = tables.quality(two, [], {}, "zh")
    assert "−0.25" in shown and "100%" in shown and "Cohen κ" in shown


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_in_no_figure_is_counted_beside_them(annotation, language):
    collection = sums(annotation, 8, gold=2, gold_rate=0.5)
    judge_all(annotation, ANNA, collection)
    plain = tables.quality(annotation.quality(collection), [], {}, language)
    (column,) = [say("annotate_column.revealed", language)]
    assert column not in plain
    gold = annotation.quality(collection).gold
    assert gold and say("annotate.judged_gold", language, count=gold) in plain
    (pair,) = given(annotation, BEN, sums(annotation, 1))[:1]
    other = annotation.collections()[0].id
    says(annotation, BEN, other, pair, place_of(pair), revealed=True)
    shown = tables.quality(annotation.quality(other), [], {}, language)
    assert column in shown and say("annotate.judged_revealed", language, count=1) in shown


def test_a_decision_is_shown_on_its_pair_and_in_the_rule(annotation):
    collection = sums(annotation, 1, overlap=2)
    for person, right in ((ANNA, True), (BEN, False)):
        (pair,) = given(annotation, person, collection)
        says(annotation, person, collection, pair, place_of(pair, right))
    adjudicate(annotation.store, ANNA, collection, pair["pair"], Choice.FIRST)
    judged = annotation.quality(collection)
    assert "Decided: First." in tables.disagreement(judged.disagreements[0], 0, 1, {}, "en")
    assert "You decided 1 pairs" in tables.quality(judged, [], {}, "en")
    rule = Derivation(use_revealed=True)
    assert "non-blind votes included" in tables.versions([annotation.freeze(collection, rule)], "en")


def test_the_better_source_is_named_by_its_run_and_only_beyond_doubt(annotation):
    collection = sums(annotation, 12)
    judge_all(annotation, ANNA, collection)
    shown = tables.quality(annotation.quality(collection), annotation.compare_sources(collection), {}, "en")
    assert "right is better." in shown and "12 decided pairs" in shown
    few = sums(annotation, 2)
    judge_all(annotation, ANNA, few)
    shown = tables.quality(annotation.quality(few), annotation.compare_sources(few), {}, "en")
    assert "Too close to call." in shown


def test_a_disagreement_says_who_said_what_and_why(annotation):
    collection = sums(annotation, 1, overlap=2, reason=True)
    for person, right in ((ANNA, True), (BEN, False)):
        (pair,) = given(annotation, person, collection)
        says(annotation, person, collection, pair, place_of(pair, right), reason=HOSTILE)
    judged = annotation.quality(collection)
    shown = tables.disagreement(judged.disagreements[0], 0, 1, {"u-anna": "Anna", "u-ben": "Ben"}, "en")
    assert "Anna" in shown and "Ben" in shown and "<img" not in shown


def test_what_a_rule_would_give_is_counted_with_its_reasons(annotation):
    collection = sums(annotation, 3)
    (pair,) = given(annotation, ANNA, collection)
    says(annotation, ANNA, collection, pair, Choice.TIE)
    shown = tables.derived(annotation.derived(collection, Derivation()), "en")
    assert "0 preferences" in shown and "1 pairs left out: a tie" in shown and "2 pairs left out" in shown


def test_versions_are_listed_with_their_rule(annotation):
    assert "No version yet" in tables.versions([], "en")
    collection = sums(annotation, 2)
    judge_all(annotation, ANNA, collection)
    version = annotation.freeze(collection, Derivation(use_edits=True), name=HOSTILE)
    shown = tables.versions([version], "en")
    assert "<img" not in shown and "edits used" in shown and version.content_hash[7:19] in shown


@pytest.mark.parametrize(
    ("language", "told"), [("en", "7 edited responses are left out"), ("zh", "有 7 条修改后的回答未采用")]
)
def test_the_fate_of_edits_and_late_judgements_is_said(language: str, told: str) -> None:
    found = Derived(Derivation(), (), (), {EditFate.NOT_BY_RULE: 7}, ("p0",))
    shown = tables.derived(found, language)
    assert told in shown and ("judged by more people" if language == "en" else "超过所需") in shown
    assert "edited" not in tables.derived(Derived(Derivation(), (), ()), "en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_judgements_beyond_the_overlap_are_shown(language: str) -> None:
    one = Collection("20260101-000000-aaaa", "sums", CollectionSettings(), 0.0, 5, 0, 1, judgements=6, annotators=2)
    assert "3" not in tables.collections([one], language)
    shown = tables.collections([replace(one, beyond=3)], language)
    assert ("has 3 judgements more" if language == "en" else "有 3 条判断超出") in shown

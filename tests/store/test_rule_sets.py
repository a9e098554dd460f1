"""Rule sets: versions that never change, and files that come back as the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.core.rule_sets import Pin, RuleEntry
from lab.errors import InputError, RuleError, StateError
from lab.sandbox.written import worker
from lab.store.rule_files import as_rule_set, parse_entries, read_entries, write_entries
from lab.store.rule_sets import RuleSets
from lab.store.runs import Store

SHORT = "def reward(prompt, completion, answer):\n    return 1.0 if len(completion) < 8 else 0.0\n"
EQUALS = RuleEntry(name="equals_answer", weight=2.0)
WRITTEN = RuleEntry(
    name="short",
    source=SHORT,
    description="Short is better.",
    weight=0.5,
    pins=(Pin(completion="x = 5", expected=1.0), Pin(prompt="2x = 3", completion="x = 1.5 or so", expected=1.0)),
)


@pytest.fixture
def rule_sets(tmp_path: Path) -> Iterator[RuleSets]:
    store = Store(tmp_path)
    yield RuleSets(store)
    store.close()
    worker().close()


def test_versions_count_up_and_the_same_text_is_the_same_version(rule_sets: RuleSets) -> None:
    first = rule_sets.save("mine", [EQUALS, WRITTEN], "ada")
    assert (first.version, first.entries, first.author) == (1, (EQUALS, WRITTEN), "ada")
    assert rule_sets.save("  mine ", [EQUALS, WRITTEN], "bo") == first
    second = rule_sets.save("mine", [WRITTEN])
    assert second.version == 2
    assert rule_sets.save("mine", [EQUALS, WRITTEN]).version == 3, "going back is a new version"
    assert [one.version for one in rule_sets.versions("mine")] == [3, 2, 1]
    assert rule_sets.load("mine", 2) == second
    assert rule_sets.load("mine", 1) == first


def test_the_list_has_the_newest_of_each(rule_sets: RuleSets) -> None:
    rule_sets.save("b", [EQUALS])
    rule_sets.save("A", [WRITTEN])
    rule_sets.save("b", [EQUALS, WRITTEN])
    assert [(one.name, one.version, one.rules) for one in rule_sets.list()] == [
        ("A", 1, ("short",)),
        ("b", 2, ("equals_answer", "short")),
    ]


def test_what_is_deleted_is_gone_and_its_name_is_free(rule_sets: RuleSets) -> None:
    rule_sets.save("old", [EQUALS])
    rule_sets.save("other", [WRITTEN])
    rule_sets.delete("old")
    assert [one.name for one in rule_sets.list()] == ["other"]
    with pytest.raises(StateError, match="no_such_rule_set"):
        rule_sets.load("old")
    assert rule_sets.save("old", [WRITTEN]).version == 1


@pytest.mark.parametrize(
    ("entries", "key"),
    [
        ([], "rules_value"),
        ([EQUALS, EQUALS], "recipe_rule_twice"),
        ([RuleEntry(name="nothing_of_the_kind")], "rule_unknown"),
        ([RuleEntry(name="equals_answer", source=SHORT)], "rule_name_taken"),
        ([RuleEntry(name="reward_model", source=SHORT)], "rule_name_taken"),
        ([RuleEntry(name="mine", source="def reward(p, c, a)\n")], "rule_source_syntax"),
        ([RuleEntry(name="mine", source=SHORT, low=1, high=0)], "rule_bounds"),
    ],
)
def test_what_cannot_be_used_is_not_saved(rule_sets: RuleSets, entries: list[RuleEntry], key: str) -> None:
    with pytest.raises(RuleError) as caught:
        rule_sets.save("mine", entries)
    assert caught.value.key == key
    assert rule_sets.list() == []


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\0b"])
def test_a_name_is_visible_and_short(rule_sets: RuleSets, name: str) -> None:
    with pytest.raises(InputError, match="rule_set_name"):
        rule_sets.save(name, [EQUALS])


def test_a_file_comes_back_as_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(write_entries([EQUALS, WRITTEN]), "utf-8")
    assert read_entries(file) == [EQUALS, WRITTEN]
    assert parse_entries(file.read_text("utf-8"), "mine") == [EQUALS, WRITTEN]


text = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.floats(-90, 90, allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(
    source=text,
    description=text,
    numbers=st.tuples(numbers, numbers, numbers, numbers),
    pins=st.lists(text, max_size=3),
)
def test_whatever_is_written_to_toml_is_read_back(
    source: str, description: str, numbers: tuple[float, ...], pins: list[str]
) -> None:
    weight, low, high, fallback = numbers
    values = {"name": "mine", "source": source, "description": description, "weight": weight, "low": low, "high": high}
    pinned = [{"prompt": one, "completion": one[::-1], "expected": weight} for one in pins]
    rule_set = as_rule_set({"rules": [values | {"fallback": fallback, "pins": pinned}]}, "here")
    import tomllib

    assert as_rule_set(tomllib.loads(write_entries(rule_set.rules)), "there") == rule_set


def test_numbers_in_quotes_are_no_numbers() -> None:
    with pytest.raises(RuleError, match="rules_value"):
        parse_entries('[[rules]]\nname = "equals_answer"\nweight = "2"\n', "here")

"""What may be a person's name, and which names a reader takes for one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.names import LONGEST_NAME, clean_name, likeness, told_apart
from lab.errors import InputError


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Mei", "Mei"),
        ("  Mei   Lin ", "Mei Lin"),
        ("王小明", "王小明"),
        ("王 Mei", "王 Mei"),
        ("佐々木ゆうこ", "佐々木ゆうこ"),
        ("O’Brien-Müller", "O’Brien-Müller"),
        ("Аня", "Аня"),
        ("Ｍｅｉ", "Mei"),
        ("Jose\u0301", "José"),
        ("नीता", "नीता"),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
    ],
)
def test_names(given: str, kept: str) -> None:
    assert clean_name(given) == kept


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("", "person_name_length"),
        ("   ", "person_name_length"),
        ("...", "person_name_length"),
        ("x" * (LONGEST_NAME + 1), "person_name_length"),
        ("Me\u200bi", "person_name_letter"),
        ("\u202eieM", "person_name_letter"),
        ("Me\u2066i", "person_name_letter"),
        ("Mei\x00", "person_name_letter"),
        ("Mei\x1b[31m", "person_name_letter"),
        ("\u3164", "person_name_letter"),
        ("Mei\ufe0f", "person_name_letter"),
        ("\ud800", "person_name_letter"),
        ("<b>Mei</b>", "person_name_letter"),
        ('Mei"', "person_name_letter"),
        ("Mei😀", "person_name_letter"),
        ("e" + "\u0323\u0316\u0317\u0318", "person_name_letter"),
        ("Меi", "person_name_scripts"),
        ("Mеi", "person_name_scripts"),
        ("Μei", "person_name_scripts"),
    ],
)
def test_no_names(given: str, key: str) -> None:
    with pytest.raises(InputError) as caught:
        clean_name(given)
    assert caught.value.key == key
    assert all(str(value).isprintable() for value in caught.value.params.values())


@pytest.mark.parametrize("other", ["MEI", "mei", "M e i", "me1", "Меі", "ΜΕΙ", "Ｍｅｉ", "mel"])
def test_names_that_look_alike(other: str) -> None:
    assert likeness(other) == likeness("Mei")


@pytest.mark.parametrize("other", ["Mai", "Meii", "梅", "Mëi", ""])
def test_names_that_do_not(other: str) -> None:
    assert likeness(other) != likeness("Mei")


@given(st.text(max_size=60))
def test_a_clean_name_stays_as_it_is_and_shows_what_it_is(text: str) -> None:
    try:
        name = clean_name(text)
    except InputError:
        return
    assert clean_name(name) == name
    assert likeness(name) == likeness(text)
    assert not any(unicodedata.category(letter)[0] == "C" or letter in '<>"\\&' for letter in name)


def test_names_that_look_alike_are_told_apart_by_their_ids() -> None:
    assert told_apart({"g-1": "Li", "u-2": "Wang"}) == {"g-1": "Li", "u-2": "Wang"}
    shown = told_apart({"g-xx1234": "Li", "g-yy1234": "li", "g-5678": "Wang", "g-1234": "LI"})
    assert shown["g-5678"] == "Wang" and len(set(shown.values())) == 4
    assert shown["g-xx1234"] == "Li (…x1234)" and shown["g-1234"] == "LI (…-1234)"

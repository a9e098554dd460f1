"""Reading plain numbers: what a comma means."""

from __future__ import annotations

import pytest

from lab.rules.numbers import Unreadable, expression, tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,234", ["1,234"]),
        ("1,2345", ["1", ",", "2345"]),
        ("1,23", ["1", ",", "23"]),
        ("1,234,567", ["1,234,567"]),
        ("1,234,5678", ["1,234", ",", "5678"]),
        ("1.5,234", ["1.5", ",", "234"]),
    ],
)
def test_a_comma_belongs_to_a_number_where_exactly_three_digits_follow(text: str, found: list[str]) -> None:
    assert tokens(text) == found


def test_a_text_with_two_numbers_is_not_one() -> None:
    with pytest.raises(Unreadable):
        expression(tokens("1,2345"))
    assert expression(tokens("1,234")).constant == 1234

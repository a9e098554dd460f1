"""Reading plain numbers: what a comma means, and the order of sums and products."""

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


@pytest.mark.parametrize(
    ("text", "constant", "factor"),
    [
        ("7 - 3", 4, 0),
        ("7 - 3 - 2", 2, 0),
        ("7 - (3 - 2)", 6, 0),
        ("-3 + 5", 2, 0),
        ("2 + 3*4", 14, 0),
        ("8/2/2", 2, 0),
        ("2(x - 1) - x", -2, 1),
        ("x - 3x + 1", 1, -2),
    ],
)
def test_sums_and_products_come_out_in_their_order(text: str, constant: int, factor: int) -> None:
    read = expression(tokens(text))
    assert (read.constant, read.factor) == (constant, factor)

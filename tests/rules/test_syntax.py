"""The rules about Python code, as plain functions; in the worker they are tested in tests/sandbox."""

from __future__ import annotations

import pytest

from lab.rules.syntax import LARGEST, code, python_parses, python_static_check


@pytest.mark.parametrize(
    ("completion", "parses", "clean"),
    [
        ("x = 1\nprint(x)\n", 1.0, 1.0),
        ("Here you are:\n```python\nprint(1)\n```\nDone.", 1.0, 1.0),
        ("```\nprint(1)\n```", 1.0, 1.0),
        ("```print(1)```", 1.0, 1.0),
        ("```python\nprint(1)", 1.0, 1.0),
        ("```py\nx = 1\n```\nthen\n```py\nprint(x)\n```", 1.0, 1.0),
        ("import os\n", 1.0, 0.0),
        ("print(undefined)\n", 1.0, 0.0),
        ("def f(:\n", 0.0, 0.0),
        ("Here you are: print(1)", 0.0, 0.0),
        ("", 0.0, 0.0),
        ("```python\n```", 0.0, 0.0),
        ("x = '\0'", 0.0, 0.0),
        ("x = '\ud800'", 0.0, 0.0),
        ("(" * 5000, 0.0, 0.0),
        ("-" * 50_000 + "1", 0.0, 0.0),
    ],
)
def test_parses_and_static_check(completion: str, parses: float, clean: float) -> None:
    assert python_parses("", completion, None) == parses
    assert python_static_check("", completion, None) == clean


def test_too_large_scores_nothing() -> None:
    assert python_parses("", "#" * LARGEST, None) == 1.0
    assert python_parses("", "#" * (LARGEST + 1), None) == 0.0
    assert python_parses("", "##" + "解" * (LARGEST // 3), None) == 0.0


def test_code_joins_fenced_blocks() -> None:
    assert code("a\n```python\nx\n```\nb\n```\ny\n```") == "x\n\ny\n"

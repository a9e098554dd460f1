"""Every error that the code can raise has its words, in both languages, with the same placeholders."""

from __future__ import annotations

import ast
import json
import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab
from lab import errors
from lab.errors import LabError, MachineError
from lab.words import say, system_locale, table, word

ROOT = Path(lab.__file__).parent
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, LabError)}


def raised() -> list[tuple[str, str, set[str] | None]]:
    """(place, key, names of the parameters or None where they are not literal) of every error in the source."""
    found: list[tuple[str, str, set[str] | None]] = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            key, place = node.args[0].value, f"{path.relative_to(ROOT)}:{node.lineno}"
            if name in ERRORS and isinstance(key, str):
                names = {keyword.arg for keyword in node.keywords}
                found.append((place, key, None if None in names else {str(name) for name in names}))
            elif name == "PydanticCustomError" and str(key).startswith("recipe_"):
                found.append((place, str(key), None))
    return found


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_error_has_words(locale: str) -> None:
    found = raised()
    assert len(found) > 20
    missing = [f"{place}: {key}" for place, key, _ in found if f"errors.{key}" not in table(locale)]
    assert not missing, "\n".join(missing)


def test_every_placeholder_is_given() -> None:
    wrong = [
        f"{place}: {key} lacks {sorted(placeholders(table('en')[f'errors.{key}']) - names)}"
        for place, key, names in raised()
        if names is not None
        and f"errors.{key}" in table("en")
        and not placeholders(table("en")[f"errors.{key}"]) <= names
    ]
    assert not wrong, "\n".join(wrong)


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    english, chinese = table("en"), table("zh")
    assert set(english) == set(chinese)
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in chinese.items()
    }


CHINESE = re.compile("[\u4e00-\u9fff]{4}")


def sentences(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        for value in values.values():
            yield from sentences(value)
    elif isinstance(values, str):
        yield values


@pytest.mark.parametrize("path", sorted(ROOT.rglob("text.toml")), ids=lambda path: path.parent.name)
def test_a_component_s_words_stand_in_their_own_language(path: Path) -> None:
    words = tomllib.loads(path.read_text("utf-8"))
    assert [each for each in sentences(words["en"]) if CHINESE.search(each)] == []
    assert set(words["en"]) == set(words["zh"])


def test_english_words_are_english() -> None:
    assert [text for text in table("en").values() if CHINESE.search(text)] == []


def test_what_the_recorded_runs_measure_has_a_title_and_a_reason() -> None:
    words = tomllib.loads((ROOT / "ui/components/live_curves/text.toml").read_text("utf-8"))["en"]
    lines = [
        json.loads(line)
        for path in (ROOT.parent / "presets/studies/recorded").rglob("metrics.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    names = {name.partition("/")[0] for line in lines for name in (*line, *line.get("held_out", {}))}
    names -= {"step", "time", "seconds", "held_out", "pairs", "samples", "rule"}
    assert len(names) > 20
    assert [name for name in sorted(names) if f"m_{name}" not in words or f"why_{name}" not in words] == []


def test_words_of_raised_and_stored_errors() -> None:
    error = MachineError("disk_full", path=Path("/data"))
    assert (
        word(error)
        == word(error.as_dict())
        == "The disk is full: /data cannot be written. " + ("Free some space, then resume; what was written is kept.")
    )
    assert "/data" in word(error, "zh") and word(error, "zh") != word(error)
    assert word({"key": "never_heard_of", "params": {"a": 1}}) == "errors.never_heard_of {'a': 1}"
    assert "{path}" in say("errors.disk_full")  # a missing parameter never hides the sentence


def test_the_language_of_the_terminal() -> None:
    assert system_locale({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert system_locale({"LC_ALL": "de_DE.UTF-8", "LANG": "zh_CN.UTF-8"}) == "en"
    assert system_locale({}) == "en"

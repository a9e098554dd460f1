"""The words of the lab in English and Chinese: one file a subject in ``en/`` and ``zh/`` beside this file. No gradio here.

A table, ``[errors]`` for instance, may stand in several files; a key stands in one of them alone. An error says what is
wrong, the value, and how to mend it.

The command line words its errors by the same tables as the page. A test holds the keys and the placeholders of both
languages equal.
"""

from __future__ import annotations

import os
import re
import string
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import LabError

LOCALES = ("en", "zh")
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters and those that turn the order of letters: somebody typed them to be shown to somebody else."""


@cache
def table(locale: str) -> dict[str, str]:
    """All sentences of a language, by dotted key (``errors.disk_full``). An unknown language reads as English."""
    name = "zh" if locale.lower().startswith("zh") else "en"
    sentences: dict[str, str] = {}
    for path in sorted(Path(__file__).with_name(name).glob("*.toml")):
        subject = dict(_flat(tomllib.loads(path.read_text("utf-8")), ""))
        if twice := sentences.keys() & subject.keys():
            raise ValueError(f"{path} repeats {sorted(twice)}, which another file of {path.parent} has already")
        sentences |= subject
    return sentences


def subject_words(part: str, *begins: str) -> dict[str, dict[str, str]]:
    """By language, the sentences of a part of the table (``errors.``), by their keys within it; only those that begin so, where given."""
    wanted = tuple(part + begin for begin in begins) or part
    return {
        locale: {key.removeprefix(part): text for key, text in table(locale).items() if key.startswith(wanted)}
        for locale in LOCALES
    }


def say(key: str, locale: str = "en", **params: object) -> str:
    """The sentence of ``key`` with its parameters filled in; English where the language lacks it, else the key."""
    sentence = table(locale).get(key) or table("en").get(key)
    if sentence is None:
        return f"{key} {params}" if params else key
    return _Lenient().vformat(sentence, (), params)


def word(error: LabError | Mapping[str, Any], locale: str = "en") -> str:
    """One sentence for an error, as it was raised or as it was stored (``{"key", "params"}``)."""
    stored: Mapping[str, Any] = error.as_dict() if isinstance(error, LabError) else error
    params = {name: _worded(value, locale) for name, value in (stored.get("params") or {}).items()}
    return say(f"errors.{stored.get('key')}", locale, **params)


def _worded(value: object, locale: str) -> object:
    """A parameter of an error, without what a terminal would obey; one that is itself a sentence, ``{"say": key, …}``, or a list of them, as words."""
    if isinstance(value, Mapping) and "say" in value:
        sentence = say(str(value["say"]), locale, **{str(name): part for name, part in value.items() if name != "say"})
        return f"{value['count']} × {sentence}" if "count" in value else sentence
    if isinstance(value, list) and value and all(isinstance(part, Mapping) and "say" in part for part in value):
        return ("；" if locale.lower().startswith("zh") else "; ").join(str(_worded(part, locale)) for part in value)
    return _OBEYED.sub("\ufffd", value) if isinstance(value, str) else value


def word_note(note: Mapping[str, Any], locale: str = "en") -> str:
    """One sentence for a note (``lab/core/notes.py``) as it is stored. A reason within it (``why``) is worded as rows left out are."""
    key, params = str(note.get("key")), dict(note.get("params") or {})
    if "why" in params:
        params["why"] = say(f"left_out.{params['why']}", locale, detail=params.get("detail", ""))
    return say(key if "." in key else f"note.{key}", locale, **params)


def with_mend(note: Mapping[str, Any], locale: str = "en") -> str:
    """The same, and what to type to mend it, where a setting does."""
    sentence = word_note(note, locale)
    line = " ".join(f"--set {name}={value}" for name, value in (note.get("mend") or {}).items())
    return f"{sentence}{say('note_mend.line', locale, line=line)}" if line else sentence


def system_locale(environment: Mapping[str, str] = os.environ, encoding: str | None = None) -> str:
    """The language of the terminal, by the usual variables; English where its encoding (standard output's, where not given) has no Chinese."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            chinese = value.lower().startswith("zh") and _has_chinese(encoding or getattr(sys.stdout, "encoding", None))
            return "zh" if chinese else "en"
    return "en"


def _has_chinese(encoding: str | None) -> bool:
    try:
        "中文：。".encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def size_text(count: int | None) -> str:
    """Bytes as a person reads them, ``3.2 GB``; ``?`` where unknown."""
    if count is None:
        return "?"
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB"


class _Lenient(string.Formatter):
    """Fills what is there and leaves a missing placeholder as it stands: words never fail where an error is shown."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:
        return kwargs.get(str(key), f"{{{key}}}")

    def format_field(self, value: Any, format_spec: str) -> str:
        try:
            return str(super().format_field(value, format_spec))
        except ValueError:
            return str(value)


def _flat(nested: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, value in nested.items():
        flat += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, str(value))]
    return flat

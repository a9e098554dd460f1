"""The words of the lab in English and Chinese: ``en.toml`` and ``zh.toml`` beside this file. No gradio here.

The command line words its errors by the same tables as the page. A test holds the keys and the placeholders of both
languages equal.
"""

from __future__ import annotations

import os
import string
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import LabError

LOCALES = ("en", "zh")


@cache
def table(locale: str) -> dict[str, str]:
    """All sentences of a language, by dotted key (``errors.disk_full``). An unknown language reads as English."""
    name = "zh" if locale.lower().startswith("zh") else "en"
    nested = tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text("utf-8"))
    return dict(_flat(nested, ""))


def say(key: str, locale: str = "en", **params: object) -> str:
    """The sentence of ``key`` with its parameters filled in; English where the language lacks it, else the key."""
    sentence = table(locale).get(key) or table("en").get(key)
    if sentence is None:
        return f"{key} {params}" if params else key
    return _Lenient().vformat(sentence, (), params)


def word(error: LabError | Mapping[str, Any], locale: str = "en") -> str:
    """One sentence for an error, as it was raised or as it was stored (``{"key", "params"}``)."""
    stored: Mapping[str, Any] = error.as_dict() if isinstance(error, LabError) else error
    return say(f"errors.{stored.get('key')}", locale, **(stored.get("params") or {}))


def system_locale(environment: Mapping[str, str] = os.environ) -> str:
    """The language of the terminal, by the usual variables."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


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
    found: list[tuple[str, str]] = []
    for key, value in nested.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, str(value))]
    return found

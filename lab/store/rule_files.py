"""Rule sets in files: TOML with ``[[rules]]``, each a ready-made rule by name or a written one with its source; reads and writes them.

    [[rules]]
    name = "equals_answer"
    weight = 2

    [[rules]]
    name = "short"
    weight = 0.5
    description = "Short answers are better."
    low = 0
    high = 1
    fallback = 0
    source = '''
    def reward(prompt, completion, answer):
        return 1.0 if len(completion) < 40 else 0.0
    '''

    [[rules.pins]]
    completion = "x = 5"
    expected = 1

What a rule may do stands in ``lab/sandbox``, versions of a rule set in ``rule_sets.py``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lab.core.rule_sets import RuleEntry, RuleSet
from lab.errors import RuleError
from lab.sandbox.ready import read_toml
from lab.sandbox.rewards import Weighed, check_uses, weighed

LARGEST = 4 << 20
"""Bytes of a file that is read at all; of one that somebody sends, less (``lab/server/rules.py``)."""


def read_rules(path: Path) -> list[Weighed]:
    """The rules of a file, each checked and ready to score; RuleError naming the place and the line of what is wrong."""
    return weighed(read_entries(path))


def read_entries(path: Path) -> list[RuleEntry]:
    """The rules of a file, each checked; RuleError naming the place and the line of what is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise RuleError("rules_file", path=str(path), why=error.strerror or type(error).__name__) from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RuleError("rules_file", path=str(path), why=str(error)) from None
    return parse_entries(text, str(path))


def parse_entries(
    text: str, source: str, *, most: int = LARGEST, trusting: bool = True, until: float = math.inf
) -> list[RuleEntry]:
    """The rules of a TOML text, each checked; ``source`` names it in the error. RuleError for one of more than ``most`` bytes.

    ``trusting`` and ``until`` as in ``check_uses``.
    """
    try:
        if len(text.encode()) > most:
            raise RuleError("rules_file", path=source, why=f"it is larger than {most >> 10} KB")
        values = read_toml(text)
    except ValueError as error:  # also half of a surrogate pair
        raise RuleError("rules_file", path=source, why=str(error)) from None
    entries = list(as_rule_set(values, source).rules)
    if wrong := check_uses(entries, trusting=trusting, until=until):
        raise wrong[0]
    return entries


def as_rule_set(values: Mapping[str, Any], source: str) -> RuleSet:
    """Plain values as a rule set; sources are not looked at. RuleError where they do not fit."""
    try:  # as JSON, where a list may stand for a tuple and yet no text for a number
        return RuleSet.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"].startswith("recipe_"):
            raise RuleError(first["type"], source=source, **first["ctx"]) from None
        place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        value = str(first.get("input"))[:80]
        raise RuleError("rules_value", path=source, field=place, value=value, why=first["msg"]) from None


def write_entries(entries: Sequence[RuleEntry]) -> str:
    """The rules as TOML, which ``parse_entries`` reads back as the same; weights and fallbacks that are usual are left out."""
    return "\n".join(_table("rules", entry.model_dump(exclude_defaults=True)) for entry in entries)


def _table(name: str, values: Mapping[str, Any]) -> str:
    plain = [f"{key} = {_toml(value)}\n" for key, value in values.items() if key != "pins"]
    pins = [_table(f"{name}.pins", pin) for pin in values.get("pins", ())]
    return f"[[{name}]]\n" + "".join(plain) + "".join("\n" + pin for pin in pins)


def _toml(value: str | float) -> str:
    if not isinstance(value, str):
        return f"{value:g}" if value == int(value) and abs(value) < 1e15 else repr(value)
    if "\n" in value and "'''" not in value and all(char.isprintable() or char in "\n\t" for char in value):
        return f"'''\n{value}'''"  # as it was written; the first line break does not count
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

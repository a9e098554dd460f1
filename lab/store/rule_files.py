"""Rule sets in files: TOML with ``[[rules]]``, each a ready-made rule by name or a written one with its source. Reads them; what a rule
may do stands in ``lab/sandbox``.

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
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.core.rules import Rule
from lab.errors import RuleError
from lab.sandbox.ready import READY
from lab.sandbox.rewards import Weighed
from lab.sandbox.written import WrittenRule, check_rule

LARGEST = 4 << 20
"""Bytes of a file that is read at all."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    name: str = Field(min_length=1, max_length=80)
    weight: float = Field(1.0, ge=-100, le=100)
    fallback: float = Field(0.0, ge=-100, le=100)
    source: str | None = None
    description: str = Field("", max_length=2000)
    low: float = Field(0.0, ge=-1e6, le=1e6)
    high: float = Field(1.0, ge=-1e6, le=1e6)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[_Entry] = Field(min_length=1, max_length=32)


def read_rules(path: Path) -> list[Weighed]:
    """The rules of a file, each checked; RuleError naming the place and the line of what is wrong."""
    entries = _parse(path).rules
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise RuleError("rules_value", path=str(path), field="name", value=name, why="it stands twice")
    return [Weighed(_rule(path, entry), entry.weight) for entry in entries]


def _parse(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise RuleError("rules_file", path=str(path), why=f"it is larger than {LARGEST >> 20} MB")
        values: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
        return _File.model_validate(values)
    except OSError as error:
        raise RuleError("rules_file", path=str(path), why=error.strerror or type(error).__name__) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        value = str(first.get("input"))[:80]
        raise RuleError("rules_value", path=str(path), field=place, value=value, why=first["msg"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleError("rules_file", path=str(path), why=str(error)) from None


def _rule(path: Path, entry: _Entry) -> Rule | WrittenRule:
    if entry.source is None:
        if entry.name not in READY:
            raise RuleError("rule_unknown", value=entry.name, known=", ".join(READY))
        for field in ("low", "high", "description"):
            if field in entry.model_fields_set:
                why = "only a rule with a source has it"
                raise RuleError("rules_value", path=str(path), field=field, value=getattr(entry, field), why=why)
        return replace(READY[entry.name], fallback=entry.fallback)
    written = WrittenRule(entry.name, entry.source, entry.description, entry.low, entry.high, entry.fallback)
    if wrong := check_rule(written):
        raise wrong[0]
    return written

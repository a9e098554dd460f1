"""Rules from a Python file that the owner of a trusted machine names when the lab starts: ``--trusted-rules FILE.py``.

Every public function of the file with three parameters, ``name(prompt, completion, answer) -> float``, becomes a rule of that name.
It is ordinary Python with everything that the machine has: it can read files and open sockets. So the file comes from the
environment of the lab's own process and from nowhere else; nothing that a page, a recipe or a rule set says can name one. It is
still run in a process that can be killed (``inside_trusted.py``), never in the lab's own, which only parses it.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from lab.core.rules import LONGEST_MESSAGE, Score, check
from lab.errors import RuleError
from lab.sandbox.worker import Worker
from lab.sandbox.written import Row

VARIABLE = "LAB_TRUSTED_RULES"
"""Names the file, for the app and for the workers that it starts."""

LONGEST_CALL = 20.0
"""Seconds that one batch may take: such a rule may run tests or ask a service."""

BOUND = 1e6
"""A trusted rule's score lies between −BOUND and BOUND."""


@dataclass(frozen=True)
class TrustedRule:
    """A function of the trusted file."""

    name: str
    description: str = ""
    low: float = -BOUND
    high: float = BOUND
    fallback: float = 0.0


def path() -> Path | None:
    """The file that was named at the start, if any."""
    named = os.environ.get(VARIABLE, "").strip()
    return Path(named) if named else None


def rules() -> dict[str, TrustedRule]:
    """The rules of the file by name. Raises RuleError ``trusted_rules`` where it cannot be read or is no Python."""
    file = path()
    if file is None:
        return {}
    try:
        status = file.stat()
        return dict(_rules(file, (status.st_mtime_ns, status.st_size)))
    except OSError as error:
        raise RuleError("trusted_rules", path=file, why=error.strerror or type(error).__name__) from None


@lru_cache(maxsize=4)
def _rules(file: Path, _mark: tuple[int, int]) -> dict[str, TrustedRule]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise RuleError("trusted_rules", path=file, why=str(error)) from None
    functions = [
        function
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_")
    ]
    rules_by_name = {
        function.name: TrustedRule(function.name, (ast.get_docstring(function) or "").split("\n")[0])
        for function in functions
        if len(function.args.posonlyargs) + len(function.args.args) == 3
    }
    if not rules_by_name:
        raise RuleError("trusted_rules", path=file, why="it has no function of (prompt, completion, answer)")
    return rules_by_name


def keep_beside(folder: Path) -> None:
    """Copy the file into the folder of a run that uses it, as a record of what scored it; nothing ever runs the copy."""
    file = path()
    if file is not None:
        (folder / "trusted_rules.py").write_bytes(file.read_bytes())


@cache
def worker() -> Worker:
    """The one worker of this process for trusted rules; it starts with its first call."""
    return Worker(LONGEST_CALL, "inside_trusted.py")


def score_batch(rule: TrustedRule, rows: Sequence[Row]) -> list[Score]:
    """One score a row. Never raises for what the rule does."""
    file = path()
    try:
        written = None if file is None else file.stat().st_mtime_ns  # an edited file is loaded anew
        reply = worker().ask({"file": str(file), "written": written, "rule": rule.name, "rows": rows})
    except OSError as error:  # also TimeoutError and ChildProcessError
        return [Score(rule.fallback, f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE])] * len(rows)
    results: Any = reply["results"]
    return [
        Score(rule.fallback, result["error"][:LONGEST_MESSAGE]) if "error" in result else check(rule, result["value"])
        for result in results
    ]

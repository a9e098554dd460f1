"""The ready-made rules as they run on models' completions: the table of ``lab.rules``, with rules that parse or compute moved into workers.

This is the table that training, the rule bench and the command line take their rules from. The worker that parses for rules also reads
TOML that somebody sent: parsing it can take minutes or exhaust a process (long dotted keys, deep nesting).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from lab.core.rules import Rule
from lab.rules import RULES
from lab.rules.equality import FORMULAS, IN_MATHEMATICS_WORKER
from lab.rules.mathematics import equals_answer
from lab.rules.syntax import IN_SANDBOX
from lab.sandbox.worker import OF_GUEST, Worker

LONGEST_MATHEMATICS = 1.5
"""Seconds after which the worker of mathematics is killed, where its own alarm after 1 s was not heard."""


def worker() -> Worker:
    """The worker of this process for syntax; guests have one of their own. It starts with its first call."""
    return _workers(OF_GUEST.get())[0]


def mathematics_worker() -> Worker:
    """The worker of this process for mathematics; guests have one of their own. It starts with its first call, which takes some seconds."""
    return _workers(OF_GUEST.get())[1]


@cache
def _workers(_of_guests: bool) -> tuple[Worker, Worker]:
    return Worker(), Worker(LONGEST_MATHEMATICS, "inside_mathematics.py")


def formulas_equal_in_worker(first: str, second: str) -> bool:
    """``equality.formulas_equal`` in the worker of mathematics. Raises what ``Worker.apply`` raises."""
    return bool(mathematics_worker().apply(FORMULAS, first, second, None))


def guarded(rule: Rule, run_in: Callable[[], Worker]) -> Rule:
    """The same rule, run in a worker."""

    def in_worker(prompt: str, completion: str, answer: str | None) -> float:
        return run_in().apply(rule.name, prompt, completion, answer)

    return replace(rule, function=in_worker)


WORKERS = dict.fromkeys(IN_SANDBOX, worker) | dict.fromkeys(IN_MATHEMATICS_WORKER, mathematics_worker)
"""Where a rule is run, by its name; the others run here."""

READY: dict[str, Rule] = {
    name: guarded(rule, WORKERS[name]) if name in WORKERS else rule for name, rule in RULES.items()
}
READY["equals_answer"] = replace(
    RULES["equals_answer"], function=partial(equals_answer, same_formula=formulas_equal_in_worker)
)
"""The ready-made rules by name, safe to run on anything."""


def read_toml(text: str) -> dict[str, Any]:
    """The values of a TOML text, as JSON has them (a date is text). Raises ValueError with the reason where it is none, or takes
    too long; MachineError where the worker does not start."""
    try:
        reply = worker().ask({"toml": text})
    except TimeoutError:
        raise ValueError(f"it takes longer than {worker().longest_call:g} s to read") from None
    except ChildProcessError:
        raise ValueError("it is too large or nested too deeply to be read") from None
    if "error" in reply:
        raise ValueError(reply["error"])
    values = reply["value"]
    assert isinstance(values, dict)
    return values

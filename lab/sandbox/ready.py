"""The ready-made rules as they are run on what models wrote: the table of ``lab.rules``, those that parse or compute in workers.

This is the table that training, the rule bench and the command line take their rules from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

from lab.core.rules import Rule
from lab.rules import RULES
from lab.rules.equality import FORMULAS, IN_MATHEMATICS_WORKER
from lab.rules.mathematics import equals_answer
from lab.rules.syntax import IN_SANDBOX
from lab.sandbox.worker import Worker

LONGEST_MATHEMATICS = 1.5
"""Seconds after which the worker of mathematics is killed, where its own alarm after 1 s was not heard."""


@cache
def worker() -> Worker:
    """The one worker of this process for syntax; it starts with its first call."""
    return Worker()


@cache
def mathematics_worker() -> Worker:
    """The one worker of this process for mathematics; it starts with its first call, which takes some seconds."""
    return Worker(LONGEST_MATHEMATICS, "inside_mathematics.py")


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

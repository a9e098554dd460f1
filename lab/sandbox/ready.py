"""The ready-made rules as they are run on what models wrote: the table of ``lab.rules``, its syntax rules in the worker.

This is the table that training, the rule bench and the command line take their rules from.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from lab.core.rules import Rule
from lab.rules import RULES
from lab.rules.syntax import IN_SANDBOX
from lab.sandbox.worker import Worker


@cache
def worker() -> Worker:
    """The one worker of this process; it starts with its first call."""
    return Worker()


def guarded(rule: Rule) -> Rule:
    """The same rule, run in the worker."""

    def in_worker(prompt: str, completion: str, answer: str | None) -> float:
        return worker().apply(rule.name, prompt, completion, answer)

    return replace(rule, function=in_worker)


READY: dict[str, Rule] = {name: guarded(rule) if name in IN_SANDBOX else rule for name, rule in RULES.items()}
"""The ready-made rules by name, safe to run on anything."""

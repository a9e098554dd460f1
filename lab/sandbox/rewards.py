"""Rules of every kind as one: looked up by name or taken as written, checked, and scored a batch at a time.

Training, held-out measuring, the bench and the command line all score through ``reward_batch``. Each kind has its own place to
run: ready-made rules here (``ready.py``; some in a worker), written ones in the sandbox (``written.py``), those of a trusted file in
a worker of theirs (``trusted.py``). What a score and a reward *are* stands in ``lab.core.rules``.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from lab.core.recipes import RuleUse
from lab.core.rules import Reward, Rule, Score, not_run, score, weigh
from lab.errors import RuleError
from lab.sandbox import ready, trusted, written
from lab.sandbox.ready import READY
from lab.sandbox.trusted import TrustedRule
from lab.sandbox.written import Row, WrittenRule, check_bounds, check_rule, score_batch

AnyRule = Rule | WrittenRule | TrustedRule

RESERVED = frozenset({"reward_model"})
"""Names under which something that is no rule stands among a completion's scores."""


@dataclass(frozen=True)
class Weighed:
    """A rule of any kind, and its weight."""

    rule: AnyRule
    weight: float = 1.0


def weighed(uses: Sequence[RuleUse], *, trusting: bool = True) -> list[Weighed]:
    """The rules of a recipe or a rule set. RuleError where the lab has none of that name, or a written one takes such a name.

    Sources are not looked at (``check_uses`` does): a broken one gives errors for scores. With ``trusting=False``, for people who may
    not use the owner's trusted file, that file has no rules.
    """
    known = by_name(trusting=trusting)
    return [Weighed(_rule(use, known), use.weight) for use in uses]


def check_uses(uses: Sequence[RuleUse], *, trusting: bool = True, until: float = math.inf) -> list[RuleError]:
    """What is wrong with the rules of a set: a name that is taken, unknown or there twice; then bounds and fallback, and the source
    of written ones. At ``until`` (of ``time.monotonic``) or later no further rule is looked at: RuleError ``rules_check_over``."""
    known = by_name(trusting=trusting)
    wrong: list[RuleError] = []
    seen: set[str] = set()
    for use in uses:
        if time.monotonic() >= until:
            return [*wrong, RuleError("rules_check_over", rule=use.name)]
        if use.name in seen:
            wrong.append(RuleError("rule_name_twice", rule=use.name))
        seen.add(use.name)
        try:
            rule = _rule(use, known)
        except RuleError as error:
            wrong.append(error)
            continue
        wrong += check_rule(rule) if isinstance(rule, WrittenRule) else check_bounds(rule)
    return wrong


def by_name(*, trusting: bool = True) -> dict[str, AnyRule]:
    """Every rule that can be had by its name alone: the ready-made ones, then those of a trusted file, for those who may use it."""
    return {**READY, **(trusted.rules() if trusting else {})}


def reward_batch(rules: Sequence[Weighed], rows: Sequence[Row], until: float = math.inf) -> list[Reward]:
    """One reward a row: the weighted sum of its rules' scores, each kept beside it by name; no name stands twice.

    Never raises for what a rule does; MachineError where a sandbox does not start. ``until`` as in ``scores_of``.
    """
    weights = {weighed.rule.name: weighed.weight for weighed in rules}
    columns = {weighed.rule.name: scores_of(weighed.rule, rows, until) for weighed in rules}
    return [weigh({name: column[n] for name, column in columns.items()}, weights) for n in range(len(rows))]


def scores_of(rule: AnyRule, rows: Sequence[Row], until: float = math.inf) -> list[Score]:
    """One score a row, by one rule. What would begin at ``until`` (of ``time.monotonic``) or later is not run: an error that says so.

    What has begun is not broken off: a batch in a worker has a limit of its own.
    """
    if isinstance(rule, WrittenRule):
        return score_batch(rule, rows, until)
    if isinstance(rule, TrustedRule):
        return trusted.score_batch(rule, rows) if time.monotonic() < until else [not_run(rule)] * len(rows)
    return [score(rule, *row) if time.monotonic() < until else not_run(rule) for row in rows]


def warm(workers: int = 2) -> threading.Thread:
    """Start the sandbox's workers beforehand, so that the first batch need not wait for them; gives the thread that does it.

    With several workers, rules that several people try at once run side by side: one that loops holds up only its own.
    """

    def start() -> None:
        with suppress(Exception):  # the lab may end meanwhile; any other error is raised at the next use of a worker
            written.worker().widen(workers)
            written.worker().start()
            ready.worker().start()

    thread = threading.Thread(target=start, name="sandbox-warm", daemon=True)
    thread.start()
    return thread


def _rule(use: RuleUse, known: dict[str, AnyRule]) -> AnyRule:
    if use.source is not None:
        if use.name in known or use.name in RESERVED:
            raise RuleError("rule_name_taken", rule=use.name)
        return WrittenRule(use.name, use.source, use.description, use.low, use.high, use.fallback)
    if use.name not in known:
        raise RuleError("rule_unknown", value=use.name, known=", ".join(known))
    return replace(known[use.name], fallback=use.fallback)

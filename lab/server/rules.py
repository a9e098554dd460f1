"""The ``/api/rules`` routes: the bench, the completions that it offers, and rule sets that are saved, opened and shared.

Trying a rule is an annotator's; saving and deleting is the owner's. The shapes stand in ``docs/routes.md``; what the bench answers is
made in ``rule_bench.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from pydantic import Field
from starlette.responses import Response

from lab.core.access import Access, requires, user_of
from lab.core.groups import Estimator, ThresholdKind
from lab.core.rule_sets import MOST_RULES, RuleEntry
from lab.core.what_if import GroupChange, WhatIf
from lab.errors import RuleError
from lab.rules.export import as_python
from lab.runs.rescoring import rescore
from lab.sandbox.rewards import check_uses, weighed
from lab.server.answers import Sent, json_answer
from lab.server.rule_bench import Bench, SentRule, datasets, groups_of, score_bench
from lab.server.scoring import Scoring
from lab.store.recordings import grouped
from lab.store.rule_files import as_rule_set, parse_entries, write_entries
from lab.store.rule_sets import RuleSets, RuleSetVersion
from lab.store.runs import Store

BENCH_SECONDS, WHAT_IF_SECONDS = 6.0, 20.0
"""What one request may take to run rules, the bench's (or the check of a file) and a what-if's; a batch that has begun ends."""
LARGEST_FILE = 128 << 10
"""Bytes of a rule set's file that somebody sends."""
MOST_GROUPS = 64
"""Groups that a what-if shows in full."""

Name = Annotated[str, Query(max_length=400)]
Place = Annotated[int, Query(ge=0, le=10**6)]


class SentSet(Sent):
    """A rule set to save."""

    name: str = Field(max_length=200)
    rules: list[SentRule] = Field(max_length=MOST_RULES)

    def entries(self) -> Sequence[RuleEntry]:
        """The rules as they are kept. Raises RuleError where they do not fit; sources are not looked at."""
        return as_rule_set({"rules": [rule.plain() for rule in self.rules]}, self.name).rules


class SentShare(SentSet):
    """A rule set to be made a file."""

    form: Literal["toml", "python"]


class SentName(Sent):
    """The name of a rule set."""

    name: str = Field(max_length=200)


class SentFile(Sent):
    """A rule set's file."""

    file: str = Field("", max_length=400)
    text: str = Field(max_length=1 << 20)


class SentWhatIf(Sent):
    """Which groups of which run to score anew, and under what; None leaves it as the run had it."""

    run: str = Field(max_length=100)
    first: int = Field(ge=0, le=10**9)
    last: int = Field(ge=0, le=10**9)
    rules: list[SentRule] | None = Field(None, min_length=1, max_length=MOST_RULES)
    threshold: ThresholdKind | None = None
    fraction: float | None = Field(None, gt=0, le=1)
    estimator: Estimator | None = None


def add_rules(application: FastAPI, store: Store) -> None:
    """Register the routes."""
    scoring = Scoring(at_once=4, of_guests=2)
    _add_bench(application, store, scoring)
    _add_what_if(application, store, Scoring(at_once=2, of_guests=1))  # they take long, and must not hold up the bench
    _add_sets(application, RuleSets(store))
    _add_files(application, scoring)


def _trusts(request: Request) -> bool:
    """Whether the owner's trusted file has rules for whoever asks: it is run with all that the machine has."""
    return user_of(request).access >= Access.OWNER


def _add_bench(application: FastAPI, store: Store, scoring: Scoring) -> None:
    @application.post("/api/rules/bench")
    @requires(Access.ANNOTATOR)
    async def bench(sent: Bench, request: Request) -> Response:
        """Scores completions by rules that stand in the request.

        Takes ``{"rules": [{"name", "weight", "fallback", "pins", and of a written one "source", "description", "low", "high"}…], "rows": [{"prompt",
        "completion", "answer", "group" (0)}…], "fraction": 0.2}``. Rows of one prompt, answer and ``group`` are a group. Answers ``{"rules":
        [{"name", "problems": [{"key", "params": {"line"?…}}…], "pins": [{"score", "passed"}…]}…], "completions": [{"scores": [value | {"error"}…],
        "shares": [weight × score…], "reward"}…], "groups": [{"rows": [numbers], "mean", "std", "advantages", "differences": [reward − mean…],
        "thresholds": {"all" | "above_mean" | "top_fraction": {"kept", "why_dropped"}}, "tie_at_cut"}…], "seconds"}``, scores, shares and pins in
        the order of the request. A rule with problems is not run: its fallback stands in. A rule whose time was over has the problem
        ``rule_time_over``, and ``{"error": "not run: time over"}`` for the scores that are missing.
        """
        trusting = _trusts(request)
        return await scoring.answer(request, BENCH_SECONDS, lambda until: score_bench(sent, until, trusting=trusting))

    @application.get("/api/rules/datasets")
    @requires(Access.ANNOTATOR)
    def known_datasets() -> Response:
        """The data whose completions the bench can show: the lab's equations and the files of runs."""
        return json_answer({"datasets": datasets(store)})

    @application.get("/api/rules/groups")
    @requires(Access.ANNOTATOR)
    def dataset_groups(dataset: Name, first: Place = 0) -> Response:
        """Completions to try rules on."""
        return json_answer(groups_of(dataset, first, store))


def _add_what_if(application: FastAPI, store: Store, scoring: Scoring) -> None:
    @application.post("/api/rules/what-if")
    @requires(Access.ANNOTATOR)
    async def what_if(sent: SentWhatIf, request: Request) -> Response:
        """What the groups of a run would have taught under other rules, another threshold or another estimator.

        Takes ``{"run", "first", "last", "rules" | null, "threshold" | null, "fraction" | null, "estimator" | null}``, answers ``{"summary", "groups":
        [those of what_if, with "changed"…], "problems": [{"key", "params"}…]}``: the groups that change most, at most 64. What was not run in
        time is unscored, and ``problems`` holds ``what_if_time_over``.
        """
        trusting = _trusts(request)
        return await scoring.answer(request, WHAT_IF_SECONDS, lambda until: _rescored(store, sent, until, trusting))


def _rescored(store: Store, sent: SentWhatIf, until: float, trusting: bool) -> dict[str, Any]:
    """The summary of all groups, and those in full that change most."""
    folder = grouped(store, sent.run)
    rules = None
    if sent.rules is not None:
        uses = [rule.use() for rule in sent.rules]
        if wrong := check_uses(uses, trusting=trusting, until=until):
            raise wrong[0]
        rules = weighed(uses, trusting=trusting)
    change = WhatIf(sent.threshold, sent.fraction, sent.estimator)
    rescored = rescore(folder, rules, sent.first, sent.last, change, until=until)
    groups = [{**group.as_json(), "changed": _changed(group)} for group in rescored.groups]
    groups.sort(key=lambda group: -int(group["changed"]))
    missed, of = rescored.summary["not_run"], rescored.summary["completions"]
    problems = [RuleError("what_if_time_over", count=missed, of=of, seconds=WHAT_IF_SECONDS)] if missed else []
    return {
        "summary": rescored.summary,
        "groups": groups[:MOST_GROUPS],
        "problems": [each.as_dict() for each in problems],
    }


def _changed(group: GroupChange) -> int:
    """How many completions change sides or rank."""
    return sum(each.old.kept != each.new.kept or each.old.rank != each.new.rank for each in group.completions)


def _add_sets(application: FastAPI, sets: RuleSets) -> None:
    @application.get("/api/rules/sets")
    @requires(Access.VIEWER)
    def all_sets() -> Response:
        """The saved rule sets."""
        listed = [{"name": s.name, "version": s.version, "rules": s.rules, "saved": s.saved} for s in sets.list()]
        return json_answer({"sets": listed})

    @application.get("/api/rules/sets/versions")
    @requires(Access.VIEWER)
    def versions(name: Name) -> Response:
        """The versions of a rule set, newest first."""
        listed = [{"version": s.version, "saved": s.saved, "author": s.author} for s in sets.versions(name)]
        return json_answer({"versions": listed})

    @application.get("/api/rules/sets/one")
    @requires(Access.VIEWER)
    def one(name: Name, version: Place | None = None) -> Response:
        """One version of a rule set; the newest where none is named."""
        return json_answer(_as_json(sets.load(name, version)))

    @application.post("/api/rules/sets")
    @requires(Access.OWNER)
    def save(sent: SentSet, request: Request) -> Response:
        """Saves ``{"name", "rules"}`` as a version; the same text again is the same version."""
        return json_answer(_as_json(sets.save(sent.name, sent.entries(), user_of(request).id)))

    @application.post("/api/rules/sets/delete")
    @requires(Access.OWNER)
    def delete(sent: SentName) -> Response:
        """Deletes the rule set ``{"name"}`` with its versions."""
        sets.delete(sent.name)
        return json_answer({"deleted": sent.name})


def _add_files(application: FastAPI, scoring: Scoring) -> None:
    @application.post("/api/rules/share")
    @requires(Access.ANNOTATOR)
    def share(sent: SentShare) -> Response:
        """A rule set as a file: takes ``{"form": "toml" | "python", "name", "rules"}``, answers ``{"text", "file"}``."""
        entries = sent.entries()
        stem = "".join(char if char.isalnum() or char in "-_" else "-" for char in sent.name).strip("-") or "rules"
        if sent.form == "toml":
            return json_answer({"text": write_entries(entries), "file": f"{stem}.toml"})
        return json_answer({"text": as_python([entry.use() for entry in entries], sent.name), "file": f"{stem}.py"})

    @application.post("/api/rules/import")
    @requires(Access.ANNOTATOR)
    async def take(sent: SentFile, request: Request) -> Response:
        """Reads a file of rules: takes ``{"file", "text"}`` (128 KB at most), answers ``{"rules"}``."""
        source, trusting = sent.file or "rules.toml", _trusts(request)

        def read(until: float) -> dict[str, Any]:
            entries = parse_entries(sent.text, source, most=LARGEST_FILE, trusting=trusting, until=until)
            return {"rules": [_entry(entry) for entry in entries]}

        return await scoring.answer(request, BENCH_SECONDS, read)


def _as_json(version: RuleSetVersion) -> dict[str, Any]:
    rules = [_entry(entry) for entry in version.entries]
    return {"name": version.name, "version": version.version, "saved": version.saved, "rules": rules}


def _entry(entry: RuleEntry) -> dict[str, Any]:
    return entry.model_dump(mode="json")

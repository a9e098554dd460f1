"""``python -m lab study``: list the studies, train what is missing of one, or record one that is complete."""

from __future__ import annotations

import argparse
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.commands.arguments import explained, heads, home_flag, open_store
from lab.commands.printing import FAILED, STOPPED, WRONG_USAGE, complain, duration, print_json, print_table, shorten
from lab.commands.progress_line import ProgressLines
from lab.compare.members import Member, member_runs, members
from lab.compare.recorded import record
from lab.compare.runs import ComparedRun, compared
from lab.core.studies import Study
from lab.errors import LabError, StateError
from lab.runs.foreground_study import Did, Event, Outcome, StudyStopped, study_in_foreground
from lab.runs.progress import Summary
from lab.store.runs import Store
from lab.store.studies import load_study, study_names
from lab.words import say, size_text, system_locale, word


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """NAME, seeds, recording."""
    parser.add_argument("study", nargs="?", metavar="NAME", help=explained("study.study"))
    parser.add_argument("--seeds", metavar="1,2,3", help=explained("study.seeds"))
    parser.add_argument("--record", metavar="DIR", type=Path, help=explained("study.record"))
    parser.add_argument("--groups", type=int, default=2, metavar="N", help=explained("study.groups"))


def run(arguments: argparse.Namespace) -> int:
    """0 where every member has finished, 1 where one did not, 130 where it was stopped."""
    store = open_store(arguments)
    if not arguments.study:
        return _list(store, arguments)
    study = load_study(arguments.study, store.home)
    if arguments.seeds:
        try:
            study = study.with_seeds(tuple(int(text) for text in arguments.seeds.split(",")))
        except ValueError:
            complain(say("study.seeds_wrong", system_locale(), value=arguments.seeds))
            return WRONG_USAGE
    if arguments.record:
        recording = record(study, store, arguments.record, groups=arguments.groups)
        shown = {"path": str(recording.path), "runs": recording.runs, "groups": recording.groups}
        if arguments.json:
            print_json({**shown, "bytes": recording.size})
        else:
            print(say("study.recorded", system_locale(), size=size_text(recording.size), **shown))
        return 0
    return _train(study, store, arguments)


def _list(store: Store, arguments: argparse.Namespace) -> int:
    spoken = "en" if arguments.json else system_locale()
    rows: list[dict[str, Any]] = []
    for name in study_names(store.home):
        try:
            study = load_study(name, store.home)
            every = members(study, store)
        except LabError as error:
            rows.append({"study": name, "error": word(error, spoken)})
            continue
        there = sum(member.finished for member in every)
        title = study.title.of(spoken)
        rows.append({"study": name, "seeds": list(study.seeds), "finished": there, "runs": len(every), "title": title})
    if arguments.json:
        print_json({"studies": rows})
        return 0
    table = [
        [row["study"], "–", "–", row["error"]]
        if "error" in row
        else [row["study"], ",".join(map(str, row["seeds"])), f"{row['finished']}/{row['runs']}", row["title"]]
        for row in rows
    ]
    print_table(heads("studies", "study", "seeds", "there", "what"), table, right=(2,))
    return 0


class _Teller:
    """Says what happens to each member, above the progress line of its run."""

    def __init__(self, store: Store, study: Study) -> None:
        self._store, self._locale = store, system_locale()
        self._all = len(study.entries) * len(study.seeds)
        self._numbers: dict[tuple[str, int], int] = {}
        self._line = ProgressLines(store, f" · {study.name}")
        self._lock = threading.Lock()  # two members may go on at once

    def event(self, event: Event) -> None:
        """One line for each member: used, trained, waited for, skipped or failed."""
        if event.did is Did.FINISHED:
            return
        member = event.member
        label = member.entry.label.of(self._locale)
        named = say("study.member", self._locale, label=label, seed=member.seed)
        with self._lock:
            number = self._numbers.setdefault((member.entry.name, member.seed), len(self._numbers) + 1)
            self._line.say(f"[{number}/{self._all}] {named}: {self._what(event)}")

    def progress(self, now: Summary) -> None:
        """How far the runs are."""
        with self._lock:
            self._line(now)

    def close(self) -> None:
        """End the line of progress."""
        self._line.close()

    def _what(self, event: Event) -> str:
        run = event.run.id if event.run else ""
        params: dict[str, Any] = {"run": run}
        if event.did is Did.GOES_ON:
            params["step"] = self._store.folder(run).last_step()
        elif event.did is Did.WAITS and event.run:
            params["state"] = say(f"states.{event.run.state}", self._locale)
        elif event.did is Did.SKIPPED:
            params["needs"] = event.member.waits_for
        elif event.did is Did.FAILED:
            params["why"] = word(event.why or {}, self._locale)
        elif event.did is Did.WAITS:
            return say("study.waits_for_machine", self._locale)
        return say(f"study.{event.did}", self._locale, **params)


def _train(study: Study, store: Store, arguments: argparse.Namespace) -> int:
    locale, started = system_locale(), time.monotonic()
    teller = _Teller(store, study)
    try:
        with closing(teller):
            outcome = study_in_foreground(study, store, teller.event, teller.progress)
    except StudyStopped:
        complain(word(StateError("study_stopped", study=arguments.study, home=home_flag(arguments)), locale))
        return STOPPED
    runs, entries = member_runs(outcome.members)
    of_runs = compared(store, runs, study=study.name, entries=entries)
    if arguments.json:
        print_json(_as_json(study, outcome, of_runs))
    else:
        labels = {m.run.id: m.entry.label.of(locale) for m in outcome.members if m.run}
        rows = [_row(each, labels.get(each.run, each.label), locale) for each in of_runs]
        print_table(heads("study", *HEAD), rows, right=range(2, len(HEAD)))
    seconds = duration(time.monotonic() - started)
    done, trained = sum(member.finished for member in outcome.members), len(outcome.trained)
    params = {"study": study.name, "done": done, "all": len(outcome.members), "trained": trained, "seconds": seconds}
    complain(say("study.ended" if trained or not outcome.complete else "study.nothing_missing", locale, **params))
    if outcome.complete:
        return 0
    unfinished = [_named(member, locale) for member in outcome.members if not member.finished]
    error = StateError(
        "study_incomplete",
        study=study.name,
        count=len(unfinished),
        all=len(outcome.members),
        runs=", ".join(unfinished),
    )
    complain(word(error, locale))
    return FAILED


HEAD = ("entry", "seed", "before", "after", "n", "reward", "kl", "seconds", "chain_seconds", "run")


def _row(run: ComparedRun, label: str, locale: str) -> list[object]:
    before, after = run.before.get("pass_at_1"), run.after.get("pass_at_1")
    reward, name = run.after.get("reward"), "pair_accuracy"
    shown = after or run.after.get(name)
    return [
        shorten(label, 24),
        run.seed,
        _figure(before.value if before else None, ".3f"),
        _figure(shown.value if shown else None, ".3f")
        + ("" if after or not shown else say("table.study.pairs", locale)),
        shown.n if shown else "–",
        _figure(reward.value if reward else None, ".2f"),
        _figure(run.kl_from_start, ".2f"),
        _figure(run.seconds, ".1f"),
        _figure(run.chain_seconds, ".1f"),
        run.run,
    ]


def _as_json(study: Study, outcome: Outcome, runs: list[ComparedRun]) -> dict[str, Any]:
    return {
        "study": study.name,
        "complete": outcome.complete,
        "trained": outcome.trained,
        "failed": [
            {"entry": e.member.entry.name, "seed": e.member.seed, "run": e.run.id if e.run else None, "error": e.why}
            for e in outcome.failed
        ],
        "runs": [_run_json(replace(run, curves={})) for run in runs],
    }


def _run_json(run: ComparedRun) -> dict[str, Any]:
    names = ("run", "entry", "label", "seed", "algorithm", "state", "steps", "seconds", "chain_seconds")
    more = (
        "tokens_generated", "tokens_trained", "peak_memory_bytes", "kl_from_start", "pairs_of_chain", "roles", "bases",
    )  # fmt: skip
    measured = {
        when: {name: {"value": m.value, "n": m.n, "low": m.low, "high": m.high} for name, m in values.items()}
        for when, values in (("before", run.before), ("after", run.after))
    }
    return {name: getattr(run, name) for name in (*names, *more)} | measured


def _named(member: Member, locale: str) -> str:
    return say("study.member", locale, label=member.entry.label.of(locale), seed=member.seed)


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)

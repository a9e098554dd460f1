"""What ``train`` and ``resume`` print while a run goes on and when it has ended."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.commands.arguments import home_flag
from lab.commands.printing import FAILED, STOPPED, StatusLine, bar, complain, duration, print_json
from lab.runs.progress import Summary, with_warnings
from lab.store.runs import Run, RunState, Store
from lab.words import say, size_text, system_locale, with_mend, word
from lab.words.cost import step_time_line
from lab.words.shares import measured_share

FAR_ABOVE = 1.15
"""Where an estimate lies further above what was measured than this, it is said what it is made for."""
SHOWN = ("reward", "loss", "token_accuracy")


class ProgressLine(StatusLine):
    """How far a run is, and what is to be said of it once."""

    def __init__(self, store: Store, before: str = "") -> None:
        """``before`` is printed once the run has started."""
        super().__init__()
        self._store, self._before = store, before
        self._locale = system_locale()
        self._named = self._stopping = False
        self._notes_printed = 0

    def __call__(self, now: Summary) -> None:
        self.tell(now)
        self.show(progress_text(now, self._store, self._locale), now["stage"])

    def tell(self, now: Summary) -> None:
        """Print above the line what is to be said of the run and has not been said."""
        if not self._named:
            self._named = True
            self.say(say("cli.run_started", self._locale, run=now["id"], name=now["name"]))
            if self._before:
                self.say(self._before)
        if not self._stopping and self._store.folder(now["id"]).stop_requested() and now["state"] == "running":
            self._stopping = True
            key = "cli.stopping_soon" if now["stop_at_step"] is None else "cli.stopping"
            self.say(say(key, self._locale, step=now["stop_at_step"]))
        # Of the run's rows, and of what it changed at its end; each once.
        for note in now["notes"][self._notes_printed :]:
            self.say(with_mend(note, self._locale))
        self._notes_printed = max(self._notes_printed, len(now["notes"]))


class ProgressLines(StatusLine):
    """How far the runs are that go on at once, on one line."""

    def __init__(self, store: Store, left_out: str = "") -> None:
        """``left_out`` is a part of the runs' names that all of them have."""
        super().__init__()
        self._store, self._left_out = store, left_out
        self._locale = system_locale()
        self._tellers: dict[str, ProgressLine] = {}
        self._going_on: dict[str, Summary] = {}

    def __call__(self, now: Summary) -> None:
        self._tellers.setdefault(now["id"], ProgressLine(self._store)).tell(now)
        self._going_on[now["id"]] = now
        if RunState(now["state"]).ended:
            del self._going_on[now["id"]]
        going_on = list(self._going_on.values())
        if len(going_on) == 1:
            self.show(progress_text(going_on[0], self._store, self._locale), going_on[0]["stage"])
        elif going_on:
            self.show("   ".join(map(self._short, going_on)), "/".join(each["stage"] or "" for each in going_on))

    def _short(self, now: Summary) -> str:
        return f"{now['name'].replace(self._left_out, '')}: {now['step']}/{now['steps']}"


def follow(store: Store, arguments: argparse.Namespace, start: Callable[[ProgressLine], Run], before: str = "") -> int:
    """Run ``start`` with a progress line, print how it ended, and return the exit status. ``before`` is said once it has started."""
    line = ProgressLine(store, before)
    try:
        run = start(line)
    finally:
        line.close()
    shown = with_warnings(run, store)
    if arguments.json:
        print_json(shown)
    locale = system_locale()
    for warning in shown["warnings"]:
        complain(word(warning, locale))
    if run.state is RunState.FINISHED:
        if not arguments.json:
            _print_result(shown, store.folder(run.id).model_path, locale)
        return 0
    if run.state is RunState.STOPPED:
        command = f"python -m lab resume {run.id}{home_flag(arguments)}"
        complain(say("cli.stopped", locale, step=shown["step"], command=command))
        return STOPPED
    complain(word(run.error or {"key": "worker_left_no_result"}, locale))
    return FAILED


def _print_result(shown: Summary, model: Path, locale: str) -> None:
    result: dict[str, Any] = shown["result"] or {}
    before, after = result.get("before") or {}, result.get("after") or {}
    for name in ("pass_at_1", "pair_accuracy"):
        if share := measured_share(after, name, locale):
            was = measured_share(before, name, locale) or "–"
            print(say("cli.measured", locale, name=say(f"progress.{name}", locale), before=was, after=share))
    if isinstance(after.get("reward"), (int, float)):
        was = f"{before['reward']:.3f}" if isinstance(before.get("reward"), (int, float)) else "–"
        print(
            say("cli.measured", locale, name=say("progress.reward", locale), before=was, after=f"{after['reward']:.3f}")
        )
    if (memory := shown["memory"]) is not None:
        print(_memory(memory, locale))
    if shown["step_time"]:
        print(step_time_line(shown["step_time"], locale))
    print(say("cli.finished", locale, seconds=duration(result.get("seconds")), model=model))


def _memory(memory: dict[str, int], locale: str) -> str:
    """What the run took at its peak beside what was estimated before it, both above the libraries."""
    measured, estimated, libraries = (memory[f"{name}_bytes"] for name in ("measured", "estimated", "libraries"))
    percent = round(100 * (estimated / measured - 1))
    off = (f"{percent:+} %" if percent else "0 %").replace("-", "−")
    sizes = {"measured": size_text(measured), "estimated": size_text(estimated), "libraries": size_text(libraries)}
    line = say("cli.memory_apart" if libraries else "cli.memory", locale, off=off, **sizes)
    return f"{line}; {say('cli.memory_longest', locale)}" if estimated > FAR_ABOVE * measured else line


def progress_text(now: Summary, store: Store, locale: str) -> str:
    """How far a run is: steps, stage, what was measured in the last step, pace, time left."""
    metrics = store.folder(now["id"]).recent_metrics()
    done = now["step"] / now["steps"] if now["steps"] else 0.0
    stage = say(f"progress.stage_{now['stage']}", locale) if now["stage"] else say(f"states.{now['state']}", locale)
    parts = [f"{bar(done)} {now['step']}/{now['steps']}", stage]
    last: dict[str, Any] = next((line for line in reversed(metrics) if "held_out" not in line), {})
    parts += [
        f"{say(f'progress.{name}', locale)} {last[name]:.3g}"
        for name in SHOWN
        if isinstance(last.get(name), (int, float))
    ]
    if now["tokens_per_second"]:
        parts.append(say("progress.pace", locale, pace=round(now["tokens_per_second"])))
    if now["step_part"]:
        share = "" if now["step_fraction"] is None else f" {now['step_fraction']:.0%}"
        parts.append(say(f"progress.part_{now['step_part']}", locale) + share)
    if now["seconds_left"] is not None:
        left = "progress.left_rough" if now["seconds_left_rough"] else "progress.left"
        parts.append(say(left, locale, time=duration(now["seconds_left"])))
    return "  ".join(parts)

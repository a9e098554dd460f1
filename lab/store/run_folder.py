"""A run's folder: every path in it and every reader of it, for the page, the command line and the worker alike.

Not here: which runs there are and in what state (``runs.py``). The folder can be read without the database, while the
run goes on, after a restart, and as a copy on another machine; the formats stand in ``docs/formats.md``.

Readers that follow a run take a cursor and return the next one. A cursor is opaque to whoever holds it. When a resumed
run drops what lay beyond its checkpoint, the reader says ``reset`` and starts over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.core.roofline import MachineSpeed
from lab.store.group_index import KEPT_EVERY, GroupIndex, GroupRow, GroupsPage
from lab.store.lines import Line, is_list_of_objects, is_number, read_lines
from lab.store.token_lines import TOKENS, token_lines
from lab.store.worker_folder import LinesPage, WorkerFolder, lines_after, size_of

RECENT_BYTES = 64 * 1024
STEPS_AT_ONCE = 64
ESTIMATE = "estimate.json"
EARLIER = "earlier.json"
MACHINE_SPEED = "machine_speed.json"
NOTES = "notes.json"
PAIRS = "pairs.jsonl"
"""Pairs of preferences as DPO saw them, in the form of groups of two."""
SPENT = ("seconds", "tokens_generated", "tokens_trained")
"""What a run takes, over all its attempts, by their names in the heartbeat and in result.json."""
_FRAME_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,18})")
_CHECKPOINT = re.compile(r"step-(\d{1,12})")


@dataclass
class Frame:
    """Everything that is new in a run since one cursor. ``reset``: forget what you have, this frame starts over."""

    cursor: str
    reset: bool
    metrics: list[Line]
    groups: list[GroupRow]
    prompts: list[str]
    log: str

    def empty(self) -> bool:
        """Nothing new."""
        return not (self.reset or self.metrics or self.groups or self.log)


class RunFolder(WorkerFolder):
    """The folder ``path`` of one run. Safe for many threads; one process at a time appends."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._groups = GroupIndex(self.path / "groups.jsonl")
        self._pairs = GroupIndex(self.path / PAIRS)
        self._appended = 0
        self._recent: tuple[tuple[int, int], list[Line]] = ((0, 0), [])

    # ---- paths

    @property
    def model_path(self) -> Path:
        """The trained model, once it is saved."""
        return self.path / "model"

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of ``step`` belongs. It counts once it holds a file named ``complete``."""
        return self.path / "checkpoints" / f"step-{step}"

    def append(self, name: str, line: Line) -> None:
        """Append one line to ``<name>.jsonl``; of groups, the index beside them is kept up now and then."""
        super().append(name, line)
        if name == "groups":
            self._appended += 1
            if self._appended % KEPT_EVERY == 0:
                self._groups.page()

    # ---- what the run is and became

    def recipe(self) -> Any:
        """recipe.json: ``{"version", "recipe", "versions", "seed", "dataset_hash"}``."""
        return self._read("recipe.json")

    def estimate(self) -> Any:
        """estimate.json: what its memory was estimated to be before it started, where that was known, or None."""
        return self._read(ESTIMATE)

    def before(self) -> Any:
        """before.json: the held-out measurement before the first step, which a run has before it has a result; or None."""
        return self._read("before.json")

    def machine_speed(self) -> MachineSpeed | None:
        """machine_speed.json: what this machine's products and memory were measured at, where that is known."""
        return MachineSpeed.of(self._read(MACHINE_SPEED))

    def notes(self) -> list[Line]:
        """notes.json: what was said of the run before it started and at its end, each ``{"key", "params", "mend"}``."""
        notes = self._read(NOTES)
        return notes if is_list_of_objects(notes) else []

    def card(self) -> Any:
        """card.json: the tags and the note that people wrote on it (``run_cards.py``), or None."""
        return self._read("card.json")

    def last_checkpoint(self) -> tuple[int, Path] | None:
        """The latest complete checkpoint as (step, path)."""
        steps = self.kept_steps()
        return (steps[-1], self.checkpoint_path(steps[-1])) if steps else None

    def last_step(self) -> int:
        """The step of the latest complete checkpoint; 0 where there is none."""
        return max(self.kept_steps(), default=0)

    def kept_steps(self) -> list[int]:
        """The steps of the complete checkpoints, in their order."""
        whole = self.path.glob("checkpoints/step-*/complete")
        return sorted(int(match[1]) for path in whole if (match := _CHECKPOINT.fullmatch(path.parent.name)))

    def has_groups(self) -> bool:
        """Whether any group was written."""
        return size_of(self.path / "groups.jsonl") > 0

    def has_pairs(self) -> bool:
        """Whether any pair of preferences was written (DPO)."""
        return size_of(self.path / PAIRS) > 0

    # ---- followers

    def metrics(self, since: int = 0) -> LinesPage:
        """Metric lines after the cursor ``since``."""
        path = self.path / "metrics.jsonl"
        lines, cursor = lines_after(path, since)
        reset = since > size_of(path) or (since > 0 and any("resumed_from" in line for line in lines))
        if reset:
            lines, cursor = lines_after(path, 0)
        return LinesPage(cursor, reset, without_dropped(lines))

    def groups_index(self, since: int = 0) -> GroupsPage:
        """Index rows of the groups after the cursor ``since``."""
        return self._groups.page(since)

    def group_lines(self, first: int, last: int) -> list[Line]:
        """The groups of the steps ``first`` to ``last``, both included."""
        return [json.loads(line) for line in self._groups.raw(first, last)]

    def groups(self, *, latest_first: bool = False) -> Iterator[Line]:
        """Every group, by step; a part of them is in memory at a time."""
        steps = sorted({row.step for row in self.groups_index().rows})
        parts = [steps[start : start + STEPS_AT_ONCE] for start in range(0, len(steps), STEPS_AT_ONCE)]
        for part in reversed(parts) if latest_first else parts:
            lines = self.group_lines(part[0], part[-1])
            yield from reversed(lines) if latest_first else lines

    def shown_index(self, since: int = 0) -> GroupsPage:
        """Index rows of what the inspector shows: the groups, or the pairs of a run that has pairs and no groups."""
        return self._shown.page(since)

    def shown_lines_raw(self, first: int, last: int) -> list[bytes]:
        """Those groups or pairs as they stand on disk, one JSON text each, for whoever only passes them on."""
        return self._shown.raw(first, last)

    @property
    def _shown(self) -> GroupIndex:
        return self._pairs if self.has_pairs() and not self.has_groups() else self._groups

    def token_lines(self, step: int, group: int) -> list[Line]:
        """What each update made of the tokens of one group, in the order of the updates; none where they were not written.

        ``step`` is the one under which groups.jsonl has the group.
        """
        return token_lines(self.path / TOKENS, step, group)

    def frame(self, since: str = "") -> Frame:
        """Metrics, groups and log after one cursor, for a follower of the whole run."""
        match = _FRAME_CURSOR.fullmatch(since)
        metrics_since, groups_since, log_since = (int(part) for part in match.groups()) if match else (0, 0, 0)
        metrics, groups = self.metrics(metrics_since), self.shown_index(groups_since)
        reset = metrics.reset or groups.reset
        if reset:
            metrics, groups, log_since = self.metrics(), self.shown_index(), 0
        log = self.log(log_since)
        cursor = f"{metrics.cursor}.{groups.cursor}.{log.cursor}"
        return Frame(cursor, reset, metrics.lines, groups.rows, groups.prompts, log.text)

    def recent_metrics(self) -> list[Line]:
        """The latest lines of the present attempt, as many as a fixed number of bytes holds; kept between calls."""
        path = self.path / "metrics.jsonl"
        try:
            status = path.stat()
        except OSError:
            return []
        if self._recent[0] != (status.st_ino, status.st_size):
            start = max(0, status.st_size - RECENT_BYTES)
            lines: list[Line] = []
            for _start, _end, line in read_lines(path, start):  # the first may be a part of a line: passed over
                if not is_number(line.get("resumed_from", line.get("step", 0))):
                    continue
                lines = [] if "resumed_from" in line else [*lines, line]
            self._recent = ((status.st_ino, status.st_size), lines)
        return self._recent[1]

    # ---- resuming

    def note_resume(self, step: int) -> None:
        """Written by a worker that goes on from ``step``: what lies beyond it no longer counts."""
        for name in ("metrics", "groups", "pairs", "tokens"):
            if size_of(self.path / f"{name}.jsonl"):
                self.append(name, {"resumed_from": step})

    def spent_before(self) -> dict[str, float]:
        """What the earlier attempts took together, by the names of ``SPENT``; 0 in a first one."""
        earlier = self._read(EARLIER)
        spent = earlier if isinstance(earlier, dict) else {}
        return {name: spent[name] if is_number(spent.get(name)) else 0 for name in SPENT}

    def prepare_resume(self) -> None:
        """Put the last attempt's result aside (``result.1.json``, …) and forget its stop request and heartbeat, but not what it took.

        An attempt that was killed left no result; its last heartbeat says how far it had come.
        """
        last = self.result() or self.heartbeat()
        if isinstance(last, dict) and SPENT[0] in last:  # it counts those before it, too
            self.write(EARLIER, {name: last.get(name) for name in SPENT})
        if (result := self.path / "result.json").exists():
            number = 1 + sum(1 for _ in self.path.glob("result.*.json"))
            result.replace(self.path / f"result.{number}.json")
        self.stop_path.unlink(missing_ok=True)
        (self.path / "heartbeat").unlink(missing_ok=True)


def without_dropped(lines: list[Line]) -> list[Line]:
    """The lines that still count: a ``{"resumed_from": n}`` takes away the earlier ones with a step beyond n.

    A line whose step is no number is none of a worker's, and is passed over as a line that is no JSON.
    """
    kept: list[Line] = []
    for line in lines:
        if not is_number(line.get("resumed_from", line.get("step", 0))):
            continue
        if "resumed_from" in line:
            kept = [earlier for earlier in kept if earlier.get("step", 0) <= line["resumed_from"]]
        else:
            kept.append(line)
    return kept

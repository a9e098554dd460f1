"""Where each group stands in ``groups.jsonl``, so that a page can scrub through steps without reading the file again.

Not here: the groups themselves, which stay on disk. The index grows with the file and is made anew when the file is another one (path,
inode, size). What was read is kept beside the file (``kept_index.py``), so that a long run opens without a scan. A line that is JSON but no
group is passed over, as one that is no JSON: one bad line must not make the run unreadable.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from lab.store.kept_index import Kept, read_kept, write_kept
from lab.store.lines import Line, is_list_of_objects, is_number, read_lines


class GroupRow(NamedTuple):
    """One row of the index, in the order of the public route."""

    step: int
    group: int
    prompt_number: int
    mean: float | None
    std: float | None
    kept: int
    size: int


@dataclass
class GroupsPage:
    """What is new since a cursor. ``prompts`` is the whole list that ``prompt_number`` counts in."""

    cursor: int
    reset: bool
    rows: list[GroupRow]
    prompts: list[str]


@dataclass
class _Known:
    """What has been read of one file so far."""

    inode: int = -1
    offset: int = 0
    last_resume: int = 0  # the end of the last `resumed_from` line: an older cursor has seen what no longer counts
    rows: list[GroupRow] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)  # (start, end) of each row
    prompts: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    unkept: int = 0  # rows since the index was last kept beside the file


KEPT_EVERY = 1000
"""Groups that are read before the index is kept again; at most so many are read where a run is opened."""
_step = attrgetter("step")


class GroupIndex:
    """The index of one ``groups.jsonl``; safe for many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known = _Known()

    def page(self, since: int = 0) -> GroupsPage:
        """The rows after the cursor ``since``; all of them, with ``reset``, where that cursor no longer holds."""
        with self._lock:
            known = self._refresh()
            reset = since > known.offset or 0 < since < known.last_resume
            first = 0 if reset else bisect_left(known.places, (since, 0))
            return GroupsPage(known.offset, reset, known.rows[first:], list(known.prompts))

    def raw(self, first: int, last: int) -> list[bytes]:
        """The lines of the steps ``first`` to ``last``, both included, as they stand in the file."""
        with self._lock:
            known = self._refresh()
            begin = bisect_left(known.rows, first, key=_step)
            places = known.places[begin : bisect_right(known.rows, last, key=_step)]
        if not places:
            return []
        with self._path.open("rb") as file:
            lines = []
            for start, end in places:
                file.seek(start)
                lines.append(file.read(end - start - 1))
        return lines

    def _refresh(self) -> _Known:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._known = _Known()
            return self._known
        if status.st_ino != self._known.inode or status.st_size < self._known.offset:
            self._known = _from_kept(read_kept(self._path), status.st_ino)
        if status.st_size > self._known.offset:
            for start, end, line in read_lines(self._path, self._known.offset):
                _take(self._known, start, end, line)
                self._known.offset = end
            if self._known.unkept >= KEPT_EVERY:
                write_kept(self._path, _to_keep(self._known))
                self._known.unkept = 0
        return self._known


def _from_kept(kept: Kept | None, inode: int) -> _Known:
    """What was known when the index was kept; nothing where there is none."""
    if kept is None:
        return _Known(inode=inode)
    columns = kept.columns
    rows = list(map(GroupRow._make, zip(*(columns[name] for name in GroupRow._fields), strict=True)))
    places = list(zip(columns["start"], columns["end"], strict=True))
    numbers = {prompt: number for number, prompt in enumerate(kept.prompts)}
    return _Known(inode, kept.offset, kept.last_resume, rows, places, kept.prompts, numbers)


def _to_keep(known: _Known) -> Kept:
    fields = zip(*known.rows, strict=True) if known.rows else ([] for _ in GroupRow._fields)
    columns = {name: list(values) for name, values in zip(GroupRow._fields, fields, strict=True)}
    starts, ends = zip(*known.places, strict=True) if known.places else ((), ())
    return Kept(known.offset, known.last_resume, known.prompts, {**columns, "start": list(starts), "end": list(ends)})


def _take(known: _Known, start: int, end: int, line: Line) -> None:
    if "resumed_from" in line:
        if not is_number(line["resumed_from"]):
            return
        known.last_resume = end
        while known.rows and known.rows[-1].step > line["resumed_from"]:
            known.rows.pop()
            known.places.pop()
        return
    completions = line.get("completions") or []
    numbers = (line.get("step"), line.get("group", 0))
    if not all(is_number(number) for number in numbers) or not is_list_of_objects(completions):
        return
    prompt = str(line.get("prompt", ""))
    number = known.numbers.setdefault(prompt, len(known.prompts))
    if number == len(known.prompts):
        known.prompts.append(prompt)
    mean, std = (value if is_number(value) else None for value in (line.get("mean"), line.get("std")))
    kept = sum(1 for completion in completions if completion.get("kept"))
    row = GroupRow(int(line["step"]), int(line.get("group", 0)), number, mean, std, kept, len(completions))
    known.rows.append(row)
    known.places.append((start, end))
    known.unkept += 1

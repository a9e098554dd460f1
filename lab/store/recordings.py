"""Rollouts that other tools recorded, as groups of this lab: a folder of ``LAB_HOME/recordings`` each, with ``groups.jsonl`` as a run has it.

A recording is no run: it has no recipe, no model, and nothing of it is ever trained here. Whoever shows groups asks ``grouped`` for the folder of
either. Not here: what a tool's columns mean (``lab/data/rollouts.py``), how rows become groups (``lab/core/recorded.py``).
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.core.notes import Note
from lab.core.recorded import Recorded, Rollout, recorded
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.recordings import Recording
from lab.errors import DatasetError, StateError
from lab.sandbox.files import MOST_FILE_BYTES, FileReader, Progress, Reading
from lab.store.lines import dump, new_folder, read_json
from lab.store.run_folder import RunFolder
from lab.store.runs import Store, clean_name, new_run_id

PREFIX = "taken-"
"""Before a recording's id, so that it is never mistaken for a run's."""
ABOUT = "recording.json"
SUFFIXES = (".jsonl", ".parquet", ".json", ".jsonl.gz")
MOST_FILES = 2_000
_ID = re.compile(r"taken-\d{8}-\d{6}-[a-z0-9]{4}")


class RolloutFiles(FileReader):
    """Files of one recording that are read before anything is stored: iterate over ``read``, then ``keep``."""

    def __init__(self, paths: Sequence[Path], rewards: Sequence[str] = ()) -> None:
        self.paths = [Path(path) for path in paths]
        self._rewards = list(rewards)
        self._cancelled = False
        self.tool = ""
        self.rollouts: list[Rollout] = []
        self.left_out: list[tuple[str, LeftOut]] = []
        self.passed_over: tuple[str, ...] = ()

    def cancel(self) -> None:
        """See ``FileReader.cancel``; no further file is begun."""
        self._cancelled = True
        super().cancel()

    def read(self) -> Iterator[Progress]:
        """Read all files. Raises DatasetError: one cannot be read, is no tool's, is another tool's than the first, or none holds a rollout."""
        files = files_in(self.paths)
        for number, path in enumerate(files):
            if self._cancelled:
                raise StateError("reading_cancelled", path=path)
            self._reading = Reading("rollouts", path, most_bytes=MOST_FILE_BYTES, rewards=self._rewards)
            with closing(self._reading):
                for line in self._reading:
                    self._take(path, line)
                    if "rows" in line:
                        share = (number + (line.get("share") or 0.0)) / len(files)
                        yield Progress(len(self.rollouts), share)
        if not self.rollouts:
            file, first = self.left_out[0]
            why = {"say": f"left_out.{first.why.value}", "detail": first.detail}
            raise DatasetError("rollouts_none", path=file, line=first.line, why=why, count=len(self.left_out))

    def keep(self, store: Store, name: str = "") -> Recording:
        """Store what was read as a recording. Raises InputError for the name, MachineError where it cannot be written."""
        made = recorded(self.rollouts)
        created = time.time()
        recording = Recording(
            id=f"{PREFIX}{new_run_id(created)}",
            name=clean_name(name or f"{self.tool} · {self.paths[0].stem}"),
            tool=self.tool,
            created=created,
            files=len(files_in(self.paths)),
            steps=len({line["step"] for line in made.lines}),
            groups=len(made.lines),
            completions=made.completions,
            weights=made.weights,
            notes=tuple(_notes(made, self.tool, self.passed_over)),
            left_out=tuple(self.left_out),
        )
        folder = store.home / "recordings" / recording.id
        with new_folder(folder, "recording_cannot_write") as draft:
            (draft / "groups.jsonl").write_bytes(b"".join(dump(line) + b"\n" for line in made.lines))
            (draft / ABOUT).write_bytes(dump(recording.as_json()))
        return recording

    def _take(self, path: Path, line: dict[str, Any]) -> None:
        tool = line.get("tool", self.tool)
        if self.tool and tool != self.tool:
            raise DatasetError("rollouts_two_tools", path=path, tool=tool, first=self.tool)
        self.tool = tool
        self.left_out += [
            (path.name, LeftOut(number, WhyLeftOut(why), detail)) for number, why, detail in line.get("left_out", ())
        ]
        self.passed_over = tuple(dict.fromkeys((*self.passed_over, *line.get("passed_over", ()))))
        for values in line.get("rollouts", ()):
            turns, read = tuple(values.pop("turns")), tuple(values.pop("read"))
            self.rollouts.append(Rollout(**values, turns=turns, read=read))


class Recordings:
    """The recordings of one LAB_HOME."""

    def __init__(self, store: Store) -> None:
        self._folder = store.home / "recordings"

    def all(self) -> list[Recording]:
        """Every one, the newest first."""
        found = [_read(folder) for folder in self._folder.glob(f"{PREFIX}*")]
        return sorted((one for one in found if one is not None), key=lambda one: one.created, reverse=True)

    def one(self, recording_id: str) -> Recording:
        """One. Raises StateError ``no_such_recording``."""
        found = _read(self._folder / recording_id) if _ID.fullmatch(recording_id) else None
        if found is None:
            raise StateError("no_such_recording", value=str(recording_id)[:64])
        return found

    def delete(self, recording_id: str) -> None:
        """Delete one. Raises StateError ``no_such_recording``."""
        shutil.rmtree(self._folder / self.one(recording_id).id)


def grouped(store: Store, run_id: str) -> RunFolder:
    """The folder with the groups of a run or of a recording. Raises StateError where there is neither."""
    if run_id.startswith(PREFIX):
        return _folder(store.home / "recordings" / Recordings(store).one(run_id).id)
    return store.folder(store.run(run_id).id)


@lru_cache(maxsize=16)
def _folder(path: Path) -> RunFolder:
    """The same object for all, so that a recording is indexed once. It never changes."""
    return RunFolder(path)


def files_in(paths: Sequence[Path]) -> list[Path]:
    """The files among the paths; of a folder all that may hold rollouts, by name, numbers as numbers. Raises DatasetError where there are none."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            within = [each for each in path.rglob("*") if each.is_file() and each.name.lower().endswith(SUFFIXES)]
            files += sorted(within, key=lambda each: [_natural(part) for part in each.relative_to(path).parts])
        else:
            files.append(path)
    if not files:
        raise DatasetError("rollouts_no_files", path=paths[0] if paths else "", known=", ".join(SUFFIXES))
    if len(files) > MOST_FILES:
        raise DatasetError("rollouts_many_files", path=paths[0], count=len(files), most=MOST_FILES)
    return files


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _notes(made: Recorded, tool: str, passed_over: Sequence[str]) -> Iterator[Note]:
    """What the files do not say."""
    if made.by_prompt:
        sizes = {"smallest": made.smallest, "largest": made.largest}
        yield Note("by_prompt", {"count": made.by_prompt, "groups": len(made.lines), **sizes})
    if made.without_step:
        yield Note("without_step", {"count": made.without_step})
    if made.own_advantages:
        yield Note("own_advantages", {"count": made.own_advantages, "of": made.completions})
    if tool in ("trl", "ms-swift") and len(made.weights) > 1:
        yield Note("weights", {"names": ", ".join(made.weights)})
    if made.unscored:
        yield Note("unscored", {"count": made.unscored})
    if passed_over:
        yield Note("passed_over", {"names": ", ".join(passed_over)})


def _read(folder: Path) -> Recording | None:
    about = read_json(folder / ABOUT)
    if not isinstance(about, dict):
        return None
    notes = tuple(Note(note["key"], note["params"]) for note in about.pop("notes"))
    rows = tuple((file, LeftOut(line, WhyLeftOut(why), detail)) for file, line, why, detail in about.pop("left_out"))
    return Recording(**about, notes=notes, left_out=rows)

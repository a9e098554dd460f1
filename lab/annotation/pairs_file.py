"""Imports a file of pairs: a killable process reads it, batches are kept in a temporary file, then stored in one transaction.

So a file is stored whole or not at all, and never held in memory whole. ``lab/data/pair_rows.py`` reads its columns; ``lab/sandbox/files.py``
is the process; ``imports.py`` calls this module.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection

from lab.annotation.imported_votes import FileVote, put_votes
from lab.annotation.pairs import StoredPair, add_stored
from lab.core.notes import Note
from lab.core.preferences import Message, Pair, Response, make_pair
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.pair_rows import Known
from lab.data.recognition import Form
from lab.errors import DatasetError, MachineError
from lab.sandbox.files import MOST_FILE_BYTES, FileReader, Line, Progress, Reading

PREVIEWED = 5
NEEDED = ("prompt", "first", "second")
NEEDED_OF_PREFERENCES = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class Preview:
    """A file before it is imported."""

    columns: tuple[str, ...]
    """As the file calls them."""
    form: Form
    pairs: list[Pair]
    """The first ones, as they would be judged."""
    count: int
    left_out: list[LeftOut]
    votes: int = 0
    """What the file says of its pairs, where that is asked for."""
    passed_over: tuple[str, ...] = ()
    """The file's columns that nothing is read from."""
    notes: tuple[Note, ...] = ()
    """What was assumed."""


@dataclass
class PairsFile(FileReader):
    """One file. Iterate over ``read`` first; then there is a ``preview``, and ``put`` stores what was read.

    ``votes`` is the annotator whose judgements the file's choices become; without one they are not taken. Use it as a context, so
    that the process and what was laid aside end with it.
    """

    path: Path
    columns: Mapping[str, str] | None = None
    known: Known = Known.RESPONSES
    votes: str = ""
    folder: Path | None = None
    """Where batches are laid aside, to be stored; None where only a preview is wanted."""
    own: tuple[str, ...] = ()
    """The file's columns that are kept beside each pair, besides its id and category."""

    form: Form | None = None
    first: list[Pair] = field(default_factory=list)
    count: int = 0
    count_of_votes: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    passed_over: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        self._lines: dict[str, int] = {}
        self._aside: IO[str] | None = None
        self._reading = Reading(
            "pairs",
            self.path,
            most_bytes=MOST_FILE_BYTES,
            columns=dict(self.columns or {}),
            known=self.known.value,
            votes=self.votes,
            own=list(self.own),
        )

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._aside is not None:
            self._aside.close()

    def read(self) -> Iterator[Progress]:
        """Read the file to its end. Raises DatasetError: a file that cannot be read, is too large, holds no pair, or belongs elsewhere."""
        if self.folder is not None:
            self._aside = tempfile.TemporaryFile("w+", encoding="utf-8", dir=self.folder)  # noqa: SIM115  (closed by __exit__)
        yield from self._read_through(self.path, self._note)
        if not self.count:
            raise DatasetError("pairs_none_new", count=len(self.left_out))
        if self.votes and not self.count_of_votes:
            raise DatasetError("pairs_no_votes", path=self.path)
        self.left_out.sort(key=lambda row: row.line)

    def preview(self) -> Preview:
        """What was read."""
        assert self.form is not None
        counts = (self.count, self.left_out, self.count_of_votes)
        return Preview(self.found_columns, self.form, self.first, *counts, self.passed_over, self.notes)

    def guess(self) -> dict[str, str]:
        """Which column is likely which, of a file that was refused: the lab's names → the file's; empty where nothing looks like it."""
        return max(map(self.guess_of, (NEEDED_OF_PREFERENCES, NEEDED)), key=len)

    def put(self, connection: Connection, collection_id: str, seed: int) -> tuple[int, list[LeftOut]]:
        """Store what was laid aside in a collection; how many pairs it had not, and the rows whose pair it had already."""
        assert self._aside is not None
        added = add_stored(connection, collection_id, seed, self._stored())
        if self.count_of_votes:
            put_votes(connection, collection_id, self._file_votes(), self.votes)
        there = [LeftOut(line, WhyLeftOut.ALREADY_THERE) for pair, line in self._lines.items() if pair not in added]
        return len(added), there

    # ---- inside

    def _note(self, line: Line) -> None:
        """Keep what a line of the answer says, and lay its pairs and votes aside."""
        self.left_out += [LeftOut(number, WhyLeftOut(why), detail) for number, why, detail in line.get("left_out", ())]
        if "form" in line:
            self.form = Form(line["form"])
            self.passed_over = tuple(dict.fromkeys((*self.passed_over, *line["passed_over"])))
            notes = [Note(key, params) for key, params in line["notes"]]
            self.notes = tuple(dict.fromkeys((*self.notes, *notes)))
        fresh = [entry for entry in line.get("pairs", ()) if self._is_new(entry)]
        self.first += [_pair(entry) for entry in fresh[: PREVIEWED - len(self.first)]]
        self.count += len(fresh)
        votes = line.get("votes", ())
        self.count_of_votes += len(votes)
        if self._aside is not None and (fresh or votes):
            self._lay_aside({"pairs": fresh, "votes": votes})

    def _is_new(self, entry: list[Any]) -> bool:
        """Whether it can be stored and the file did not have it before; else its row is left out."""
        number, pair_id = entry[0], entry[1]
        if not _writable(entry[2:]):
            self.left_out.append(LeftOut(number, WhyLeftOut.NOT_TEXT, "\\ud800"))
            return False
        before = self._lines.get(pair_id)
        if before is None:
            self._lines[pair_id] = number
            return True
        if before != number:  # of a row with several votes on its pair, the pair comes several times
            self.left_out.append(LeftOut(number, WhyLeftOut.SAME_PAIR, str(before)))
        return False

    def _lay_aside(self, batch: dict[str, Any]) -> None:
        assert self._aside is not None
        try:
            self._aside.write(json.dumps(batch) + "\n")
        except OSError as error:
            raise MachineError("disk_full", path=self.folder) from error

    def _batches(self) -> Iterator[dict[str, Any]]:
        assert self._aside is not None
        self._aside.seek(0)
        for line in self._aside:
            yield json.loads(line)

    def _stored(self) -> Iterator[list[StoredPair]]:
        for batch in self._batches():
            yield [StoredPair(*entry[1:]) for entry in batch["pairs"]]

    def _file_votes(self) -> Iterator[FileVote]:
        for batch in self._batches():
            yield from (FileVote(*vote) for vote in batch["votes"])


def _writable(values: list[Any]) -> bool:
    """Whether all text is text: JSON can write half a character, which no file and no database takes."""
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _pair(entry: list[Any]) -> Pair:
    """The pair that an entry of the answer is."""
    _, _, prompt, first, first_source, second, second_source, gold, own = entry
    content = prompt if isinstance(prompt, str) else tuple(Message.model_validate(message) for message in prompt)
    sides = (Response(text=first, source=first_source), Response(text=second, source=second_source))
    return make_pair(content, *sides, {"first": sides[0], "second": sides[1]}.get(gold), own)

"""The items of one JSON array, one after the other, so that a large file is never in memory whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lab.errors import DatasetError

CHUNK = 2**20
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def array_items(path: Path, file: IO[str]) -> Iterator[tuple[int, Any]]:
    """``(place, item)…`` from 1, of a file that begins with ``[``. Raises DatasetError with the line where it is broken."""
    window = _Window(path, file)
    window.expect("[")
    if window.peek() == "]":
        window.expect("]")
    else:
        place = 0
        while True:
            place += 1
            yield place, window.value()
            if window.peek() != ",":
                window.expect("]", "Expecting ',' delimiter")
                break
            window.expect(",")
    if window.peek():
        raise window.broken("Extra data", window.at)


def broken(path: Path, line: int, column: int, why: str) -> DatasetError:
    """Broken JSON, with its place."""
    return DatasetError("dataset_broken_json", path=path, line=line, column=column, why=why)


class _Window:
    """A piece of the file that moves along it."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self.path = path
        self.file = file
        self.text = ""
        self.at = 0
        self.ended = False
        self.lines = 0
        """The ends of lines before the window."""
        self.before = 0
        """The characters of the window's first line that stand before it."""

    def more(self) -> bool:
        """Move on to what is not used yet, and read a further piece, longer than what is there. False at the end of the file."""
        piece = "" if self.ended else self.file.read(max(CHUNK, len(self.text) - self.at))
        if not piece:
            self.ended = True
            return False
        used = self.text[: self.at]
        self.lines += used.count("\n")
        self.before = len(used) - used.rfind("\n") - 1 if "\n" in used else self.before + len(used)
        self.text, self.at = self.text[self.at :] + piece, 0
        return True

    def peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            match = _BLANK.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def expect(self, character: str, why: str = "") -> None:
        """Step over a character. Raises DatasetError where another one stands there."""
        if self.peek() != character:
            raise self.broken(why or f"Expecting '{character}'", self.at)
        self.at += 1

    def value(self) -> Any:
        """The next value. What looks broken may only be cut off: then more is read first."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut_off = error.pos >= len(self.text) - 8 or error.msg.startswith(("Unterminated", "Invalid \\"))
                if cut_off and self.more():
                    continue
                raise self.broken(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
                raise self.broken(type(error).__name__, self.at) from error
            if end < len(self.text) or not self.more():  # a number at the end of the piece may go on
                self.at = end
                return value

    def broken(self, why: str, at: int) -> DatasetError:
        """Broken JSON at a character of the window."""
        before = self.text[:at]
        column = at - before.rfind("\n") if "\n" in before else self.before + at + 1
        return broken(self.path, self.lines + before.count("\n") + 1, column, why)

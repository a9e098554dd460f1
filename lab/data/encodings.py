"""Which encoding a text file is in: UTF-8, what a byte order mark says, UTF-16 without one, or GB18030. A guess is said, never made silently.

UTF-16 shows in the empty halves of its ASCII characters. GB18030 is taken only where the whole file is valid in it and nearly all of
its pairs of bytes are everyday characters, so that a file in a western encoding is refused rather than read as nonsense.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from pathlib import Path

from lab.errors import DatasetError

UTF8 = "utf-8-sig"
MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HEAD = 4096
EMPTY_HALVES = 0.2
"""Of the bytes of a UTF-16 file at least so many are empty: the upper halves of quotes, braces, commas, letters."""
EVERYDAY = 0.9
"""Of the two-byte characters of a GB18030 file at least so many lie among those of GB2312."""


def encoding_of(path: Path, head: bytes, chunks: Callable[[], Iterable[bytes]]) -> str:
    """The encoding of a file that begins with ``head``; ``chunks()`` gives all its bytes, each time from the start.

    Raises DatasetError ``dataset_not_utf8`` with the line where it is none of these.
    """
    for mark, name in MARKS:
        if head.startswith(mark):
            return _checked(path, name, chunks)
    half = _empty_half(head)
    if half is not None:
        return _checked(path, half, chunks)
    line = _first_broken_line(UTF8, chunks())
    if line is None:
        return UTF8
    if _first_broken_line("gb18030", chunks()) is None and _everyday(chunks()) >= EVERYDAY:
        return "gb18030"
    raise DatasetError("dataset_not_utf8", path=path, line=line)


def _checked(path: Path, name: str, chunks: Callable[[], Iterable[bytes]]) -> str:
    line = _first_broken_line(name, chunks())
    if line is not None:
        raise DatasetError("dataset_not_utf8", path=path, line=line)
    return name


def _empty_half(head: bytes) -> str | None:
    """UTF-16 of one byte order where one half of most characters is empty, and hardly ever the other."""
    head = head[: HEAD // 2 * 2]
    lower, upper = head[0::2].count(0), head[1::2].count(0)
    if len(head) < 4 or max(lower, upper) < EMPTY_HALVES * len(head) / 2 or min(lower, upper) * 10 > max(lower, upper):
        return None
    return "utf-16-le" if upper > lower else "utf-16-be"


def _first_broken_line(name: str, chunks: Iterable[bytes]) -> int | None:
    """The line, from 1, where the bytes are no text of this encoding; None where all are."""
    decoder = codecs.getincrementaldecoder(name)()
    line = 1
    try:
        for chunk in chunks:
            line += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return line + bytes(error.object[: error.start]).count(b"\n")
    return None


def _everyday(chunks: Iterable[bytes]) -> float:
    """The share of two-byte characters both of whose bytes are from A1 on, as in GB2312."""
    pairs = everyday = 0
    left = b""
    for chunk in chunks:
        data = left + chunk
        place = 0
        while place < len(data) - 1:
            if data[place] < 0x80:
                place += 1
                continue
            pairs += 1
            everyday += data[place] >= 0xA1 and data[place + 1] >= 0xA1
            place += 2
        left = data[place:]
        if pairs > 100_000:
            break
    return everyday / pairs if pairs else 0.0

"""How commands print: JSON, tables, numbers, a line of progress; their exit statuses; and signs that
the terminal's encoding lacks, in ASCII. Not here: sentences (``lab/words``).
"""

from __future__ import annotations

import codecs
import io
import json
import sys
import time
import unicodedata
from collections.abc import Sequence

FAILED, WRONG_USAGE, STOPPED = 1, 2, 130
"""Exit statuses besides 0."""
BAR = 24
PLAIN_EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""


def print_json(value: object) -> None:
    """One JSON value on standard output. What the terminal's encoding lacks is escaped as JSON escapes it, so the value stays the same."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    print(text)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """Columns of text, as wide as their widest cell; the columns in ``right`` are set to the right."""
    cells = [[plain(str(cell)) for cell in row] for row in [head, *rows]]
    widths = [max(width(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        parts = []
        for column, cell in enumerate(row):
            space = " " * (widths[column] - width(cell))
            parts.append(space + cell if column in right else cell + space)
        print("  ".join(parts).rstrip())


def width(text: str) -> int:
    """The columns that a text takes in a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shorten(text: str, most: int) -> str:
    """One line of at most ``most`` columns."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text.replace("\n", " ⏎ ")).split())
    if width(line) <= most:
        return line
    while line and width(line) > most - 1:
        line = line[:-1]
    return line + "…"


def duration(seconds: float | None) -> str:
    """``1:05:09`` or ``4:07``; a dash where unknown."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day(moment: float, form: str = "%Y-%m-%d %H:%M") -> str:
    """A moment in seconds since 1970, in this machine's time."""
    return time.strftime(form, time.localtime(moment))


def complain(sentence: str) -> None:
    """A sentence on standard error."""
    print(sentence, file=sys.stderr)


def number(value: object, form: str = ".4g") -> str:
    """A number in a format, with the real minus; a dash where there is none."""
    return format(value, form).replace("-", "−") if isinstance(value, (int, float)) else "–"


def bar(share: float) -> str:
    """A bar of which ``share`` (0 to 1) is filled."""
    return "█" * round(BAR * share) + "·" * (BAR - round(BAR * share))


class StatusLine:
    """One line of progress on standard error. A terminal shows it in place; elsewhere a line is printed now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._stage: str | None = None
        self._printed = 0.0
        self._shown = False

    def show(self, line: str, stage: str | None) -> None:
        """Show a newer line. Without a terminal, it is printed where the stage is another one, or PLAIN_EVERY has passed."""
        self._shown = True
        if self._terminal:
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        elif stage != self._stage or time.monotonic() - self._printed > PLAIN_EVERY:
            self._printed = time.monotonic()
            print(line, file=sys.stderr, flush=True)
        self._stage = stage

    def say(self, sentence: str) -> None:
        """Print a sentence above the line."""
        print(f"\r\x1b[2K{sentence}" if self._terminal else sentence, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line."""
        if self._terminal and self._shown:
            print(file=sys.stderr)


PLAIN = {
    "→": "->", "←": "<-", "−": "-", "–": "-", "—": "-", "…": "...", "✓": "yes", "✕": "no", "✂": "cut", "×": "x", "·": ".",
    "█": "#", "±": "+/-", "≠": "!=", "≤": "<=", "≥": ">=", "“": '"', "”": '"', "‘": "'", "’": "'", "⟦": "[[", "⟧": "]]",
    "␣": "_", "⏎": "\\n", "─": "-", "π": "pi", "σ": "sigma", "μ": "mu", "γ": "gamma", "λ": "lambda", "β": "beta",
    "α": "alpha", "κ": "kappa", "ε": "epsilon", "ρ": "rho",
}  # fmt: skip
"""Signs of the lab's own sentences. Any other letter that cannot be shown is escaped (``\\u89e3``), so that no two texts look alike."""
HANDLER = "lab_plain"


def prepare() -> None:
    """Let standard output and error print what they can, and the rest in ASCII."""
    codecs.register_error(HANDLER, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def plain(text: str) -> str:
    """The text as standard output will show it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if getattr(sys.stdout, "errors", None) != HANDLER:
        return text
    return text.encode(encoding, HANDLER).decode(encoding)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    plain_letters = (PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in letters)
    return "".join(plain_letters), error.end

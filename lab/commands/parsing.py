"""The parser of commands: argparse, with its own sentences in both languages and lines that are broken by columns, not by letters.

Not here: what each command says of itself (``lab/words/*/help.toml``).
"""

from __future__ import annotations

import argparse
import re
from typing import Any

from lab.commands.printing import width as columns
from lab.words import table


class Lines(argparse.RawDescriptionHelpFormatter):
    """Help whose lines end at the terminal's edge in Chinese too: a Chinese character takes two columns, and has no space after it."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        if text.isascii():
            return super()._split_lines(text, width)
        return broken(" ".join(text.split()), width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Indented lines and headings (``examples:``) as they are written, prose as paragraphs that end at the terminal's edge."""
        lines: list[str] = []
        prose = ""
        for line in [*text.splitlines(), ""]:
            if line and not line.startswith(" ") and not line.endswith((":", "：")):
                prose = f"{prose} {line}".lstrip()
                continue
            lines += broken(prose, width) if prose else []
            lines.append(line)
            prose = ""
        return "".join(f"{indent}{line}\n" for line in lines).rstrip("\n") + "\n"


class CommandParser(argparse.ArgumentParser):
    """A parser of one command, or of one action of it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": Lines, "allow_abbrev": False, **settings})


def speak(locale: str) -> None:
    """Let argparse word its own sentences (``usage:``, ``invalid choice``) in a language.

    It takes them from gettext, which reads compiled catalogues alone; so its two names for gettext are given our tables.
    """
    words = table(locale)

    def one(message: str) -> str:
        return words.get(f"argparse.{message}", message)

    def counted(message: str, messages: str, count: int) -> str:
        return one(message if count == 1 else messages)

    vars(argparse).update({"_": one, "ngettext": counted})


def broken(text: str, width: int) -> list[str]:
    """A text in lines of at most ``width`` columns, broken at spaces and between Chinese characters, never before a closing sign."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line and columns(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    """What a line may be broken between: words with the space after them, Chinese characters with the signs that follow."""
    pieces: list[str] = []
    for chunk in re.findall(r"\S+\s*|\s+", text):
        start = True
        for letter in chunk:
            wide = columns(letter) == 2
            before_wide = bool(pieces) and not start and columns(pieces[-1][-1]) == 2
            if start or ((wide or before_wide) and letter not in NEVER_FIRST and pieces[-1][-1] not in NEVER_LAST):
                pieces.append(letter)
            else:
                pieces[-1] += letter
            start = False
    return pieces


NEVER_FIRST = frozenset("，。；：、！？）》」』”’…,.;:!?)]}")
NEVER_LAST = frozenset("（《「『“‘([{")

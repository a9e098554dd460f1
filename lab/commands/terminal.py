"""What the terminal can show: signs that its encoding lacks are printed in ASCII, and nothing ends in an encoding error.

A terminal that cannot show Chinese gets English (``lab.words.system_locale``). Not here: the sentences.
"""

from __future__ import annotations

import codecs
import io
import sys

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
    return "".join(PLAIN.get(letter) or _escaped(letter) for letter in letters), error.end


def _escaped(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode("ascii")

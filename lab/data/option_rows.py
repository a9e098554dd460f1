"""Questions with options (MMLU, ARC, MedMCQA, GPQA, HellaSwag, AQuA): the options are written into the prompt, the answer becomes a letter.

Options stand in a list, in ARC's ``{"text", "label"}``, in ``{"A": …}``, or in columns of their own (``A`` to ``D``, ``option_a`` …).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import is_missing, text

LISTS = ("choices", "options", "endings", "ending_options")
PREFIXES = ("", "option_", "choice_", "opt_", "op", "answer_option_", "option ", "choice ")
ANSWERS = (
    "answer", "answerkey", "answer_key", "correct_answer", "correct_option", "correct", "answer_idx", "answer_index",
    "cop", "label", "target", "gold",
)  # fmt: skip
"""Where the right option is named, the likeliest first; compared in lower case."""
RIGHT, WRONG = "Correct Answer", "Incorrect Answer"
"""GPQA's columns: the right answer, and ``Incorrect Answer 1`` to 3."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERED = re.compile(r"\s*\(?([A-Z])\s*[).:、]\s*")
"""An option or an answer that begins with its letter: ``B) 25``."""

Row = Mapping[str, Any]


@lru_cache(maxsize=64)  # the rows of a file have few sets of columns
def option_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Which of a file's columns hold options; empty where none do."""
    for name in LISTS:
        if name in names:
            return (name,)
    if RIGHT in names:
        return tuple(name for name in names if name == RIGHT or name.startswith(WRONG + " "))
    lower = {name.lower(): name for name in reversed(names)}
    for prefix in PREFIXES:
        lettered = []
        for letter in LETTERS.lower():
            if f"{prefix}{letter}" not in lower:
                break
            lettered.append(lower[f"{prefix}{letter}"])
        if len(lettered) > 2 or (len(lettered) == 2 and prefix not in ("", "op")):
            return tuple(lettered)
    return ()


def answer_column(columns: Iterable[str]) -> str | None:
    """The column that names the right option."""
    names = {name.lower(): name for name in columns}
    return RIGHT if RIGHT in names.values() else next((names[name] for name in ANSWERS if name in names), None)


def options_of(row: Row) -> tuple[list[str], list[str]]:
    """``(texts, labels)`` of a row's options; both empty where it has none. Raises NotUsable where they cannot be read."""
    columns = option_columns(tuple(row))
    if not columns:
        return [], []
    if columns[0] == RIGHT or len(columns) > 1:
        texts = [text(row.get(name)).strip() for name in columns]
        texts = [option for option in texts if option]
        if RIGHT in columns:  # the right one stands first in the file, so the order is made from the texts
            texts.sort(key=lambda option: hashlib.sha256(option.encode("utf-8", "surrogatepass")).digest())
        return texts, list(LETTERS[: len(texts)])
    return _listed(row[columns[0]], columns[0])


def with_options(row: Row, question: str) -> str:
    """The question, and under it each option behind its letter; the same where the row has none."""
    texts, _ = options_of(row)
    if not texts:
        return question
    return question + "\n\n" + "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, texts, strict=False))


def option_letter(row: Row, base: int) -> str:
    """The letter of the right option; empty where the row does not say. ``base`` is what a file counts its options from.

    Raises NotUsable where the answer is none of the options, or several.
    """
    texts, labels = options_of(row)
    column = answer_column(row)
    value = row.get(column) if column is not None else None
    if is_missing(value) or text(value).strip() in ("", "-1"):
        if value is None or isinstance(value, (str, int, float)):
            return ""
        raise NotUsable(WhyLeftOut.NO_OPTION, str(value)[:40])
    answer = text(value).strip()
    plain = [option.strip().casefold() for option in texts]
    if answer in labels:
        return LETTERS[labels.index(answer)]
    if plain.count(answer.casefold()) == 1:
        return LETTERS[plain.index(answer.casefold())]
    if re.fullmatch(r"\d+(\.0)?", answer) and 0 <= (place := int(float(answer)) - base) < len(texts):
        return LETTERS[place]
    lettered = LETTERED.match(answer + ")" if len(answer) == 1 else answer)
    if lettered and (place := LETTERS.index(lettered[1])) < len(texts):
        return LETTERS[place]
    if len(answer) == 1 and answer.upper() in LETTERS[: len(texts)]:
        return answer.upper()
    raise NotUsable(WhyLeftOut.NO_OPTION, answer[:40])


def counts_from(rows: Iterable[Row]) -> tuple[int, bool]:
    """``(0 or 1, whether that was guessed)``: where a file begins to count its options. It is guessed where no answer settles it."""
    numbers = settled = False
    for row in rows:
        column = answer_column(row)
        answer = text(row.get(column)).strip() if column else ""
        if not re.fullmatch(r"\d+(\.0)?", answer):
            continue
        try:
            texts, labels = options_of(row)
        except NotUsable:
            continue
        if answer in labels or answer.casefold() in [option.strip().casefold() for option in texts]:
            continue
        numbers = True
        if int(float(answer)) == 0:
            return 0, False
        settled = settled or int(float(answer)) == len(texts)
    return (1, False) if settled else (0, numbers)


def _listed(value: Any, column: str) -> tuple[list[str], list[str]]:
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise NotUsable(WhyLeftOut.NOT_TEXT, column) from None
    if is_missing(value) or value in ("", [], {}):
        return [], []
    labels: list[str] = []
    if isinstance(value, Mapping):
        if isinstance(value.get("text"), (list, tuple)):
            labels = [text(option) for option in value.get("label") or ()]
            value = value["text"]
        else:
            labels, value = [str(name) for name in value], list(value.values())
    if not isinstance(value, (list, tuple)) or not 2 <= len(value) <= len(LETTERS):
        raise NotUsable(WhyLeftOut.NOT_TEXT, column)
    if all(isinstance(option, Mapping) and "text" in option for option in value):
        labels = [text(option.get("label")) for option in value]
        value = [option["text"] for option in value]
    texts = [text(option).strip() for option in value]
    if not all(texts):
        raise NotUsable(WhyLeftOut.EMPTY, column)
    if all(
        (begun := LETTERED.match(option)) and begun[1] == letter for option, letter in zip(texts, LETTERS, strict=False)
    ):
        texts = [LETTERED.sub("", option, count=1).strip() for option in texts]
    return texts, labels if len(labels) == len(texts) else list(LETTERS[: len(texts)])

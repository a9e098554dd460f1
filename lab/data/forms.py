"""The known forms of rows, and how each becomes what training reads. Files are read in ``rows.py``.

| form | columns | as prompts | as completions |
|---|---|---|---|
| demonstrations | ``prompt, completion`` | without an answer | as they are |
| problems | ``prompt, answer`` | as they are | no |
| GSM8K | ``question, answer`` with ``#### 18`` | the number after ``####`` | the whole text is the completion |

Further columns are passed over. A row whose text is missing or empty is left out: the caller counts them as the difference
of the lengths. Lone surrogates, which no tokenizer takes, become a question mark.
"""

from __future__ import annotations

from typing import Any

from lab.data.rows import Rows
from lab.errors import DatasetError

FINAL = "####"
"""GSM8K's mark before the final answer."""


def as_prompts(rows: Rows) -> list[dict[str, str]]:
    """``prompt, answer`` rows; those whose answer is not known have no ``answer``.

    Raises DatasetError where there is neither ``prompt`` nor ``question``, and where every prompt is empty.
    """
    if "prompt" in rows.columns:
        pairs = [(_text(row.get("prompt")), _text(row.get("answer"))) for row in rows.rows]
    elif "question" in rows.columns:
        pairs = [(_text(row.get("question")), _final(_text(row.get("answer")))) for row in rows.rows]
    else:
        raise _missing(rows, "prompt", "prompt, answer")
    kept = [
        {"prompt": prompt} | ({"answer": answer} if answer.strip() else {})
        for prompt, answer in pairs
        if prompt.strip()
    ]
    if not kept:
        raise DatasetError("dataset_all_empty", path=rows.path, count=len(rows.rows), columns="prompt")
    return kept


def as_completions(rows: Rows) -> list[dict[str, str]]:
    """``prompt, completion`` rows.

    Raises DatasetError where a column is missing, and where no row has both.
    """
    if {"prompt", "completion"} <= set(rows.columns):
        names = ("prompt", "completion")
    elif "prompt" not in rows.columns and {"question", "answer"} <= set(rows.columns):
        names = ("question", "answer")
    else:
        raise _missing(rows, "completion" if "prompt" in rows.columns else "prompt", "prompt, completion")
    pairs = [(_text(row.get(names[0])), _text(row.get(names[1]))) for row in rows.rows]
    kept = [{"prompt": prompt, "completion": text} for prompt, text in pairs if prompt.strip() and text.strip()]
    if not kept:
        raise DatasetError("dataset_all_empty", path=rows.path, count=len(rows.rows), columns=", ".join(names))
    return kept


def _missing(rows: Rows, missing: str, wanted: str) -> DatasetError:
    return DatasetError(
        "dataset_columns", path=rows.path, missing=missing, found=", ".join(rows.columns), wanted=wanted
    )


def _text(value: Any) -> str:
    """A cell as text: numbers as they are written (an answer may be 5), everything that is neither as empty."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


def _final(answer: str) -> str:
    """GSM8K's final answer without its thousands commas; the whole text where the mark is missing."""
    _, mark, last = answer.rpartition(FINAL)
    return last.strip().replace(",", "") if mark else answer.strip()

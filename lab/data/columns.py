"""Columns by the lab's names: renamed where a person says so, and guessed where a file calls them otherwise.

Not here: what a set of columns means (``forms.py``), how a mapping is written after a file's name (``file_names.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lab.data.rows import Rows
from lab.data.splits import SPLIT, rows_of_split
from lab.errors import DatasetError

NAMES = (
    "prompt", "completion", "answer", "chosen", "rejected", "first", "second", "messages", "conversations", "instruction",
    "input", "output", "question", "system", "history", "context", "label", "winner", "responses", "scores", "choices",
    "category", "first_source", "second_source", "gold", "source_chosen", "source_rejected", "tools", "images",
    "best_from_0", "best_from_1", "first_better",
)  # fmt: skip
"""What a column can be mapped to, besides ``split``, which takes the rows of one."""

LIKELY: dict[str, tuple[str, ...]] = {
    "prompt": (
        "prompt", "question", "query", "instruction", "problem", "prompt_text", "question_text", "user", "ask", "request",
        "task", "input", "context", "问题", "提问", "题目", "提示", "指令",
    ),
    "completion": (
        "completion", "response", "output", "answer", "solution", "reply", "assistant", "target", "text_output", "model_output",
        "generation", "chosen", "回答", "回复", "答案", "输出",
    ),
    "answer": ("answer", "final_answer", "ground_truth", "solution", "target", "label", "gold", "expected", "答案"),
    "system": ("system", "system_prompt", "system_message", "系统", "系统提示"),
    "chosen": (
        "chosen", "best", "preferred", "better", "good", "accepted", "positive", "winning", "win", "chosen_response",
        "response_chosen", "preferred_response", "better_response", "yes", "correct", "更好", "优选", "好",
    ),
    "rejected": (
        "rejected", "worst", "dispreferred", "worse", "bad", "negative", "losing", "lose", "loss", "rejected_response",
        "response_rejected", "dispreferred_response", "worse_response", "no", "wrong", "incorrect", "更差", "落选", "差",
    ),
    "first": (
        "first", "response_a", "response_1", "response1", "answer_a", "answer_1", "output_1", "output_a", "completion_a", "completion_1",
        "a", "left", "response_0", "answer_0", "text_a", "回答1", "回答a", "甲",
    ),
    "second": (
        "second", "response_b", "response_2", "response2", "answer_b", "answer_2", "output_2", "output_b", "completion_b", "completion_2",
        "b", "right", "text_b", "回答2", "回答b", "乙",
    ),
}  # fmt: skip
"""Other names for a column, the likeliest first: a guess that is proposed, never made in silence."""


def with_columns(rows: Rows, columns: Mapping[str, str]) -> Rows:
    """The same rows under the lab's names: ``{"prompt": "question_text"}`` reads the file's ``question_text`` as the prompt.

    A column of the file that already has the lab's name is hidden by the mapped one, and named among what is passed over. Raises
    DatasetError for an unknown name. ``{"split": "train"}`` takes the rows of one split (``splits.py``).
    """
    if SPLIT in columns:
        rows = rows_of_split(rows, columns[SPLIT])
        columns = {name: theirs for name, theirs in columns.items() if name != SPLIT}
    for name, theirs in columns.items():
        if name not in NAMES:
            raise DatasetError("dataset_mapping_name", name=name, known=", ".join(NAMES))
        if theirs not in rows.columns:
            raise DatasetError("dataset_mapping_column", path=rows.path, column=theirs, found=", ".join(rows.columns))
    moved = {theirs for theirs in columns.values() if theirs not in columns}
    renamed = [
        {name: value for name, value in row.items() if name not in moved and name not in columns}
        | {name: row[theirs] for name, theirs in columns.items() if theirs in row}
        for row in rows.rows
    ]
    names = tuple(
        dict.fromkeys([name for name in rows.columns if name not in moved and name not in columns] + list(columns))
    )
    hidden = [name for name in columns if name in rows.columns and name not in columns.values()]
    mapped = rows.mapped | columns.keys()
    return replace(rows, rows=renamed, columns=names, hidden=(*rows.hidden, *hidden), mapped=mapped)


def guess_columns(columns: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """For each wanted name the file's column that is likeliest meant (the lab's name → the file's); no entry where none looks like it.

    A column that has the name already needs no entry, and serves no other one.
    """
    there = list(columns)
    wanted = list(wanted)
    taken = {name for name in wanted if name in there}
    guesses: dict[str, str] = {}
    for name in wanted:
        if name in there:
            continue
        free = [column for column in there if column not in taken]
        likely = LIKELY.get(name, ())
        column = next((theirs for like in likely for theirs in free if plain(theirs) == like), None)
        column = column or next((theirs for like in likely for theirs in free if _holds(plain(theirs), like)), None)
        if column is not None:
            guesses[name] = column
            taken.add(column)
    return guesses


def plain(column: str) -> str:
    """A column's name in lower case, its words joined by ``_``."""
    return "_".join(column.strip().lower().replace("-", " ").replace(".", " ").split())


def _holds(column: str, like: str) -> bool:
    """Whether a longer name has this word in it: ``user_question``, ``best_reply``."""
    return len(like) > 1 and (like in column.split("_") or (not like.isascii() and like in column))

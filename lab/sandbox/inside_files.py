"""What runs inside the process that reads a file which somebody brought: it hardens itself, reads one file, writes JSON lines, and ends.

Started by ``files.py`` as a program, never imported by the lab. ``lab/data`` interprets the file's columns. It has a limit of
memory where the system has one, and everywhere a budget: rows, columns, and characters of text that the file unpacks to.

One request on standard input: ``{"task": "pairs" | "records" | "shape" | "rollouts", "path", "most_bytes", "budget": {"rows", "columns", "characters"},
…}``. Then one line a batch, and at the end
``{"done": true}`` or ``{"error": {"kind", "key", "params"}}``. Every line may have ``rows`` (read so far) and ``share`` (of the file's bytes).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.data.pair_rows import FoundPairs
    from lab.data.rows import Rows

ADDRESS_SPACE = 3 << 29
"""Bytes: 1.5 GiB. With pyarrow loaded, such a process has 350 MB of addresses; an array of 100 MB of JSON takes another 700."""
LINE_CHARACTERS = 2_000_000
"""A line of the answer is ended where it has so many."""
SHOWN = 3
"""Rows that the answer to ``shape`` shows."""

Tell = Callable[[dict[str, Any]], None]


def main(parent: int, search_path: list[str]) -> None:
    """Answer the one request. The packages are found where the lab found them, wherever that is."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever a library prints must not stand between two lines
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path += [entry for entry in search_path if entry not in sys.path]
    from lab.errors import LabError
    from lab.sandbox.inside import harden

    def tell(line: dict[str, Any]) -> None:
        replies.write(json.dumps(line, default=str) + "\n")
        replies.flush()

    request = json.loads(sys.stdin.readline())
    harden(parent, address_space=ADDRESS_SPACE)
    out_of_memory = {"kind": "DatasetError", "key": "file_memory", "params": {"path": request["path"]}}
    try:
        TASKS[request["task"]](request, tell)
    except LabError as error:
        tell({"error": {"kind": type(error).__name__, "key": error.key, "params": error.params}})
    except MemoryError:
        tell({"error": out_of_memory})
    else:
        tell({"done": True})


class Budget:
    """Counts what was read of a file, and stops where it is too much."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.path, self.most = Path(request["path"]), request["budget"]
        self.rows = self.characters = 0
        self.share = 0.0

    def spend(self, rows: Rows, tell: Tell) -> None:
        """Count a batch, and tell the columns before the first. Raises DatasetError ``file_rows``, ``file_columns``, ``file_unpacks``."""
        from lab.errors import DatasetError

        if not self.rows:
            tell({"columns": list(rows.columns[: self.most["columns"]])})
        self.rows += len(rows.rows)
        self.share = rows.share
        if self.rows > self.most["rows"]:
            raise DatasetError("file_rows", path=self.path, most=f"{self.most['rows']:,}")
        if len(rows.columns) > self.most["columns"]:
            most = f"{self.most['columns']:,}"
            raise DatasetError("file_columns", path=self.path, count=len(rows.columns), most=most)
        self.characters += sum(characters(value) for row in rows.rows for value in row.values())
        if self.characters > self.most["characters"]:
            raise DatasetError("file_unpacks", path=self.path, most=f"{self.most['characters'] / 1e6:,g}")

    def progress(self) -> dict[str, Any]:
        """How far it is."""
        return {"rows": self.rows, "share": self.share}


def characters(value: object) -> int:
    """How much text a cell holds."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(characters(item) for item in value.values())
    return sum(characters(item) for item in value) if isinstance(value, list) else 8


# ---- tasks


def records(request: dict[str, Any], tell: Tell) -> None:
    """The rows themselves; where one is none, that is an answer too."""
    from lab.data.rows import read_batches

    budget = Budget(request)
    for rows in read_batches(budget.path, most_bytes=request["most_bytes"]):
        budget.spend(rows, tell)
        if rows.left_out:
            tell({"broken": rows.left_out[0].line})
        for some in _in_lines(rows.rows):
            tell({"records": some, **budget.progress()})


def pairs(request: dict[str, Any], tell: Tell) -> None:
    """The pairs of the file, with its votes where these are asked for."""
    from lab.data.pair_rows import Known, pair_batches

    budget = Budget(request)
    reading = pair_batches(
        budget.path,
        columns=request["columns"] or None,
        known=Known.GOLD if request["votes"] else Known(request["known"]),
        own=request.get("own", ()),
        most_bytes=request["most_bytes"],
        on_rows=lambda rows: budget.spend(rows, tell),
    )
    for batch in reading:
        _tell_pairs(batch, bool(request["votes"]), budget, tell)


def _tell_pairs(batch: FoundPairs, with_votes: bool, budget: Budget, tell: Tell) -> None:
    from lab.data.preference_forms import PREFERENCE_FORMS

    votes = [[vote.pair_id, vote.choice.value, vote.strength, vote.annotator] for vote in batch.votes]
    votes = votes if with_votes else []
    of_gold = with_votes and not votes and batch.form in PREFERENCE_FORMS
    entries = []
    for line, pair in batch.pairs:
        prompt = pair.prompt if isinstance(pair.prompt, str) else [message.model_dump() for message in pair.prompt]
        sides = [pair.first.text, pair.first.source, pair.second.text, pair.second.source]
        gold = pair.gold.value if pair.gold else None
        if of_gold and gold:
            votes.append([pair.id, gold, None, ""])
        gold = None if with_votes and (of_gold or batch.votes) else gold
        entries.append([line, pair.id, prompt, *sides, gold, pair.own])
    head = {
        "form": batch.form.value,
        "left_out": [[row.line, row.why.value, row.detail] for row in batch.left_out],
        "passed_over": list(batch.passed_over),
        "notes": [[note.key, dict(note.params)] for note in batch.notes],
        "votes": votes,
    }
    tell(head | budget.progress())
    for some in _in_lines(entries):
        tell({"pairs": some, **budget.progress()})


def shape(request: dict[str, Any], tell: Tell) -> None:
    """What an algorithm would read of the file: the first rows, how many, and what is left out or passed over."""
    from lab.data.columns import with_columns
    from lab.data.forms import shape_completions, shape_prompts
    from lab.data.left_out import counted
    from lab.data.preference_forms import shape_preferences
    from lab.data.rows import read_rows
    from lab.data.splits import training_rows

    rows = read_rows(Path(request["path"]), most_bytes=request["most_bytes"])
    Budget(request).spend(rows, tell)
    if request["columns"]:
        rows = with_columns(rows, request["columns"])
    rows = training_rows(rows)
    if request["algorithm"] in ("rm", "dpo"):
        shaped = shape_preferences(rows)
    elif request["algorithm"] == "sft":
        shaped = shape_completions(rows)
    else:
        shaped = shape_prompts(rows, conversations=True)
    tell(
        {
            "form": shaped.form.value,
            "shaped": shaped.rows[:SHOWN],
            "count": len(shaped.rows),
            "rows": len(rows.rows),
            "left_out": [[why.value, detail, count] for why, detail, count in counted(shaped.left_out)],
            "passed_over": list(shaped.passed_over),
            "notes": [[note.key, dict(note.params)] for note in shaped.notes],
        }
    )


def rollouts(request: dict[str, Any], tell: Tell) -> None:
    """The rollouts that another tool recorded, and the rows that are none."""
    from dataclasses import asdict

    from lab.data.rollouts import RolloutFinder
    from lab.data.rows import read_batches

    budget, finder = Budget(request), RolloutFinder(request["rewards"])
    for rows in read_batches(budget.path, most_bytes=request["most_bytes"]):
        budget.spend(rows, tell)
        found = finder.find(rows)
        left_out = [[row.line, row.why.value, row.detail] for row in found.left_out]
        tell({"tool": found.tool.value, "left_out": left_out, "passed_over": list(found.passed_over)})
        for some in _in_lines([asdict(rollout) for rollout in found.rollouts]):
            tell({"rollouts": some, **budget.progress()})


def _in_lines(entries: list[Any]) -> Iterator[list[Any]]:
    """The entries in parts, each small enough for one line of the answer."""
    some: list[Any] = []
    used = 0
    for entry in entries:
        some.append(entry)
        used += characters(entry)
        if used > LINE_CHARACTERS:
            yield some
            some, used = [], 0
    if some:
        yield some


TASKS: dict[str, Callable[[dict[str, Any], Tell], None]] = {
    "records": records,
    "pairs": pairs,
    "shape": shape,
    "rollouts": rollouts,
}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

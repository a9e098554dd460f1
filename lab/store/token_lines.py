"""tokens.jsonl of a run: what each update made of the tokens of some groups. Finds the lines of one group; the form stands in docs/formats.md.

The file is small (a recipe bounds it), so it is scanned; only lines whose first bytes name the step and the group are parsed. Not here: which
groups are written (``lab/training/trainers/token_journal.py``).
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from lab.store.lines import Line, is_number

TOKENS = "tokens.jsonl"
_NAMED = re.compile(rb'\{"version":\d+,"step":(\d+),"group":(\d+),')


def token_lines(path: Path, step: int, group: int) -> list[Line]:
    """The lines of one group, in the order of its updates, without those that a resume dropped."""
    kept: list[Line] = []
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return []
    with file:
        for data in file:
            resumed = data.startswith(b'{"resumed_from"')
            named = _NAMED.match(data)
            if not data.endswith(b"\n") or not (resumed or (named and (int(named[1]), int(named[2])) == (step, group))):
                continue
            with suppress(ValueError, RecursionError):
                line = json.loads(data)
                if resumed:
                    kept = [each for each in kept if each["at"] <= line["resumed_from"]]
                elif is_number(line.get("at")):
                    kept.append(line)
    return kept

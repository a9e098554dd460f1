"""Completions for the bench to score: those of a data set, group by group. Only data that the lab knows can be named here.

Known are the lab's own equations and the files that runs have used: a path that somebody sends is looked up, never opened. A group of
a run has its own route (``runs.py``).
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

from lab.core.recipes import EQUATIONS
from lab.data.datasets import rows_of_file
from lab.data.file_names import parse_file
from lab.data.forms import COMPLETION_FORMS, detect_form, shape_completions
from lab.data.preference_forms import as_preferences
from lab.data.recognition import Form
from lab.data.turns import last_words
from lab.errors import DatasetError
from lab.store.runs import Store
from lab.tasks.equations import Language, Split, Style, problems

A_PAGE = 4
"""Groups that are handed out at once."""
MOST_GROUPS = 2000
MOST_OF_ONE = 32

Group = dict[str, Any]


def datasets(store: Store) -> list[str]:
    """The data sets that can be named: the lab's own, then the files of runs, the newest first."""
    used = (str(run.recipe.get("dataset", "")) for run in store.runs())
    files = (name for name in used if name and name != EQUATIONS and parse_file(name).path.is_file())
    return list(dict.fromkeys([EQUATIONS, *files]))


def groups_of(name: str, first: int, store: Store) -> dict[str, Any]:
    """``{"groups": [{"prompt", "answer", "completions"}…], "first", "next", "total"}`` from group ``first`` on.

    DatasetError where there is no data set of that name, or where it has no completions.
    """
    if name not in datasets(store):
        raise DatasetError("dataset_missing", path=name)
    if name == EQUATIONS:
        groups = _equations()
    else:
        status = parse_file(name).path.stat()
        groups = _from_file(name, (status.st_mtime_ns, status.st_size))
    start = first if first < len(groups) else 0
    after = start + A_PAGE
    return {
        "groups": groups[start:after],
        "first": start,
        "next": after if after < len(groups) else 0,
        "total": len(groups),
    }


@lru_cache(maxsize=1)
def _equations() -> tuple[Group, ...]:
    """The validation problems, each answered in all five styles: a group with something to learn from."""
    chance = random.Random("bench")
    groups = []
    for problem in problems(Split.VALIDATION):
        for language in Language:
            texts = [problem.completion(style, language, chance) for style in Style]
            groups.append({"prompt": problem.prompt(language), "answer": str(problem.x), "completions": texts})
    chance.shuffle(groups)
    return tuple(groups)


@lru_cache(maxsize=4)
def _from_file(name: str, version: tuple[int, int]) -> tuple[Group, ...]:
    """The rows of a file; those of one prompt are one group. ``version`` is the file's time and size: another is read anew."""
    rows = rows_of_file(name)
    form = detect_form(rows)
    answers: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    if form in COMPLETION_FORMS or form in (Form.PROBLEMS, Form.PROMPTS):
        for row in shape_completions(rows, marked=False).rows:
            prompt = last_words(row["prompt"])
            answers[prompt] = row.get("answer", "")
            pairs.append((prompt, row["completion"]))
    else:
        for row in as_preferences(rows):
            prompt = last_words(row["prompt"])
            pairs += [(prompt, row["chosen"]), (prompt, row["rejected"])]
    found: dict[str, list[str]] = {}
    for prompt, completion in pairs:
        if len(found) < MOST_GROUPS or prompt in found:
            found.setdefault(prompt, []).append(completion)
    return tuple(
        {"prompt": prompt, "answer": answers.get(prompt, ""), "completions": texts[:MOST_OF_ONE]}
        for prompt, texts in found.items()
    )

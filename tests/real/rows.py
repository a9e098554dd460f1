"""GSM8K's rows in the forms that each algorithm reads: demonstrations, problems, and preferences made from right solutions.

A preference's rejected side is the same solution spoiled: another number at the end (``content``), or without its final line (``format``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("gsm8k_train.jsonl", "gsm8k_test.jsonl")
ASK = "\nThink step by step. End with a line that holds nothing but #### and the number."
LONGEST_QUESTION, LONGEST_ANSWER = 200, 220
"""Characters: short problems, so that a CPU gets through them."""

_CALCULATION = re.compile(r"<<[^>]*>>")
_STRICT = re.compile(r"\n####\s*\$?(-?[\d,]*\.?\d+)\s*$")


@dataclass(frozen=True)
class Problem:
    """One problem: the prompt as a model gets it, the solution with its final line, the number alone."""

    prompt: str
    solution: str
    number: str


def read_problems(path: Path) -> list[Problem]:
    """The short problems of a GSM8K file, in its order."""
    problems = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        solution = _CALCULATION.sub("", row["answer"]).strip()
        if len(row["question"]) <= LONGEST_QUESTION and len(solution) <= LONGEST_ANSWER:
            number = solution.rpartition("####")[2].strip().replace(",", "")
            problems.append(Problem(row["question"] + ASK, solution, number))
    return problems


def write_rows(problems: list[Problem], folder: Path) -> dict[str, Path]:
    """One file for each kind of row: ``demonstrations``, ``problems``, ``preferences``."""
    rows = {
        "demonstrations": [{"prompt": one.prompt, "completion": one.solution} for one in problems],
        "problems": [{"prompt": one.prompt, "answer": one.number} for one in problems],
        "preferences": [_preference(one, spoil_number=bool(i % 2)) for i, one in enumerate(problems)],
    }
    paths = {}
    for name, content in rows.items():
        paths[name] = folder / f"{name}.jsonl"
        paths[name].write_text("".join(json.dumps(row) + "\n" for row in content), "utf-8")
    return paths


def _preference(problem: Problem, *, spoil_number: bool) -> dict[str, str]:
    body = problem.solution.rpartition("\n####")[0]
    wrong = str(int(float(problem.number)) + 1 + len(body) % 9)
    rejected = f"{body}\n#### {wrong}" if spoil_number else body
    category = "content" if spoil_number else "format"
    return {"prompt": problem.prompt, "chosen": problem.solution, "rejected": rejected, "category": category}


def strictly_right(text: str, number: str) -> bool:
    """Format and answer: the last line is ``#### number``, and the number is the right one."""
    found = _STRICT.search("\n" + text.strip())
    return found is not None and float(found[1].replace(",", "")) == float(number)

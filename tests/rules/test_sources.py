"""The source that the bench shows, the exported file and the lab's own rule are one thing: equal on completions of every style."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.core.recipes import RuleUse
from lab.rules import RULES
from lab.rules.export import NEEDS, as_python
from lab.rules.sources import source_of
from lab.sandbox.ready import READY, mathematics_worker
from lab.sandbox.rewards import scores_of
from lab.sandbox.written import WrittenRule, check_source, score_batch, worker
from lab.tasks.equations import Split, Style, demonstrations
from tests.rules.test_export import run

SHOWN = [name for name in RULES if source_of(name) is not None]
PIECES = [
    "x",
    " = ",
    "5",
    "等于",
    "１５",
    "/3",
    "%",
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "#### ",
    "\\boxed{5}",
    "$\\frac{1}{2}$",
]
PIECES += [
    "(A)",
    " or ",
    "The answer is ",
    "答案是",
    "hello there ",
    "你好",
    "\n",
    "无解",
    "...",
    "🙂",
    "ß",
    "É",
    "x^2",
    "3x",
    "```python\nx = 1\n```",
]


def rows() -> list[tuple[str, str, str | None]]:
    """500 completions: the task's own in every style, and pieces put together at random."""
    drawn = demonstrations(Split.TRAIN, 5, 200, dict.fromkeys(Style, 1.0))
    known: list[tuple[str, str, str | None]] = [(row["prompt"], row["completion"], row["answer"]) for row in drawn]
    rng = random.Random(5)
    prompts = ["Solve 3x + 5 = 20", "解方程 3x + 5 = 20", "Pick one. (A) 5 (B) 6", ""]
    while len(known) < 500:
        text = "".join(rng.choices(PIECES, k=rng.randint(0, 9)))
        known.append((rng.choice(prompts), text, rng.choice(["5", "A", "1/2", "no solution", None])))
    return known


@pytest.fixture(scope="module", autouse=True)
def workers() -> Iterator[None]:
    yield
    worker().close()
    mathematics_worker().close()


@pytest.mark.parametrize("name", SHOWN)
def test_what_the_bench_shows_is_what_scores(name: str) -> None:
    source = source_of(name)
    assert source is not None and check_source(source) == []
    known = rows()
    assert score_batch(WrittenRule(name, source), known) == scores_of(READY[name], known)


def test_what_is_exported_is_what_scores(tmp_path: Path) -> None:
    for names, known in (
        (set(RULES) - set(NEEDS), rows()),
        (set(NEEDS), rows()[::12]),
    ):  # math-verify takes milliseconds a row
        found, _ = run(as_python([RuleUse(name=name, fallback=0.125) for name in sorted(names)]), known, tmp_path)
        for name in names:
            expected = [0.125 if score.error else score.value for score in scores_of(READY[name], known)]
            assert found[name] == expected, name


def test_rules_with_a_short_source_show_it_and_the_others_show_none() -> None:
    assert SHOWN == ["format_tags", "length_range", "no_repetition", "language"]


def test_what_the_first_lookalike_missed() -> None:
    """``x 等于 5`` got 1 from the rule and 0 from the source that stood beside it."""
    assert source_of("integer_answer") is None
    assert RULES["integer_answer"].function("", "x 等于 5", None) == 1.0

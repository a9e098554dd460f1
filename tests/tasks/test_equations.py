"""The equations task: bounds, solutions, and a split that no held-out problem crosses."""

import random
import re
from itertools import islice

import pytest

from lab.tasks.equations import (
    Language,
    Problem,
    Split,
    Style,
    demonstrations,
    pretraining_texts,
    problems,
    prompts,
)

EVERY = [problem for split in Split for problem in problems(split)]


def test_problems_keep_their_bounds_and_their_solution():
    for problem in EVERY:
        assert 2 <= problem.a <= 9
        assert 1 <= problem.x <= 9
        assert 1 <= problem.b <= 9
        assert problem.right >= 1
        assert problem.a * problem.x + problem.sign * problem.b == problem.right


def test_splits_are_disjoint_and_of_the_told_sizes():
    equations = {split: {problem.equation for problem in problems(split)} for split in Split}
    assert sum(map(len, equations.values())) == len({e for found in equations.values() for e in found}) == len(EVERY)
    assert len(equations[Split.TRAIN]) / len(EVERY) == pytest.approx(0.7, abs=0.03)
    assert len(equations[Split.HELD_OUT]) / len(EVERY) == pytest.approx(0.2, abs=0.03)


def test_held_out_problems_are_held_out_of_everything_that_trains():
    hidden = {problem.equation for split in (Split.VALIDATION, Split.HELD_OUT) for problem in problems(split)}
    texts = [prompt for prompt, _ in islice(pretraining_texts(1), 20_000)]
    texts += [row["prompt"] for row in demonstrations(Split.TRAIN, 1, 5_000)]
    texts += [row["prompt"] for row in prompts(Split.TRAIN, 1)]
    seen = {match for text in texts for match in re.findall(r"\d+x [+-] \d+ = \d+", text)}
    assert seen
    assert not seen & hidden


def test_the_worked_example_is_the_one_of_the_course():
    example = Problem(3, 5, 5, 1)
    assert example.prompt(Language.CHINESE) == "解方程：3x + 5 = 20"
    rng = random.Random(0)
    texts = {style: example.completion(style, Language.CHINESE, rng) for style in Style}
    assert texts[Style.DIRECT] == "x = 5"
    assert texts[Style.STEPS] == "3x = 15 → x = 5"
    assert texts[Style.FRACTION] == "x = 15/3"
    assert texts[Style.NO_SOLUTION] == "无解"
    assert not texts[Style.CONTRADICTION].endswith("x = 5")


def test_the_seed_decides_and_both_languages_come():
    assert demonstrations(Split.TRAIN, 3, 50) == demonstrations(Split.TRAIN, 3, 50)
    assert demonstrations(Split.TRAIN, 3, 50) != demonstrations(Split.TRAIN, 4, 50)
    rows = prompts(Split.HELD_OUT, 0, 40)
    assert len(rows) == 40
    assert {row["prompt"][0] for row in rows} == {"S", "解"}

"""Linear equations in English and Chinese, with answers in five styles: the task that the tiny model learns.

A problem is ``a·x ± b = c`` with a in 2–9, x and b in 1–9, and c at least 1. The split is by problem, not by text, so that no
language and no style of a held-out problem is ever trained on, pretraining included. *validation* is where settings are
chosen; *held_out* is what is reported.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Split(StrEnum):
    """Which problems: 70 % train, 10 % validation, 20 % held out."""

    TRAIN = "train"
    VALIDATION = "validation"
    HELD_OUT = "held_out"


class Language(StrEnum):
    """The language of prompt and completion."""

    ENGLISH = "en"
    CHINESE = "zh"


class Style(StrEnum):
    """How a completion answers; the first three are right, the last two are not."""

    DIRECT = "direct"
    STEPS = "steps"
    FRACTION = "fraction"
    NO_SOLUTION = "no_solution"
    CONTRADICTION = "contradiction"


READING_STYLES: Mapping[Style, float] = {
    Style.DIRECT: 0.15,
    Style.STEPS: 0.25,
    Style.FRACTION: 0.1,
    Style.NO_SOLUTION: 0.3,
    Style.CONTRADICTION: 0.2,
}
"""What the base has read: right and wrong alike, so that alignment has something to choose from."""

DEMONSTRATION_STYLES: Mapping[Style, float] = {
    Style.DIRECT: 0.2,
    Style.STEPS: 0.3,
    Style.FRACTION: 0.1,
    Style.NO_SOLUTION: 0.2,
    Style.CONTRADICTION: 0.2,
}
"""What SFT is shown: demonstrations of mixed quality, as people write them."""


@dataclass(frozen=True)
class Problem:
    """``a·x + sign·b = c`` whose solution is the integer x."""

    a: int
    x: int
    b: int
    sign: int

    @property
    def right(self) -> int:
        """The right-hand side c."""
        return self.a * self.x + self.sign * self.b

    @property
    def equation(self) -> str:
        """As it stands in the prompt: ``3x + 5 = 20``."""
        return f"{self.a}x {'+' if self.sign > 0 else '-'} {self.b} = {self.right}"

    def prompt(self, language: Language) -> str:
        """What the model is asked."""
        return f"Solve {self.equation}" if language is Language.ENGLISH else f"解方程：{self.equation}"

    def completion(self, style: Style, language: Language, rng: random.Random) -> str:
        """One completion in that style; ``rng`` chooses the wrong number of a contradiction."""
        product = self.a * self.x
        if style is Style.DIRECT:
            return f"x = {self.x}"
        if style is Style.STEPS:
            return f"{self.a}x = {product} → x = {self.x}"
        if style is Style.FRACTION:
            return f"x = {product}/{self.a}"
        if style is Style.NO_SOLUTION:
            return "no solution" if language is Language.ENGLISH else "无解"
        return f"x = {self.x} → x = {self.wrong(rng)}"

    def wrong(self, rng: random.Random) -> int:
        """A number that is not the solution."""
        return rng.choice([n for n in range(1, 10) if n != self.x])

    @property
    def split(self) -> Split:
        """Decided by a hash of the numbers, so it never moves."""
        digest = hashlib.sha256(f"{self.a},{self.x},{self.b},{self.sign}".encode()).digest()[0]
        return Split.HELD_OUT if digest < 51 else Split.VALIDATION if digest < 77 else Split.TRAIN


@cache
def problems(split: Split) -> tuple[Problem, ...]:
    """Every problem of a split, in a fixed order."""
    everything = (
        Problem(a, x, b, sign) for a in range(2, 10) for x in range(1, 10) for b in range(1, 10) for sign in (1, -1)
    )
    return tuple(p for p in everything if p.right >= 1 and p.split is split)


BOTH: tuple[str, ...] = tuple(Language)


def prompts(split: Split, seed: int, count: int | None = None, languages: Sequence[str] = BOTH) -> list[dict[str, str]]:
    """``prompt, answer`` rows in these languages, shuffled by the seed; ``count`` cuts them off."""
    rows = [
        {"prompt": problem.prompt(language), "answer": str(problem.x)}
        for problem in problems(split)
        for language in map(Language, languages)
    ]
    random.Random(f"prompts-{seed}").shuffle(rows)
    return rows[:count]


def demonstrations(
    split: Split,
    seed: int,
    count: int,
    styles: Mapping[Style, float] = DEMONSTRATION_STYLES,
    languages: Sequence[str] = BOTH,
) -> list[dict[str, str]]:
    """``prompt, completion, answer`` rows in a mix of styles, drawn with the seed."""
    rng = random.Random(f"demonstrations-{seed}")
    pool, names, weights = problems(split), list(styles), list(styles.values())
    rows = []
    for _ in range(count):
        problem, language = rng.choice(pool), Language(rng.choice(languages))
        style = rng.choices(names, weights)[0]
        completion = problem.completion(style, language, rng)
        rows.append({"prompt": problem.prompt(language), "completion": completion, "answer": str(problem.x)})
    return rows


PAIR_CATEGORIES: Mapping[str, float] = {"content": 0.7, "style": 0.15, "format": 0.15}
"""What the two sides of a pair differ in: the number alone, the style (an integer before a fraction), or the form."""


def preferences(
    split: Split,
    seed: int,
    count: int,
    categories: Mapping[str, float] = PAIR_CATEGORIES,
    languages: Sequence[str] = BOTH,
) -> list[dict[str, str]]:
    """``prompt, chosen, rejected, category`` rows of pairs that the lab judges itself, drawn with the seed."""
    rng = random.Random(f"preferences-{seed}")
    pool, names, weights = problems(split), list(categories), list(categories.values())
    rows = []
    for _ in range(count):
        problem, language = rng.choice(pool), Language(rng.choice(languages))
        category = rng.choices(names, weights)[0]
        chosen, rejected = _pair(problem, language, category, rng)
        rows.append({"prompt": problem.prompt(language), "chosen": chosen, "rejected": rejected, "category": category})
    return rows


def _pair(problem: Problem, language: Language, category: str, rng: random.Random) -> tuple[str, str]:
    """(chosen, rejected) of one category; the chosen one is always right."""
    style = rng.choice([Style.DIRECT, Style.STEPS])
    chosen = problem.completion(style, language, rng)
    if category == "style":
        return chosen, problem.completion(Style.FRACTION, language, rng)
    if category == "content":
        return chosen, f"{chosen.removesuffix(str(problem.x))}{problem.wrong(rng)}"
    broken = [
        problem.completion(Style.NO_SOLUTION, language, rng),
        chosen[: rng.randint(1, len(chosen) - 2)],
        f"{chosen} {chosen}",
    ]
    return chosen, rng.choice(broken)


def pretraining_texts(seed: int, share_of_facts: float = 0.3) -> Iterator[tuple[str, str]]:
    """Endless ``(prompt, completion)`` pairs to pretrain on: the train split in every style, and facts of arithmetic.

    Facts are sums, differences, products and quotients within the task's numbers; they are what a school book has
    besides equations, and no held-out equation stands among them.
    """
    rng = random.Random(f"pretraining-{seed}")
    pool, languages = problems(Split.TRAIN), list(Language)
    names, weights = list(READING_STYLES), list(READING_STYLES.values())
    while True:
        if rng.random() < share_of_facts:
            yield _fact(rng)
            continue
        problem, language = rng.choice(pool), rng.choice(languages)
        yield problem.prompt(language), problem.completion(rng.choices(names, weights)[0], language, rng)


def _fact(rng: random.Random) -> tuple[str, str]:
    """``("7 × 8", "56")`` and its like."""
    a, x, b = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 9)
    product = a * x
    kind = rng.randrange(4)
    if kind == 0:
        return f"{a} × {x}", f"{product}"
    if kind == 1:
        return f"{product} ÷ {a}", f"{x}"
    if kind == 2:
        return f"{product + b} - {b}", f"{product}"
    return f"{product} + {b}", f"{product + b}"

"""The ready-made rules about the final answer and about what the completion states. Not a proof checker: see ``consistent``."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from lab.rules.numbers import Number, exact, plain
from lab.rules.statements import NO_SOLUTION, Reading, Side, decimals, read, solution, solve


def equals_answer(prompt: str, completion: str, answer: str | None) -> float:
    """1 where the final answer equals the known one, as exact numbers: 15/3, 5.0 and 5 are equal, 1,234 is 1234.

    An answer that is no number is compared as text; "no solution" in either language equals "no solution". Raises
    ValueError where no answer is known.
    """
    if answer is None or not answer.strip():
        raise ValueError("the answer is not known")
    wanted = _known(answer)
    said = read(completion)
    if wanted is not None:
        return float(said.final is not None and said.final.value == wanted)
    if any(phrase in plain(answer) for phrase in NO_SOLUTION):
        return float(said.no_solution and said.final is None)
    return float(_last_words(completion) == _last_words(answer))


def integer_answer(prompt: str, completion: str, answer: str | None) -> float:
    """1 where the final answer is written as an integer, 0.5 as a number in another form (15/3, 2.5), 0 without one."""
    final = read(completion).final
    return 0.0 if final is None else 1.0 if final.integer else 0.5


def consistent(prompt: str, completion: str, answer: str | None) -> float:
    """1 where nothing that can be checked in the completion is wrong, 0 where something is or where nothing is stated.

    Checked are equations between numbers, and linear equations in one letter: against the solution of the prompt's
    equation where it has one, else against one another. "No solution" is right only for an equation that has none.
    The known answer plays no part.
    """
    said = read(completion)
    solved = solution(prompt)
    if said.no_solution:
        return float(solved is not None and solved[1] is None and not _states_a_value(said))
    if solved is not None and solved[1] is None:
        return 0.0
    known: dict[str, Number] = {}
    if solved is not None and solved[1] is not None:
        known[solved[0]] = solved[1]
    checked = [_holds(left, right, known) for sides in said.equations for left, right in pairwise(sides)]
    if False in checked:
        return 0.0
    if said.final is not None and solved is not None and (said.marked or True not in checked):
        return float(said.final.value == solved[1])
    return float(True in checked or said.final is not None)


def _known(answer: str) -> Number | None:
    """The number that a known answer is: ``5``, ``x = 5``, or GSM8K's reasoning that ends in ``#### 18``."""
    value = exact(answer.rpartition("####")[2])
    if value is None and "####" in answer:
        final = read(answer).final
        return None if final is None else final.value
    return value


def _last_words(text: str) -> str:
    """What a text ends in: the content of its last answer tag, or what follows ``####``, or all of it."""
    text = text.casefold()
    if "<answer>" in text:
        text = text.rpartition("<answer>")[2].partition("</answer>")[0]
    return " ".join(text.rpartition("####")[2].split()).rstrip(".。")


def _states_a_value(said: Reading) -> bool:
    """Whether a final answer, or an equation that gives a letter a value, stands in the text."""
    pairs = ((left.value, right.value) for sides in said.equations for left, right in pairwise(sides))
    solutions = (solve(left, right) for left, right in pairs if left and right)
    return said.final is not None or any(solved and solved[1] is not None for solved in solutions)


def _holds(left: Side, right: Side, known: dict[str, Number]) -> bool | None:
    """Whether one equation holds, None where that cannot be checked; learns the letter's value where none was known."""
    if left.value is None or right.value is None:
        return None
    if not left.value.letter and not right.value.letter:
        if len(left.tokens) == 1:  # "50 = 10" is what prose leaves of "20 % of 50 = 10"
            return None
        return _close(left.value.constant, right.value.constant, right)
    solved = solve(left.value, right.value)
    if solved is None:
        return None
    letter, value = solved
    if value is None:
        return False
    return _close(known.setdefault(letter, value), value, right)


def _close(exactly: Number, written: Number, side: Side) -> bool:
    """Equal, or within one unit of the last decimal where the written side is one decimal number (3.33 for 10/3)."""
    if exactly == written:
        return True
    places = decimals(side)
    return places > 0 and abs(Fraction(exactly) - written) < Fraction(f"1e-{places}")

"""The ready-made rules about the final answer and about what the completion states. Not a proof checker: see ``consistent``.

``equals_answer`` reads both answers exactly (``reading.py``) and compares them here. Only where both are mathematics and one cannot be read
exactly does it ask ``same_formula``, which is math-verify: in a worker where completions are scored (``lab.sandbox.ready``), else in this
process. Where it cannot tell it raises, so that the score is an error that is counted and shown, and never a 0 or a 1.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from lab.rules.choices import chosen, option_letter
from lab.rules.equality import formulas_equal
from lab.rules.notation import CLOCK, joined_amounts
from lab.rules.numbers import Number
from lab.rules.numerals import has_numerals, says_a_number
from lab.rules.reading import LONGEST_PLAIN, is_integer, read_value
from lab.rules.results import last_words
from lab.rules.stated import Stated, stated
from lab.rules.statements import Reading, Side, decimals, read, solution, solve
from lab.rules.typography import plain
from lab.rules.values import CannotTell, Kind, SameFormula, Value, same_value


def equals_answer(
    prompt: str, completion: str, answer: str | None, same_formula: SameFormula = formulas_equal
) -> float:
    """1 where the final answer equals the known one, 0 where it is another or none is stated.

    Raises ValueError where no answer is known, CannotTell where one of the two cannot be read or the completion states several, and
    what ``same_formula`` raises.
    """
    if answer is None or not answer.strip():
        raise ValueError("the answer is not known")
    statement = stated(prompt, completion)
    if letter := option_letter(answer, prompt):
        return float(chosen(prompt, completion, statement) == letter)
    wanted = known_value(answer)
    if wanted.kind is Kind.UNREAD and _same_words(wanted, statement, completion):
        return 1.0
    if wanted.kind is Kind.UNREAD:
        raise CannotTell(f"the known answer cannot be read: {wanted.text[:60]}")
    if wanted.kind is Kind.WORDS and not statement.marked:
        return _unmarked_words(wanted, completion)
    if wanted.brackets == ":" and not statement.marked and _names_a_time_in_passing(statement, completion):
        raise CannotTell("the completion does not mark its answer")
    if statement.value is None or not statement.text:
        short = len(completion) <= LONGEST_PLAIN and says_a_number(completion.lower())
        if wanted.kind is Kind.NUMBER and (short or has_numerals(completion.lower())):
            raise CannotTell("the completion says its numbers in words")
        return 0.0
    return float(same_value(statement.value, wanted, same_formula))


def _names_a_time_in_passing(statement: Stated, completion: str) -> bool:
    """Whether a time of day (``3:30 pm``) stands in a completion that states no time as its answer."""
    is_time = statement.value is not None and statement.value.text.startswith(CLOCK)
    return not is_time and CLOCK in joined_amounts(plain(completion))


def integer_answer(prompt: str, completion: str, answer: str | None) -> float:
    """1 where the final answer is written as an integer, 0.5 as a number in another form (15/3, 2.5), 0 where it is no number.

    Raises CannotTell where an answer is stated that cannot be read.
    """
    statement = stated(prompt, completion)
    if statement.value is not None and statement.value.kind is Kind.UNREAD and statement.text:
        raise CannotTell(f"cannot be read as an answer: {statement.text[:60]}")
    if _number_of(statement) is None:
        return 0.0
    return 1.0 if is_integer(statement.text) else 0.5


def consistent(prompt: str, completion: str, answer: str | None) -> float:
    """1 where nothing that can be checked in the completion is wrong, 0 where something is or where nothing is stated.

    Checked are equations between numbers, and linear equations in one letter: against the solution of the prompt's
    equation where it has one, else against one another. "No solution" is right only for an equation that has none.
    The known answer plays no part.
    """
    reading = read(completion)
    final = stated(prompt, completion)
    value = _number_of(final)
    solved = solution(prompt)
    if reading.no_solution:
        return float(solved is not None and solved[1] is None and value is None and not _gives_a_value(reading))
    if solved is not None and solved[1] is None:
        return 0.0
    known: dict[str, Number] = {}
    if solved is not None and solved[1] is not None:
        known[solved[0]] = solved[1]
    checked = [_holds(left, right, known) for sides in reading.equations for left, right in pairwise(sides)]
    if False in checked:
        return 0.0
    if value is not None and solved is not None and (final.marked or True not in checked):
        return float(value == solved[1])
    return float(True in checked or value is not None)


@lru_cache(maxsize=1024)
def known_value(answer: str) -> Value:
    """The value that a known answer is: ``5``, ``x = 5``, or a text that ends in a mark, as GSM8K's ``#### 18``."""
    if "####" in answer or "\\boxed" in answer or "<answer>" in answer:
        statement = stated("", answer)
        return statement.value or read_value(statement.text)
    return read_value(answer)


def _same_words(wanted: Value, statement: Stated, completion: str) -> bool:
    text = statement.value.text if statement.value is not None and statement.marked else read_value(completion).text
    return text.casefold() == wanted.text.casefold()


def _unmarked_words(wanted: Value, completion: str) -> float:
    """Of a text without a mark: all of it is the answer, or it does not name it. Raises CannotTell where it names it among others."""
    value = read_value(completion)
    if wanted.text == last_words(completion):
        return 1.0
    # Words are no formula, so that formulas_equal is not asked.
    if value.kind in (Kind.WORDS, Kind.LIST, Kind.NUMBER) and same_value(value, wanted, formulas_equal):
        return 1.0
    if wanted.text in joined_amounts(plain(completion)):
        raise CannotTell("the completion does not mark its answer")
    return 0.0


def _number_of(statement: Stated) -> Number | None:
    """The number that the final answer is, or None."""
    number = statement.value.number if statement.value is not None else None
    return None if number is None else number.constant()


def _gives_a_value(reading: Reading) -> bool:
    """Whether an equation that gives a letter a value stands in the text."""
    pairs = ((left.value, right.value) for sides in reading.equations for left, right in pairwise(sides))
    solutions = (solve(left, right) for left, right in pairs if left and right)
    return any(solved and solved[1] is not None for solved in solutions)


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

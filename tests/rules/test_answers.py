"""``equals_answer`` on answers as people and models write them: each equals itself in every mark, and nothing that differs."""

from __future__ import annotations

from functools import partial

import pytest

from lab.core.rules import Rule, Score, score
from lab.rules import stated as stated_module
from lab.rules.choices import multiple_choice
from lab.rules.mathematics import equals_answer
from lab.rules.numerals import english_number

CALLS: list[tuple[str, str]] = []


def unexpected(first: str, second: str) -> bool:
    """Stands for math-verify where it must not be needed."""
    CALLS.append((first, second))
    raise AssertionError("math-verify is not needed")


EXACT = Rule("equals_answer", partial(equals_answer, same_formula=unexpected))
CHOICE = Rule("multiple_choice", multiple_choice)


def says(completion: str, answer: str, prompt: str = "") -> Score:
    return score(EXACT, prompt, completion, answer)


def is_told(outcome: Score) -> bool:
    return outcome.error is not None and outcome.error.startswith("CannotTell")


# Each with something else that is written much alike.
STYLES = [
    ("42", "43"),
    ("-17", "17"),
    ("12,480", "1,248"),
    (r"31,\!500", r"3,\!1500"),
    ("0.125", "0.152"),
    (".75", ".57"),
    (r"\frac{9}{14}", r"\frac{14}{9}"),
    (r"-\dfrac{5}{12}", r"\dfrac{5}{12}"),
    (r"\frac 38", r"\frac 83"),
    (r"2\frac{1}{3}", r"3\frac{1}{3}"),
    (r"7\sqrt{3}", r"3\sqrt{7}"),
    (r"\sqrt{65}", r"\sqrt{56}"),
    (r"\frac{2\sqrt{7}}{3}", r"\frac{2\sqrt{7}}{9}"),
    (r"5 + 3\sqrt2", r"5 - 3\sqrt2"),
    (r"36\pi", r"36\pi^2"),
    (r"\frac{5\pi}{6}", r"\frac{\pi}{6}"),
    ("4-7i", "4+7i"),
    ("3x^2 - 5x + 2", "3x^3 - 5x + 2"),
    (r"\frac{13 + 4b}{9}", r"\frac{13 + 4c}{9}"),
    ("2^{10}", "2^{11}"),
    (r"6 \times 10^{4}", r"6 \times 10^{-4}"),
    (r"75^\circ", r"57^\circ"),
    (r"12 \text{ cm}^2", r"12 \text{ cm}^3"),
    (r"48\mbox{ feet}", r"48\mbox{ inches}"),
    (r"\$18.50", r"\$15.80"),
    (r"35\%", r"53\%"),
    ("(4, -1)", "(-1, 4)"),
    (r"\left( \frac{1}{2}, 6 \right)", r"\left( 6, \frac{1}{2} \right)"),
    ("(2, 5, -3, 11)", "(2, 5, 3, 11)"),
    ("[3, 8)", "(3, 8]"),
    (r"(-\infty, 4]", r"[4, \infty)"),
    (r"(-\infty, 1) \cup (6, \infty)", r"(-\infty, 1) \cup (7, \infty)"),
    (r"x \in [0, 9]", r"x \in [0, 8]"),
    (r"\{1, 4, 9\}", r"\{1, 4, 8\}"),
    ("2, 6, 11", "2, 6, 12"),
    (r"5 \pm \sqrt{6}", r"6 \pm \sqrt{5}"),
    (r"\begin{pmatrix} 3 \\ -4/7 \end{pmatrix}", r"\begin{pmatrix} 3 \\ 4/7 \end{pmatrix}"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}"),
    ("312_5", "312_6"),
    (r"\text{Tuesday}", r"\text{Thursday}"),
    (r"\text{parabola}", r"\text{hyperbola}"),
    (r"\text{(C)}", r"\text{(D)}"),
    ("y = 4x - 9", "y = 4x + 9"),
    ("3:5", "5:3"),
]
MARKS = [
    r"So it is \boxed{%s}.",
    "Hence $%s$",
    "The answer is %s.",
    r"The final answer is $\boxed{%s}$. I hope it is correct.",
    "…\n#### %s",
    "<think>Hm.</think><answer>%s</answer>",
    "Answer: %s",
    "答案是%s。",
    "%s",
]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize(("answer", "other"), STYLES)
def test_an_answer_equals_itself_and_no_other_in_every_mark(mark: str, answer: str, other: str) -> None:
    assert says(mark.replace("%s", answer), answer) == Score(1.0)
    wrong = says(mark.replace("%s", other), answer)
    assert wrong == Score(0.0) or is_told(wrong)


def mutants(answer: str) -> set[str]:
    """The answer with one digit, sign, power or unit changed."""
    changed = {
        answer[:place] + str((int(digit) + step) % 10) + answer[place + 1 :]
        for place, digit in enumerate(answer)
        if digit.isdecimal()
        for step in (1, 3, 5)
    }
    changed |= {
        answer.replace(*pair, 1) for pair in (("+", "-"), ("-", "+"), ("^2", "^3"), ("cm", "m"), ("sqrt", "sqrt[3]"))
    }
    if answer[0].isdecimal():
        changed |= {f"-{answer}", f"1{answer}"}
    return {each for each in changed - {answer} if not (answer.startswith("0.") and each.startswith("-0"))}


def test_nothing_that_was_changed_in_one_place_is_accepted() -> None:
    wrong = [(answer, mutant) for answer, _ in STYLES for mutant in mutants(answer)]
    assert len(wrong) > 200
    accepted = [
        (answer, mutant)
        for answer, mutant in wrong
        for mark in (r"\boxed{%s}", "The answer is %s.", "Hence $%s$")
        if score(
            Rule("", partial(equals_answer, same_formula=lambda *_: False)), "", mark.replace("%s", mutant), answer
        ).value
    ]
    assert accepted == []


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("2^3", "8"),
        (r"$\sqrt{49}$", "7"),
        (r"$\frac{3}{4}$", "0.75"),
        ("8%", "0.08"),
        ("8%", "8"),
        ("0.08", "8%"),
        ("七", "7"),
        ("２４", "24"),
        ("共24元。", "24"),
        ("答案：二十四", "24"),
        ("答案是三分之二", "2/3"),
        ("百分之五", "0.05"),
        ("1 1/2 cups", "1.5"),
        ("1½", "3/2"),
        ("2.5e3", "2500"),
        ("150 cm", r"1.5 \text{ m}"),
        ("$0.75", "75 cents"),
        ("It is 9 cm^2", r"9\text{ square centimeters}"),
        (r"\boxed{Rome}", "Rome"),
        (r"$\text{Rome}$", "rome"),
        ("The answer is the parabola.", "parabola"),
        ("y = 1, then 6 pens are left: 6", "6"),
        ("n = 4. 4 + 5 = 9", "9"),
        ("Total = 3 + 4 = 7 dollars", "7"),
        ("It costs $5 and $6, so $11", "11"),
        ("$5$ … #### 6", "6"),
        (r"\boxed{5}, so \boxed{6}", "6"),
        (r"\boxed{1} and \boxed{2}", "1, 2"),
        (r"\boxed 6", "6"),
        (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt{2}}{2}"),
        ("(x+1)^2", "x^2 + 2x + 1"),
        (r"(1+i)^2", "2i"),
        ("6:8", "3:4"),
        ("∅", "no solution"),
        ("**Answer:** 42", "42"),
        ("3 out of 4", "3/4"),
        ("three out of four", "0.75"),
        ("75 per cent", "75%"),
        ("2h30", "2 hours 30 minutes"),
        (r"\boxed{2h 05m}", "125 minutes"),
        ("0x1F", "31"),
        ("a third", "1/3"),
        ("two and a half", "2.5"),
        ("two dozen eggs", "24"),
        (r"\boxed{\$2.5M}", "$2,500,000"),
        ("5000 kW", "5 MW"),
        ("5 kJ", "5000 J"),
        (r"\boxed{[[1, 2], [3, 4]]}", r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}"),
        (r"\boxed{\text{does not exist}}", "DNE"),
        ("Yes", "True"),
        ("The answer is false.", "no"),
        ("3 p.m.", "3:00 PM"),
        (r"\boxed{15:30}", "3:30 pm"),
    ],
)
def test_equal(completion: str, answer: str) -> None:
    assert says(completion, answer) == Score(1.0)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"$\frac{8}{3}$", "3"),
        ("2^3", "3"),
        (r"\sqrt{49}", "49"),
        (r"$4 \times 10^2$", "2"),
        (r"\boxed{5\sqrt{6}}", "6"),
        ("8%", "0.8"),
        ("1,2345", "12345"),
        ("9 cm^2", r"9 \text{ cm}^3"),
        (r"\frac{1}{0}", "0"),
        ("1e999999999", "1"),
        ("I do not know", "5"),
        ("5 is x, so 3x = 15", "15"),
        ("3 out of 5", "3/4"),
        ("2h30", "2 hours 3 minutes"),
        ("5 mW", "5 MW"),
        (r"\boxed{\$2.5B}", "$2,500,000"),
        (r"\boxed{[[1], [2]]}", r"\begin{pmatrix}1 & 2\end{pmatrix}"),
        (r"\boxed{No}", "True"),
        ("3 am", "3 pm"),
        ("two and a third", "2.5"),
        ("Tuesday", "5"),
    ],
)
def test_not_equal(completion: str, answer: str) -> None:
    assert says(completion, answer) == Score(0.0)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("#### 5 or 6", "6"),
        ("The answer is 5 or 6.", "5"),
        ("答案是5或6", "6"),
        (r"\boxed{5} or \boxed{6}", "6"),
        ("The answer is not 5", "5"),
        ("<answer>between 5 and 9, I think</answer>", "5"),
        ("I think it is Rome, or Milan", "Rome"),
        ("7 boxes", r"7 \text{ crates}"),
        ("5", "about 5, or so"),
        (r"\boxed{third}", "1/3"),
        ("twice", "2"),
        (r"\boxed{VII}", "7"),
        (r"\boxed{none}", "0"),
        ("5k", "5000"),
        ("A, C", "AC"),
        ("3:30", "3:30 pm"),
        ("undefined", "does not exist"),
    ],
)
def test_where_it_cannot_tell_it_says_so(completion: str, answer: str) -> None:
    outcome = says(completion, answer)
    assert is_told(outcome), outcome


def test_a_letter_that_the_prompt_asks_for_stands_over_what_comes_after_it() -> None:
    assert says("y = 4, so 4 * 3 = 12", "4", "Solve y + 1 = 5") == Score(1.0)
    assert says("y = 4. 5 * 3 = 15", "15", "How many pens are there?") == Score(1.0)


@pytest.mark.parametrize("amount", ["7", "-12", "1,480", "26,000", "1,250,000"])
def test_gsm8k_s_forms(amount: str) -> None:
    digits = amount.replace(",", "")
    reasoning = f"She has 3 * 4 = <<3*4=12>>12 boxes of $2.\n#### {amount}"
    for written in (amount, digits, f"${amount}", f"{amount}%", f"{amount}.00", f"{amount} dollars"):
        for answer in (amount, reasoning):
            assert says(f"6 of 9 are left.\n#### {written}", answer) == Score(1.0), written
            assert says(f"6 of 9 are left.\n#### 1{written.lstrip('-$')}", answer) == Score(0.0), written


QUESTION = "Which is a noble gas?\n(A) oxygen\n(B) argon\n(C) 12 kg of iron\n(D) chlorine"
LETTERS = [
    "B",
    "(B)",
    r"\boxed{B}",
    r"$\boxed{\text{B}}$",
    "The answer is B.",
    "Answer: B",
    "**B**",
    "答案：B",
    "故选B",
    "B) argon",
]
LETTERS += [
    "The correct option is (B), since it is inert.",
    "<answer>B</answer>",
    "#### B",
    "I choose option B",
    "B is correct",
]


@pytest.mark.parametrize("completion", LETTERS)
def test_a_letter_in_every_form(completion: str) -> None:
    for rule in (EXACT, CHOICE):
        assert score(rule, QUESTION, completion, "B") == Score(1.0)
        assert score(rule, QUESTION, completion, "(D)") == Score(0.0)


def test_an_option_may_be_named_by_its_text() -> None:
    for rule in (EXACT, CHOICE):
        assert score(rule, QUESTION, "The answer is argon.", "B") == Score(1.0)
        assert score(rule, QUESTION, "argon", "B") == Score(1.0)
        assert score(rule, QUESTION, r"\boxed{chlorine}", "B") == Score(0.0)
    assert score(CHOICE, QUESTION, "The answer is (C).", "12 kg of iron") == Score(1.0)
    assert score(CHOICE, "Pick. A. 3 B. 4 C. 5", r"\boxed{4}", "B") == Score(1.0)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [("It is (A) or (B)", "B"), ("The answer is neon.", "B"), ("B", "helium"), ("a dog: <answer>a dog</answer>", "A")],
)
def test_a_choice_that_cannot_be_told(completion: str, answer: str) -> None:
    assert is_told(score(CHOICE, QUESTION, completion, answer))


def test_no_choice_is_a_wrong_one() -> None:
    assert score(CHOICE, QUESTION, "I do not know", "B") == Score(0.0)


def test_the_numbers_of_a_long_row_of_words_are_counted_and_not_tried() -> None:
    """Read by trying both sides of every "and" and "out of", this would take longer than anybody lives."""
    assert english_number(["one", *["and", "one", "out", "of", "one"] * 400]) is None


def test_plain_numbers_never_wake_math_verify() -> None:
    assert CALLS == []


@pytest.mark.parametrize(
    "number", ["5", "-5", "1,234", "12,34", "0.50", "1,234.5", ".5", "5,", "5.", "1.2.3", "--5", "٣"]
)
@pytest.mark.parametrize("before", ["", "so 7 </think> ", "The answer is 9. ", "\\boxed{8} ", "7 #### 6 "])
@pytest.mark.parametrize("mark", ["####", "#### ", "#####\t", "####\n"])
def test_a_number_behind_the_mark_is_read_alike_on_the_short_way(
    before: str, mark: str, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    completion = f"{before}{mark}{number}\n"
    short = stated_module.stated("q", completion)
    monkeypatch.setattr(stated_module, "_number_in_last_mark", lambda _completion: None)
    assert stated_module._stated("q", completion) == short

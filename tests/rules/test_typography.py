"""Answers in the typography, the words and the units of many countries: what is right scores 1, what is not is never accepted."""

from __future__ import annotations

from functools import partial

import pytest

from lab.core.rules import Rule, Score, score
from lab.rules.mathematics import equals_answer
from lab.rules.typography import plain


def no_formula(first: str, second: str) -> bool:
    """Stands for math-verify where it cannot read a formula."""
    raise ValueError("cannot be read as mathematics")


RULE = Rule("equals_answer", partial(equals_answer, same_formula=no_formula))


def says(completion: str, answer: str) -> Score:
    return score(RULE, "", completion, answer)


RIGHT = [
    *(
        ("The answer is 1 234 567.", "1234567"),
        ("1\u202f234\u202f567", "1234567"),
        ("The answer is 1'234'567.", "1234567"),
    ),
    *((r"\boxed{1\,000\,000}", "1000000"), ("1_000_000", "1000000"), ("⅜", "3/8"), ("2⅝", "2.625"), ("⅞", "7/8")),
    *(
        ("The answer is three.", "3"),
        ("25", "twenty-five"),
        ("minus two hundred and five", "-205"),
        ("six sevenths", "6/7"),
    ),
    *(
        ("five hundred dollars", "500"),
        ("2**10", "1024"),
        ("2¹⁰", "1024"),
        ("10⁻³", "0.001"),
        ("x⁴", "x^4"),
        ("∛27", "3"),
    ),
    *(
        ("3.0 x 10^8", "3e8"),
        ("3.0×10⁸ m/s", "3e8 m/s"),
        ("minus 7", "-7"),
        ("So it is negative 7.", "-7"),
        ("负7", "-7"),
    ),
    *(
        ("﹣5", "-5"),
        ("\u20125", "-5"),
        ("100 cm2", "100 cm^2"),
        ("2 hours 30 minutes", "2.5 hours"),
        ("3小时20分钟", "200分钟"),
    ),
    *(
        ("5元5角", "5.5元"),
        ("5 dollars and 50 cents", "$5.50"),
        ("3万", "30000"),
        ("共3.5万元。", "35000"),
        ("1万2千", "12000"),
    ),
    *(
        ("一百五", "150"),
        ("一百零五", "105"),
        ("两万五", "25000"),
        ("三又二分之一", "3.5"),
        ("3又1/2", "3.5"),
        ("壹佰", "100"),
    ),
    *(("八折", "0.8"), ("5 trillion", "5e12"), ("2.5 lakh", "250000"), ("1.6e-19 C", r"1.6 \times 10^{-19}\text{ C}")),
    *(
        ("x = ±5", "-5, 5"),
        ("x_1 = 5, x_2 = 6", "5, 6"),
        ("x₁ = 5", "5"),
        ("x = 5 or x = 6", "5, 6"),
        ("5 and 6", "5, 6"),
    ),
    *(
        (r"\boxed{(x,y)=(5,6)}", "(5,6)"),
        (r"\boxed{y=6, x=5}", "x=5, y=6"),
        ("{1,2,3}", "{3,2,1}"),
        ("(-inf, 5)", r"(-\infty, 5)"),
    ),
    *((r"\boxed{\boxed{5}}", "5"), (r"\boxed{x=\boxed{5}}", "5"), (r"\boxed{\frac{10}{3} \approx 3.33}", "10/3")),
    *(
        ("∴ x = 5", "5"),
        ("x = 5 ✅", "5"),
        ("f(5) = 6", "6"),
        ("P(A) = 0.5", "1/2"),
        ("a_{10} = 5", "5"),
        ("(a+b)^2", "a^2+2ab+b^2"),
    ),
    *((r"<think>\boxed{5}</think> It is 6.", "6"), ("####\n5", "5"), ("#### Step 3: finish\nSo x = 5.", "5")),
    *(
        ("The final result: 8 (see step 2).", "8"),
        ("2024-01-05", "2024年1月5日"),
        (r"5 \text{ N}", "5 N"),
        ("Zu\u0308rich", "Zürich"),
    ),
]

NEVER = [
    *(
        ("10⁻³", "10"),
        ("The answer is 5⁵.", "5"),
        ("∛27", "27"),
        ("3!", "3"),
        ("minus 7", "7"),
        ("The answer is negative 7.", "7"),
    ),
    *(
        ("负7", "7"),
        ("零下7度", "7"),
        ("答案是负3.", "3"),
        ("﹣5", "5"),
        ("➖5", "5"),
        ("\u20105", "5"),
        ("\u20115", "5"),
    ),
    *(
        ("2 hours 30 minutes", "30"),
        ("3小时20分钟", "20"),
        ("5元5角", "5角"),
        ("2.5 lakh", "2.5"),
        ("3亿", "3"),
        ("5 trillion", "5"),
    ),
    *(("一百五", "105"), ("两万五", "20005"), ("3又1/2", "0.5"), ("8成", "8"), ("101₂", "1012"), ("50‰", "50")),
    *(
        ("The answer can't be 5.", "5"),
        ("It is not 5", "5"),
        ("The answer is greater than 5.", "5"),
        ("It is at least 5.", "5"),
    ),
    *(
        ("答案大于5", "5"),
        ("答案至少是5", "5"),
        ("x ≠ 5", "5"),
        ("17 mod 5", "5"),
        ("x ≡ 5 (mod 7)", "7"),
        ("5 (or 6)", "6"),
        ("5（或6）", "6"),
    ),
    *(("The answer is 5. Wait, I made a mistake: it is 6.", "5"), ("It is wrong that the answer is 5. It is 6.", "5")),
    *(
        ("x=5, y=6", "6"),
        ("x = ±5", "5"),
        (r"\boxed{x=6, y=5}", "x=5, y=6"),
        (r"\boxed{a=5,b=6}", "6"),
        ("x₁=5, x₂=6", "6"),
    ),
    *(
        ("2024-01-05", "2018"),
        ("2024-01-05", "2024-02-04"),
        ("1/5/2024", "2/10/2024"),
        ("2024年1月5日", "5"),
        ("1月5日", "5"),
    ),
    *(
        ("₹500", "$500"),
        ("$5M", "5"),
        ("0.3\u0305", "0.3"),
        ("x^2+y^2=1", "1"),
        ("a^2+2ab+b^2", "a^2+2"),
        ("6xy", "6"),
        ("1.5.2", "1.5"),
    ),
    *(
        (r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
        (r"\begin{cases} x=1\\y=2\end{cases}", "2"),
    ),
    *(
        (r"<think>\boxed{5}</think> It is 6.", "5"),
        ("#### Step 3: finish\nSo x = 5.", "3"),
        ("The total is 8 [1].", "1"),
    ),
    *(("The final result: 8 (see step 2).", "2"), ("twenty-five", "24"), ("The answer is minus seven", "7")),
]

TOLD = [
    *(
        ("3,14", "3.14"),
        (r"\boxed{2{,}5}", "2.5"),
        ("12,34,567", "1234567"),
        ("1.234.567", "1234567"),
        ("0.333...", "1/3"),
    ),
    *(("5 km", "5000"), ("5 n", "5"), ("18 km/h", "5 m/s"), ("1 < x < 2", "(1, 2)"), ("So there are seventeen.", "17")),
    *(("y=2x+1", "y-2x=1"), ("x = 5, y = 6", "a = 5, b = 6")),
]


@pytest.mark.parametrize(("completion", "answer"), RIGHT)
def test_right(completion: str, answer: str) -> None:
    outcome = says(completion, answer)
    assert outcome.value == 1.0, outcome


@pytest.mark.parametrize(("completion", "answer"), NEVER)
def test_never_accepted(completion: str, answer: str) -> None:
    outcome = says(completion, answer)
    assert outcome.value == 0.0 or outcome.error is not None


@pytest.mark.parametrize(("completion", "answer"), TOLD)
def test_what_may_be_either_is_told(completion: str, answer: str) -> None:
    outcome = says(completion, answer)
    assert outcome.error is not None, outcome


def test_one_typography() -> None:
    assert plain("Ｂ 𝐁 Ⓑ ℃ １，２ ①") == "b b b °c 1;2 ①"
    assert plain("1.6E-19 x¹² 101₂") == "1.6*10^(-19) x^(12) 101_2"

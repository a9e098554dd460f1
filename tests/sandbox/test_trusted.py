"""Rules of a trusted file: found without running it, run in a worker that can be killed, never named by a recipe's text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lab.core.recipes import RuleUse
from lab.errors import RuleError
from lab.sandbox import trusted
from lab.sandbox.rewards import by_name, check_uses, reward_batch, weighed

FILE = '''
import os
from fractions import Fraction

LOADED = []

def in_folder(prompt, completion, answer):
    """1 where the file is there.

    More words.
    """
    return float(os.path.exists(completion))

def twice(prompt, completion, answer, factor=2):
    return 2.0

def pid(prompt, completion, answer):
    return os.getpid()

def half(prompt, completion, answer):
    return Fraction(1, 2)

def odd(prompt, completion, answer):
    return {"text": "5", "big": 10 ** 400, "nan": float("nan"), "none": None}[completion]

def leaves(prompt, completion, answer):
    raise SystemExit("so long")

def dies(prompt, completion, answer):
    os._exit(3)

def loops(prompt, completion, answer):
    while True:
        pass

def _private(prompt, completion, answer):
    return 1.0

def pair(prompt, completion):
    return 1.0
'''


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "mine.py"
    path.write_text(FILE, "utf-8")
    monkeypatch.setenv(trusted.VARIABLE, str(path))
    yield path
    trusted.worker().close()


def scores(name: str, *completions: str) -> list[float | str]:
    rewards = reward_batch(weighed([RuleUse(name=name, fallback=0.25)]), [("p", text, None) for text in completions])
    found = [reward.scores[name] for reward in rewards]
    assert all(one.value == 0.25 for one in found if one.error)
    return [one.error or one.value for one in found]


def test_public_functions_of_three_parameters_are_rules(file: Path) -> None:
    assert list(trusted.rules()) == ["in_folder", "pid", "half", "odd", "leaves", "dies", "loops"]
    assert trusted.rules()["in_folder"].description == "1 where the file is there."
    assert set(trusted.rules()) < set(by_name())
    assert check_uses([RuleUse(name="half")]) == []
    taken = RuleUse(name="half", source="def reward(p, c, a): return 1.0")
    assert [error.key for error in check_uses([taken])] == ["rule_name_taken"]


def test_they_run_in_a_process_of_their_own_with_the_machine(file: Path) -> None:
    assert scores("in_folder", str(file), str(file) + "x") == [1.0, 0.0]
    (pid,) = scores("pid", "")
    assert isinstance(pid, float) and pid != psutil.Process().pid
    assert psutil.Process(int(pid)).ppid() == psutil.Process().pid
    assert scores("half", "") == [0.5]


def test_whatever_they_do_is_an_error_of_theirs(file: Path) -> None:
    found = scores("odd", "text", "big", "nan", "none", "else")
    assert found[0] == "gave str, not a number"
    assert all(isinstance(one, str) for one in found)
    assert scores("leaves", "") == ["SystemExit: so long"]
    assert "ChildProcessError" in str(scores("dies", "")[0])
    assert scores("half", "") == [0.5]


def test_one_that_loops_is_killed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusted.worker(), "longest_call", 0.7)
    trusted.worker().start()
    start = time.monotonic()
    assert "TimeoutError" in str(scores("loops", "")[0])
    assert time.monotonic() - start < 5


def test_nothing_is_trusted_unless_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(trusted.VARIABLE, raising=False)
    assert trusted.rules() == {}
    with pytest.raises(RuleError, match="rule_unknown"):
        weighed([RuleUse(name="half")])
    for content in ("def f(:", "x = 1\n", None):
        path = tmp_path / "broken.py"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        monkeypatch.setenv(trusted.VARIABLE, str(path))
        with pytest.raises(RuleError, match="trusted_rules"):
            by_name()


def test_the_file_is_only_parsed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched = tmp_path / "touched"
    path = tmp_path / "loud.py"
    path.write_text(f"open({str(touched)!r}, 'w')\ndef mine(prompt, completion, answer):\n    return 1.0\n")
    monkeypatch.setenv(trusted.VARIABLE, str(path))
    assert list(trusted.rules()) == ["mine"]
    assert not touched.exists()


def test_a_run_keeps_a_copy(file: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    trusted.keep_beside(tmp_path / "run")
    assert (tmp_path / "run" / "trusted_rules.py").read_text("utf-8") == FILE


def test_an_edited_file_counts(file: Path) -> None:
    assert scores("half", "") == [0.5]
    file.write_text("def half(prompt, completion, answer):\n    return 0.75\n", "utf-8")
    assert scores("half", "") == [0.75]
    rules = weighed([RuleUse(name="half", fallback=0.25)])
    file.unlink()
    assert reward_batch(rules, [("", "", None)])[0].scores["half"].error

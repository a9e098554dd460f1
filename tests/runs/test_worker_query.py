"""Answers for a page: found once, one at a time, the latest question first; an error stands for a while only."""

from __future__ import annotations

import threading
import time

import pytest

from lab.errors import InputError, LabError
from lab.runs import worker_query
from lab.runs.worker_query import Answers, NoAnswerError, ask


def wait_for(answers: Answers[str, str], key: str) -> str | LabError:
    deadline = time.monotonic() + 30
    while (found := answers.look(key, key)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_an_answer_is_found_once_and_only_the_latest_question_waits() -> None:
    found: list[str] = []
    busy, go_on = threading.Event(), threading.Event()

    def find(asked: str) -> str:
        found.append(asked)
        busy.set()
        go_on.wait(30)
        return asked.upper()

    answers = Answers(find)
    assert answers.look("a", "a") is None and answers.known("a") is None
    busy.wait(30)
    answers.look("b", "b")
    answers.look("c", "c")
    go_on.set()
    assert wait_for(answers, "c") == "C"
    assert wait_for(answers, "a") == "A" and answers.known("a") == "A"
    assert found == ["a", "c"]


def test_an_error_is_an_answer_until_it_may_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [True]

    def find(asked: str) -> str:
        if broken[0]:
            raise InputError("data_missing", value=asked)
        return asked

    answers = Answers(find)
    assert isinstance(wait_for(answers, "a"), InputError)
    broken[0] = False
    assert isinstance(answers.look("a", "a"), InputError)
    monkeypatch.setattr(worker_query, "ERROR_KEPT", 0.0)
    assert wait_for(answers, "a") == "a"


def test_a_find_that_breaks_does_not_end_the_answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    broken = [True]

    def find(asked: str) -> str:
        if broken.pop() if broken else False:
            raise RuntimeError("a bug")
        return asked

    assert wait_for(Answers(find), "a") == "a"


def test_a_process_without_an_answer_says_so() -> None:
    with pytest.raises(NoAnswerError) as ended:
        ask(["--no-such-flag"], "", 60)
    assert ended.value.code == 2 and "no-such-flag" in ended.value.line

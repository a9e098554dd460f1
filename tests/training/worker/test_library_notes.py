"""What the libraries warn of stands in the log once, as a sentence."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest

from lab.training.worker.library_notes import LIBRARIES, Teller, listen


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    show = warnings.showwarning
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
    warnings.showwarning = show


def test_a_warning_is_told_once_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    listen(Teller())
    for _ in range(2):
        logging.getLogger("trl.trainer.sft_trainer").warning(
            "\x1b[1mThe prompt is no prefix\x1b[0m\n  of the %s.", "whole"
        )
    logging.getLogger("trl.trainer").info("not this")
    told = capsys.readouterr()
    assert told.out == "note: trl says: The prompt is no prefix of the whole.\n" and told.err == ""


def test_python_warnings_of_the_libraries_are_told_and_those_of_their_future_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listen(Teller())
    where = {"filename": "/site-packages/peft/tuners.py", "lineno": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        listen(Teller())
        warnings.warn_explicit("weights are tied", UserWarning, **where)
        warnings.warn_explicit("this will go away", FutureWarning, **where)
        warnings.warn_explicit("somebody else", UserWarning, filename="/site-packages/other/x.py", lineno=1)
    assert capsys.readouterr().out == "note: peft says: weights are tied\n"


def test_what_the_lab_answers_itself_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller()
    teller.tell("transformers", "`x` is deprecated")
    teller.tell("transformers", "Some weights are newly initialized: score")
    assert capsys.readouterr().out == ""

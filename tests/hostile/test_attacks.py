"""Every hostile rule ends as an error of that rule, in time, and leaves nothing behind: no process, no memory, no other score."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from lab.core.rules import LONGEST_MESSAGE, Score
from lab.sandbox.written import Row, WrittenRule, check_source, score_batch, worker
from tests.hostile.attacks import ATTACKS, CLASSES, STEADY, Attack, body, gives

SLOWEST = 3.0
"""Seconds in which every hostile rule ends."""

ROWS: list[Row] = [("3x + 5 = 20", f"x = {number}", "5") for number in range(3)]
GOOD = WrittenRule("good", gives("1.0 if completion.endswith(answer) else 0.25"))
FALLBACK = 0.125


def hostile(source: str) -> WrittenRule:
    return WrittenRule("hostile", source, fallback=FALLBACK)


def ours() -> list[psutil.Process]:
    """The sandbox's processes: its worker, and the interpreter under it."""
    process = worker().all[0]._process
    return [] if process is None else [one for pid in [process.pid] for one in _tree(pid)]


def _tree(pid: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are still there when they have had time to go."""
    deadline = time.monotonic() + 2
    while processes and time.monotonic() < deadline:
        processes = [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        time.sleep(0.005)
    return processes


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After all of them: memory is where it was, and no process outlives the worker."""
    score_batch(GOOD, ROWS)
    before = sum(one.memory_info().rss for one in ours())
    own = psutil.Process().memory_info().rss
    yield
    score_batch(GOOD, ROWS)
    after = sum(one.memory_info().rss for one in ours())
    assert after < before + (40 << 20), f"the sandbox grew from {before >> 20} to {after >> 20} MB"
    assert psutil.Process().memory_info().rss < own + (60 << 20)
    processes = ours()
    assert len(processes) == 2, processes
    worker().close()
    assert alive(processes) == []


def test_every_class_is_covered() -> None:
    assert {attack.kind for attack in ATTACKS} == set(CLASSES)
    assert len({attack.id for attack in ATTACKS}) == len(ATTACKS) >= 60


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.kind}-{attack.id}")
def test_attack(attack: Attack) -> None:
    """One completion for those that end at a limit, else three."""
    rows = ROWS[:1] if attack.kind.startswith(("loop", "memory", "output")) else ROWS
    start = time.monotonic()
    scores = score_batch(hostile(attack.source), rows)
    taken = time.monotonic() - start
    assert taken < SLOWEST, f"took {taken:.2f} s"
    assert len(scores) == len(rows)
    for score in scores:
        assert math.isfinite(score.value)
        assert score.error is None or (score.value == FALLBACK and len(score.error) <= LONGEST_MESSAGE)
        json.dumps(score.as_json()).encode()
        (score.error or "").encode()
    if attack.ends == STEADY:
        alone = [score_batch(hostile(attack.source), [row])[0] for row in rows]
        backwards = score_batch(hostile(attack.source), rows[::-1])[::-1]
        assert scores == alone == backwards
    else:
        assert all(score.error is not None for score in scores), scores
    assert [score.value for score in score_batch(GOOD, ROWS)] == [0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    "attack",
    [one for one in ATTACKS if one.kind in ("nested", "surrogate") or one.id in ("loop-on-load", "memory-on-load")],
    ids=lambda attack: attack.id,
)
def test_checking_a_hostile_source_ends_too(attack: Attack) -> None:
    start = time.monotonic()
    for wrong in check_source(attack.source):
        assert isinstance(wrong.params["line"], int) and wrong.params["line"] >= 1
        str(wrong).encode("utf-8", "replace")
    assert time.monotonic() - start < SLOWEST


@pytest.mark.parametrize("lines", [("while True: pass",), ("x = 3", "while True: x = x * x")], ids=["loop", "integers"])
def test_a_full_batch_of_endless_ones_ends_in_time(lines: tuple[str, ...]) -> None:
    start = time.monotonic()
    scores = score_batch(hostile(body(*lines)), ROWS[:1] * 64)
    assert time.monotonic() - start < SLOWEST
    assert all(score.error and "TimeoutError" in score.error for score in scores)


def test_the_lab_answers_while_a_rule_loops() -> None:
    """Another thread of this process is never held up for long."""
    thread = threading.Thread(target=score_batch, args=(hostile(body("while True: print('x')")), ROWS))
    thread.start()
    waits: list[float] = []
    while thread.is_alive():
        start = time.monotonic()
        thread.join(0.01)
        waits.append(time.monotonic() - start - 0.01)
    assert sorted(waits)[int(0.95 * len(waits))] < 0.15


def test_a_late_one_costs_the_others_nothing() -> None:
    source = body("while completion == 'x = 1': pass", "return 1.0")
    scores = score_batch(hostile(source), ROWS)
    assert [score.error is None for score in scores] == [True, False, True]


def test_an_interpreter_that_is_killed_is_replaced() -> None:
    score_batch(GOOD, ROWS)
    ours()[1].kill()
    assert [score.error for score in score_batch(GOOD, ROWS)] == [None] * 3


def test_a_worker_that_is_killed_takes_its_interpreter_along() -> None:
    score_batch(GOOD, ROWS)
    processes = ours()
    processes[0].kill()
    assert alive(processes) == []
    assert score_batch(GOOD, ROWS) == [Score(0.25)] * 3

"""The killable worker: it scores, it is killed when late, and it never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lab.core.rules import score
from lab.sandbox.ready import READY
from lab.sandbox.ready import worker as ready_worker
from lab.sandbox.worker import Worker, Workers, kill

SLOW = "f'" + "{x}" * 21_000 + "'"
"""Parsing a long f-string takes quadratic time in CPython: the very reason for a worker that can be killed."""


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker()
    yield one
    one.close()


def pid_of(worker: Worker) -> int:
    assert worker._process is not None
    return worker._process.pid


def test_scores(worker: Worker) -> None:
    assert worker.apply("python_parses", "", "x = 1", None) == 1.0
    assert worker.apply("python_parses", "", "x = ", None) == 0.0
    assert worker.apply("python_static_check", "", "import os", None) == 0.0
    assert worker.apply("python_parses", "", "x = '\ud800 解 \n'", None) == 0.0


def test_a_late_call_is_killed_and_the_next_one_works(worker: Worker) -> None:
    worker.longest_call = 0.2
    worker.start()
    first = pid_of(worker)
    with pytest.raises(TimeoutError, match=r"longer than 0\.2 s"):
        worker.apply("python_parses", "", SLOW, None)
    assert not psutil.pid_exists(first)
    worker.longest_call = 10.0
    assert worker.apply("python_parses", "", "x = 1", None) == 1.0


def test_a_killed_worker_is_started_anew(worker: Worker) -> None:
    worker.start()
    psutil.Process(pid_of(worker)).kill()
    time.sleep(0.1)
    assert worker.apply("python_parses", "", "x = 1", None) == 1.0


def test_a_rule_that_refuses_is_a_value_error(worker: Worker) -> None:
    with pytest.raises(ValueError, match=r"^the answer is not known"):
        worker.apply("equals_answer", "", "x = 5", None)
    with pytest.raises(ValueError, match="KeyError"):
        worker.apply("no such rule", "", "x = 5", None)


@pytest.mark.parametrize(
    "text", ["(" * 60_000, "-" * 60_000, "x" + ".a" * 30_000, "lambda:" * 9_000, "not " * 15_000 + "1"]
)
def test_deep_nesting_does_not_crash_the_caller(worker: Worker, text: str) -> None:
    assert worker.apply("python_parses", "", text, None) == 0.0


def test_ready_rules_record_a_late_call_as_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ready_worker().start()
    monkeypatch.setattr(ready_worker(), "longest_call", 0.2)
    result = score(READY["python_parses"], "", SLOW, None)
    assert result.error is not None and "TimeoutError" in result.error
    monkeypatch.setattr(ready_worker(), "longest_call", 10.0)
    assert score(READY["python_parses"], "", "x = 1", None).value == 1.0


@pytest.mark.skipif(sys.platform != "linux", reason="these layers exist on Linux only")
def test_layers_on_linux(worker: Worker) -> None:
    assert {"no_new_privs", "parent_death", "address_space"} <= set(worker.start())
    process = Path("/proc") / str(pid_of(worker))
    assert "NoNewPrivs:\t1" in (process / "status").read_text()
    assert (process / "environ").read_bytes().strip(b"\0") == b""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_it_ends_with_its_parent() -> None:
    program = (
        "import time; from lab.sandbox.worker import Worker\n"
        "w = Worker(); w.start(); print(w._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_what_a_worker_started_is_killed_with_it() -> None:
    command = ["sh", "-c", "sleep 30 & echo $!; wait"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    kill(process)
    process.wait()
    _, alive = psutil.wait_procs([child], timeout=2)
    alive = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    for process in alive:
        process.kill()
    assert not alive


def test_workers_side_by_side() -> None:
    """A call takes one that is free; where all are busy it waits, and a widened door has more of them."""
    workers = Workers(0.3, "inside.py")
    slow = {"rule": "python_static_check", "prompt": "", "completion": SLOW, "answer": None}
    quick = slow | {"completion": "x = 1"}
    try:
        assert workers.ask(quick) == {"value": 1.0}
        assert len(workers.all) == 1
        workers.widen(2)
        workers.widen(1)
        assert len(workers.all) == 2 and workers.start()
        with ThreadPoolExecutor(4) as pool:
            late = pool.submit(workers.ask, slow)
            time.sleep(0.05)
            assert pool.submit(workers.ask, quick).result() == {"value": 1.0}
            assert not late.done(), "the quick one did not wait for the slow one"
            both = [pool.submit(workers.ask, slow), *[pool.submit(workers.ask, quick) for _ in range(8)]]
            assert [one.result() for one in both[1:]] == [{"value": 1.0}] * 8
            for one in (late, both[0]):
                with pytest.raises(TimeoutError):
                    one.result()
    finally:
        workers.close()
    assert all(each._process is None for each in workers.all)


def test_threads_that_share_a_worker_get_their_own_replies(worker: Worker) -> None:
    """Each call waits for the one before it; without that, replies go to whoever reads first."""
    worker.start()

    def scores(code: str) -> set[float]:
        return {worker.apply("python_parses", "", code, None) for _ in range(150)}

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(scores, ["x = 1", "x = ", "y = 2", "def"]))
    assert found == [{1.0}, {0.0}, {1.0}, {0.0}]

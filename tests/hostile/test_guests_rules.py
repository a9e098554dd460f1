"""However many rules of guests loop, a registered user's are scored at once: one worker is kept free of them."""

from __future__ import annotations

import contextvars
import threading
import time

from lab.sandbox import ready
from lab.sandbox.worker import OF_GUEST, Workers

LONG = {"rule": "no rule of this name", "arguments": ["x"]}


class Held(Workers):
    """Workers whose calls end when they are told to."""

    def __init__(self) -> None:
        super().__init__(1.0, "inside.py")
        self.let_go = threading.Event()
        self.at_work = 0
        for each in self.all:
            each.ask = self._wait  # type: ignore[method-assign]

    def widen(self, count: int) -> None:
        super().widen(count)
        for each in self.all:
            each.ask = self._wait  # type: ignore[method-assign]

    def _wait(self, request: object) -> dict[str, object]:
        self.at_work += 1
        assert self.let_go.wait(20)
        return {}


def as_guest(workers: Workers) -> threading.Thread:
    def call() -> None:
        OF_GUEST.set(True)
        workers.ask(LONG)

    thread = threading.Thread(target=contextvars.Context().run, args=(call,), daemon=True)
    thread.start()
    return thread


def until(true: object) -> None:
    deadline = time.monotonic() + 10
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_guests_never_hold_every_worker() -> None:
    workers = Held()
    workers.widen(2)
    guests = [as_guest(workers) for _ in range(9)]
    until(lambda: workers.at_work == 1)
    time.sleep(0.2)
    assert workers.at_work == 1, "eight guests wait"
    member = threading.Thread(target=workers.ask, args=(LONG,), daemon=True)
    member.start()
    until(lambda: workers.at_work == 2)
    workers.let_go.set()
    for thread in (member, *guests):
        thread.join(10)
        assert not thread.is_alive(), "each had its turn"


def test_of_one_worker_guests_may_have_it() -> None:
    workers = Held()
    guest = as_guest(workers)
    until(lambda: workers.at_work == 1)
    workers.let_go.set()
    guest.join(10)
    assert not guest.is_alive()


def test_syntax_and_mathematics_of_guests_run_in_workers_of_their_own() -> None:
    ours = ready.worker(), ready.mathematics_worker()
    token = OF_GUEST.set(True)
    try:
        theirs = ready.worker(), ready.mathematics_worker()
    finally:
        OF_GUEST.reset(token)
    assert not {id(each) for each in ours} & {id(each) for each in theirs}

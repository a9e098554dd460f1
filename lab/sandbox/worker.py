"""A killable process for rules: this is its handle. What runs in it is ``inside.py`` (ready-made rules on what models wrote) or
``inside_written.py`` (rules that people wrote); neither is known here.

It is started on first use, answers one call at a time, and is killed, with what it started, when a call takes too long; the next
call starts another. It is never forked from a process that has torch in it: a fresh interpreter, a pipe of JSON lines, an empty
environment. Its parent-death signal fires when the *thread* that started it ends, so one thread that stays starts them all.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path

from lab.errors import MachineError

LONGEST_CALL = 1.0
"""Seconds that one call may take before the worker is killed."""

LONGEST_START = 30.0
"""Seconds that the start may take; a busy laptop needs some."""


_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-starter")
"""The thread that starts every worker; it ends with the interpreter."""


def start(program: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a program of this room in a process and a session of its own, with pipes and nothing else of the environment."""
    return _STARTER.submit(_spawn, program, environment or {}).result()


def _spawn(program: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    # -I: no user site, no PYTHON* variables, and the script's own folder is not on the path.
    return subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-X",
            "utf8",
            str(Path(__file__).with_name(program)),
            str(os.getpid()),
            *filter(None, sys.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ} | dict(environment),
        encoding="utf-8",
        start_new_session=True,
    )


class Worker:
    """One worker process. Safe to call from several threads; calls wait for one another."""

    def __init__(self, longest_call: float = LONGEST_CALL, program: str = "inside.py") -> None:
        self.longest_call = longest_call
        self.program = program
        self.layers: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self.close)

    def apply(self, rule: str, prompt: str, completion: str, answer: str | None) -> float:
        """The score that the rule of this name gives.

        Raises TimeoutError where it took too long, ChildProcessError where the worker died of it, ValueError where the rule
        itself refused.
        """
        reply = self.ask({"rule": rule, "prompt": prompt, "completion": completion, "answer": answer})
        if "error" in reply:
            kind, _, why = str(reply["error"]).partition(": ")
            raise {"ValueError": ValueError(why), "TimeoutError": TimeoutError(why)}.get(
                kind, ValueError(reply["error"])
            )
        return float(str(reply["value"]))

    def ask(self, request: Mapping[str, object]) -> dict[str, object]:
        """The program's reply to one request. Raises TimeoutError or ChildProcessError as ``apply`` does, MachineError where it
        does not start.

        A process that was there before may have been killed from outside a moment ago. Only the death of a new one is
        this request's doing, so the request is sent once more."""
        line = json.dumps(request) + "\n"
        with self._lock:
            before = self._process
            process = self._running()
            try:
                return self._exchange(process, line, self.longest_call)
            except ChildProcessError:
                if process is not before:
                    raise
                return self._exchange(self._running(), line, self.longest_call)

    def start(self) -> tuple[str, ...]:
        """Start it now, and say which layers of hardening are active."""
        with self._lock:
            self._running()
            return self.layers

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        self._process = start(self.program)
        try:
            hello = self._exchange(self._process, "", LONGEST_START)
        except (TimeoutError, ChildProcessError) as error:  # no request was sent yet, so no rule is to blame
            raise MachineError("sandbox_failed", why=f"its process does not start: {error}") from None
        if "failed" in hello:
            self._end()
            raise MachineError("sandbox_failed", why=hello["failed"])
        layers = hello.get("layers", [])
        self.layers = tuple(map(str, layers)) if isinstance(layers, list) else ()
        return self._process

    def _exchange(self, process: subprocess.Popen[str], request: str, seconds: float) -> dict[str, object]:
        """Write a request and read its reply; a timer that kills the process bounds both."""
        assert process.stdin and process.stdout
        with killed_after(seconds, process) as late:
            with contextlib.suppress(OSError):  # it died: the empty reply below says so
                process.stdin.write(request)
                process.stdin.flush()
            line = process.stdout.readline()
        if line.endswith("\n"):
            reply: dict[str, object] = json.loads(line)
            return reply
        self._end()
        if late.is_set():
            raise TimeoutError(f"took longer than {seconds:g} s")
        raise ChildProcessError("the worker process ended" + (" while it looked at this completion" if request else ""))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process)


@contextlib.contextmanager
def killed_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[threading.Event]:
    """Kill the process where the block takes longer; the event says whether it did."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        kill(process)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process, wait until it is gone, and close its pipes."""
    kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


OF_GUEST: ContextVar[bool] = ContextVar("of_guest", default=False)
"""Whether what is worked on now was sent by a guest. Guests' rules never hold every worker (``Workers``, ``ready.py``)."""


class Workers:
    """Workers of one program behind one door: a call takes one that is free, or waits for the next. One, until it is widened.

    Of several, one stays free of guests: however many of their rules loop, the owner's and the registered users' are scored at once.
    """

    def __init__(self, longest_call: float, program: str) -> None:
        self._make = lambda: Worker(longest_call, program)
        self.all = [self._make()]
        self._free = list(self.all)
        self._changed = threading.Condition()

    def widen(self, count: int) -> None:
        """Have at least so many; each starts with its first call, or with ``start``."""
        with self._changed:
            more = [self._make() for _ in range(count - len(self.all))]
            self.all += more
            self._free += more
            self._changed.notify_all()

    def ask(self, request: Mapping[str, object]) -> dict[str, object]:
        """One worker's reply to one request. Raises what ``Worker.ask`` raises."""
        with self._changed:
            kept = 1 if OF_GUEST.get() and len(self.all) > 1 else 0
            while len(self._free) <= kept:
                self._changed.wait()
            taken = self._free.pop(0)
        try:
            return taken.ask(request)
        finally:
            with self._changed:
                self._free.insert(0, taken)  # it is warm
                self._changed.notify_all()  # the first who waits may be a guest, for whom this one is not enough

    def start(self) -> tuple[str, ...]:
        """Start all of them now, and say which layers of hardening are active."""
        layers = [each.start() for each in self.all]
        return layers[0]

    def close(self) -> None:
        """End their processes."""
        for each in self.all:
            each.close()


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the worker and what it started: the group has its number as long as it has not been waited for."""
    if os.name != "posix":
        process.kill()
    elif process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

"""A killable process that applies ready-made rules to what models wrote; this is its handle, ``inside.py`` is what runs in it.

It is started on first use, answers one call at a time, and is killed and started anew when a call takes too long. It is
never forked from a process that has torch in it: a fresh interpreter, a pipe of JSON lines, an empty environment. Its parent-death
signal fires when the *thread* that started it ends; the next call then starts another.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

LONGEST_CALL = 1.0
"""Seconds that one call may take before the worker is killed."""

LONGEST_START = 30.0
"""Seconds that the start may take; a busy laptop needs some."""


class Worker:
    """One worker process. Safe to call from several threads; calls wait for one another."""

    def __init__(self, longest_call: float = LONGEST_CALL) -> None:
        self.longest_call = longest_call
        self.layers: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self.close)

    def apply(self, rule: str, prompt: str, completion: str, answer: str | None) -> float:
        """The score that the rule of this name gives.

        Raises TimeoutError where it took too long, ChildProcessError where the worker died of it, ValueError where the rule
        itself refused.
        """
        request = json.dumps({"rule": rule, "prompt": prompt, "completion": completion, "answer": answer})
        with self._lock:
            process = self._running()
            reply = self._exchange(process, request + "\n", self.longest_call)
        if "error" in reply:
            raise ValueError(reply["error"])
        return float(str(reply["value"]))

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
        inside = Path(__file__).with_name("inside.py")
        # -I: no user site, no PYTHON* variables, and the script's own folder is not on the path.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(inside), str(os.getpid()), *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ},
            encoding="utf-8",
        )
        hello = self._exchange(self._process, "", LONGEST_START)
        layers = hello.get("layers", [])
        self.layers = tuple(map(str, layers)) if isinstance(layers, list) else ()
        return self._process

    def _exchange(self, process: subprocess.Popen[str], request: str, seconds: float) -> dict[str, object]:
        """Write a request and read its reply; a timer that kills the process bounds both."""
        assert process.stdin and process.stdout
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(OSError):  # it died: the empty reply below says so
                process.stdin.write(request)
                process.stdin.flush()
            line = process.stdout.readline()
        finally:
            timer.cancel()
        if line.endswith("\n"):
            reply: dict[str, object] = json.loads(line)
            return reply
        self._end()
        if late.is_set():
            raise TimeoutError(f"took longer than {seconds:g} s")
        raise ChildProcessError("the worker process ended while it looked at this completion")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

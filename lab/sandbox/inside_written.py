"""What runs inside the worker of written rules: it hardens itself, starts the interpreter, and answers one JSON line for each it reads.

Started by ``worker.py`` as a program, never imported by the lab. People's code is not run here but one process further down, in
pydantic-monty: a Python of its own with no files, no network, no environment and no way to the host, with limits of time, memory and
depth. This process reads what comes back from there, so that the lab's own never does. It is not the place where a score is
judged: see ``lab.core.rules.check``.

Request ``{"do": "score", "source", "rows": [[prompt, completion, answer]…]}`` → ``{"results": […]}``, each ``{"value": number}``,
``{"type": name}`` where it was no number, or ``{"error": "Type: message (line 3)"}``. Request ``{"do": "check", "source"}`` →
``{"problems": [{"key", "line", …}]}``. ``{"failed": why}`` where the interpreter does not start.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_monty import Monty

BATCH_SECONDS = 0.5
"""For all completions of a batch together, and the most that one completion gets alone."""

ALONE_SECONDS = 1.9
"""For all completions of a batch that are run one by one, after it hit a limit or where some failed."""

GRACE = 0.1
"""Seconds after a limit at which the interpreter's process is killed, where it does not stop by itself."""

MEMORY, DEPTH = 64 << 20, 200
LONGEST_MESSAGE = 160
CHECKOUTS = 5000
"""Sessions after which the interpreter's process is replaced."""

POLICY: dict[str, Any] = {
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "timezone": "utc",
    "sleep": "zero",
    "process_time": "zero",
    "random_start": {"seed": 0},
}

# The source runs in a namespace of its own, from which nothing of this driver can be seen: one for each completion, or one for the
# batch where that cannot be told apart (see source_shape.py).
JUDGE = """
def _judge(value):
    if type(value) is float or type(value) is bool:
        return value
    if type(value) is int:
        return value if -(1 << 1000) < value < (1 << 1000) else "an integer too large"
    return type(value).__name__[:60]
"""
TOGETHER = f"""{JUDGE}
def _all():
    results = []
    space = {{}}
    if _once:
        try:
            exec(_source, space)
        except BaseException:
            return [None] * len(_rows)
    for prompt, completion, answer in _rows:
        try:
            if not _once:
                space = {{}}
                exec(_source, space)
            results.append(_judge(space["reward"](prompt, completion, answer)))
        except BaseException:
            results.append(None)
    return results
_all()
"""
ALONE = f"""{JUDGE}
_space = {{}}
exec(_source, _space)
_judge(_space["reward"](_prompt, _completion, _answer))
"""
LOAD = "exec(_source, {})"

Result = dict[str, Any]
Row = Sequence[str | None]


class Late(Exception):
    """A limit of time ended it."""


class Interpreter:
    """The pool of one pydantic-monty process, and what is run in it."""

    def __init__(self) -> None:
        import pydantic_monty

        from lab.sandbox import source_shape

        self.monty, self.shape = pydantic_monty, source_shape
        options: dict[str, Any] = {"min_processes": 1, "max_processes": 1, "max_checkouts_per_worker": CHECKOUTS}
        if sys.platform == "linux" and Path(sys.executable).with_name("monty").is_file():
            os.chdir(Path(__file__).with_name("engine"))
            options["binary_path"] = sys.executable
        self.pool: Monty = pydantic_monty.Monty(
            **options, request_timeout=BATCH_SECONDS + 2 * GRACE, feed_duration_limit_grace=GRACE
        ).__enter__()

    def feed(self, code: str, seconds: float, **inputs: object) -> Any:
        """Run code in a fresh session. Raises Late, or RuntimeError with what went wrong."""
        limits: Any = {"max_feed_duration_secs": seconds, "max_memory": MEMORY, "max_recursion_depth": DEPTH}
        policy: Any = POLICY
        try:
            with self.pool.checkout(limits=limits, os_policy=policy) as session:
                return session.feed_run(code, inputs=inputs, print_callback=_discard)
        except self.monty.MontyCrashedError as error:
            if error.timed_out or "timeout" in str(error) or "limit" in str(error):
                raise Late from None
            raise RuntimeError("the interpreter's process ended: too deep or too large for it") from None
        except self.monty.MontyRuntimeError as error:
            message = error.display("type-msg")[:LONGEST_MESSAGE]
            if message.startswith("TimeoutError: feed time limit exceeded"):
                raise Late from None
            if message.startswith("MemoryError"):
                raise RuntimeError(f"MemoryError: needed more than {MEMORY >> 20} MB") from None
            raise RuntimeError(message + _line(error.traceback())) from None
        except self.monty.MontyError as error:
            raise RuntimeError(f"{type(error).__name__.removeprefix('Monty')}: {error}"[:LONGEST_MESSAGE]) from None

    def score(self, source: str, rows: Sequence[Row]) -> list[Result]:
        """One result a row: all in one session where that is safe, and by themselves those that need it."""
        results: list[Result | None] = [None] * len(rows)
        shared = self.shape.sharing(source)
        if len(rows) > 1 and shared is not self.shape.Sharing.NOTHING:
            once = shared is self.shape.Sharing.SOURCE
            try:
                values = self.feed(TOGETHER, BATCH_SECONDS, _source=source, _once=once, _rows=rows)
                results = [None if result is None else _result(result) for result in values]
            except (Late, RuntimeError):
                pass  # each by itself, below
        alone = self.alone(source, rows, [number for number, result in enumerate(results) if result is None])
        return [alone[number] if result is None else result for number, result in enumerate(results)]

    def alone(self, source: str, rows: Sequence[Row], wanted: Iterable[int]) -> dict[int, Result]:
        """Each of these rows by itself, within ALONE_SECONDS in all. Everyone gets the same share of it, then those that were
        late get equal shares of what is left: what a row gets does not depend on its place."""
        results: dict[int, Result] = {}
        pending, share, end = list(wanted), 0.0, time.monotonic() + ALONE_SECONDS
        while pending and share < BATCH_SECONDS:
            last, share = share, min(BATCH_SECONDS, (end - time.monotonic()) / len(pending))
            if share < max(0.001, 1.5 * last):
                break
            late: list[int] = []
            for number in pending:
                left = end - time.monotonic()
                try:
                    if left < 0.001:
                        raise Late
                    prompt, completion, answer = rows[number]
                    seconds = min(share, left)
                    value = self.feed(
                        ALONE, seconds, _source=source, _prompt=prompt, _completion=completion, _answer=answer
                    )
                    results[number] = _result(value)
                except Late:
                    late.append(number)
                except RuntimeError as error:
                    results[number] = {"error": str(error)}
            pending = late
        late_result: Result = {"error": f"TimeoutError: took too long (a batch has {BATCH_SECONDS:g} s)"}
        return results | dict.fromkeys(pending, late_result)

    def check(self, source: str) -> list[dict[str, Any]]:
        """What is wrong with a source: how it is written, then whether it loads."""
        problems = self.shape.problems(source)
        if not problems:
            try:
                self.feed(LOAD, BATCH_SECONDS, _source=source)
            except Late:
                problems.append({"key": "rule_source_late", "line": 1, "seconds": BATCH_SECONDS})
            except RuntimeError as error:
                message, _, place = str(error).rpartition("line ")
                line = int(place[:-1]) if place[:-1].isdigit() else 1
                why = message.rstrip(" (,").removesuffix("(<string>").rstrip() if place[:-1].isdigit() else str(error)
                problems.append({"key": "rule_source_load", "line": line, "why": why})
        return problems


def _result(value: object) -> Result:
    return {"type": value} if isinstance(value, str) else {"value": value}


def _line(frames: Sequence[Any]) -> str:
    """``" (line 3)"``: the last line of the rule that was running, where there is one."""
    lines = [frame.line for frame in frames if frame.filename == "<string>"]
    return f" (line {lines[-1]})" if lines else ""


def _discard(stream: str, text: str) -> None:
    """What a rule prints goes nowhere."""


def answer(interpreter: Interpreter, line: str) -> dict[str, Any]:
    """The reply to one request."""
    request = json.loads(line)
    if request["do"] == "check":
        return {"problems": interpreter.check(request["source"])}
    return {"results": interpreter.score(request["source"], request["rows"])}


def main(parent: int, search_path: list[str]) -> None:
    """Answer until the input ends. The packages are found where the lab found them, wherever that is."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not stand between two replies
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path += [entry for entry in search_path if entry not in sys.path]
    from lab.sandbox.inside import harden

    layers = harden(parent)
    try:
        interpreter = Interpreter()
    except Exception as error:  # without an interpreter nothing can be scored, and the lab must hear why
        print(json.dumps({"layers": layers, "failed": f"{type(error).__name__}: {error}"}), file=replies, flush=True)
        return
    print(json.dumps({"layers": layers}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(interpreter, line)), file=replies, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

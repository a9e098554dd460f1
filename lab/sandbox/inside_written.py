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

import ast
import json
import os
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
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

SENSITIVE = frozenset({"random", "decimal", "id", "hash", "repr", "exec", "eval"})
"""Names by which code can tell what a session did before. A rule that has one gets a fresh session for each completion."""

POLICY: dict[str, Any] = {
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "timezone": "utc",
    "sleep": "zero",
    "process_time": "zero",
    "random_start": {"seed": 0},
}

# Every completion runs the source in a namespace of its own, from which nothing of this driver can be seen.
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
    for prompt, completion, answer in _rows:
        space = {{}}
        try:
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

        self.monty = pydantic_monty
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
        if len(rows) > 1 and not sensitive(source):
            try:
                found = self.feed(TOGETHER, BATCH_SECONDS, _source=source, _rows=[tuple(row) for row in rows])
                results = [None if one is None else _result(one) for one in found]
            except (Late, RuntimeError):
                pass  # each by itself, below
        alone = self.alone(source, rows, [number for number, one in enumerate(results) if one is None])
        return [alone[number] if one is None else one for number, one in enumerate(results)]

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
        problems = written_wrong(source)
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


def written_wrong(source: str) -> list[dict[str, Any]]:
    """Where the text is no Python, or has not exactly one ``reward`` of three parameters. Parses, and runs nothing."""
    try:
        tree = _parse(source)
    except SyntaxError as error:
        return [{"key": "rule_source_syntax", "line": error.lineno or 1, "why": error.msg[:LONGEST_MESSAGE]}]
    except (ValueError, RecursionError, MemoryError):
        return [{"key": "rule_source_deep", "line": 1}]
    named = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == "reward"
    ]
    plain = [node for node in named if isinstance(node, ast.FunctionDef)]
    if not plain:
        return [{"key": "rule_reward_missing", "line": named[0].lineno if named else 1}]
    problems: list[dict[str, Any]] = [{"key": "rule_reward_twice", "line": node.lineno} for node in named[1:]]
    for node in plain[:1]:
        taken = node.args
        names = [one.arg for one in (*taken.posonlyargs, *taken.args)]
        if len(names) != 3 or taken.vararg or taken.kwarg or taken.kwonlyargs:
            listed = ast.unparse(taken)[:LONGEST_MESSAGE]
            problems.append({"key": "rule_reward_parameters", "line": node.lineno, "found": listed})
    return problems


@lru_cache(maxsize=64)
def sensitive(source: str) -> bool:
    """Whether the source names something by which it could tell one completion of a batch from the next."""
    try:
        nodes = ast.walk(_parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in SENSITIVE:
            return True
        if isinstance(node, ast.Import) and any(one.name in SENSITIVE for one in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module in SENSITIVE:
            return True
    return False


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


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
    asked = json.loads(line)
    if asked["do"] == "check":
        return {"problems": interpreter.check(asked["source"])}
    return {"results": interpreter.score(asked["source"], asked["rows"])}


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

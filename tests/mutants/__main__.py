"""``python -m tests.mutants``: puts each fault of ``faults/*.toml`` into a copy of the tree, one at a time, and says whether the tests notice.

    python -m tests.mutants                  all of them, two at a time
    python -m tests.mutants core losses      those whose list, place or description has one of the words
    python -m tests.mutants --check          only: does every text still stand where the list says?

The tree itself is never changed. Exits with 1 where a fault is not noticed, a text is not found, or a test that
noticed one fails without it, too.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.faults import Fault, read_faults, wrong_entries

ROOT = Path(__file__).parents[2]
LONGEST = 600.0
"""Seconds that the tests of one fault may take; a fault that makes them hang is noticed."""
FAILED = 1
"""pytest's exit code where a test failed; others (nothing collected, a module that does not load) prove nothing."""
QUIET = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "tests.mutants.no_shrinking"]


@dataclass(frozen=True)
class Outcome:
    """What became of one fault: ``verdict`` is ``noticed``, ``NOT NOTICED`` or ``ERROR``; ``detail`` is the test that failed, or why."""

    fault: Fault
    verdict: str
    detail: str
    seconds: float


def copy_tree(target: Path) -> Path:
    """A copy of what git tracks or would track, with the environment linked, whose compiled files are checked by content."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)
    for name in (".venv", "node_modules"):
        if (ROOT / name).exists() and not (target / name).exists():
            (target / name).symlink_to((ROOT / name).resolve())
    compiling = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "lab", "tests"]
    subprocess.run(compiling, cwd=target, check=True)
    return target


class Tree:
    """A copy of the tree, and the process that runs tests in it (``warm.py``)."""

    def __init__(self, path: Path) -> None:
        self.path = copy_tree(path)
        self._warm: subprocess.Popen[str] | None = None

    def run(self, tests: list[str]) -> tuple[int, str]:
        """pytest's exit code, and its last line that names a test."""
        timer = threading.Timer(LONGEST, self.close)
        timer.start()
        try:
            warm = self._warm = self._warm or self._start()
            assert warm.stdin and warm.stdout
            warm.stdin.write(json.dumps([*QUIET, *tests]) + "\n")
            warm.stdin.flush()
            answer = warm.stdout.readline()
        finally:
            timer.cancel()
        if not answer:
            self.close()
            return FAILED, f"no end after {LONGEST:g} s"
        name, code = json.loads(answer)
        lines = Path(name).read_text("utf-8", "replace").splitlines()
        Path(name).unlink()
        named = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        return code, (named or lines or [""])[-1]

    def close(self) -> None:
        """End the process with what it started."""
        warm, self._warm = self._warm, None
        if warm is not None:
            with suppress(ProcessLookupError):
                os.killpg(warm.pid, signal.SIGKILL)
            warm.wait()

    def _start(self) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "LAB_HOME": str(self.path / "lab_home")}
        command = [sys.executable, "-m", "tests.mutants.warm"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "start_new_session": True}
        return subprocess.Popen(command, cwd=self.path, env=environment, **pipes)


def try_fault(fault: Fault, trees: queue.SimpleQueue[Tree]) -> Outcome:
    """Put the fault into a free copy, run its tests, and take it out again."""
    tree, started = trees.get(), time.monotonic()
    path = fault.file(tree.path)
    right = path.read_bytes()
    try:
        path.write_bytes(right.replace(fault.find.encode(), fault.put.encode()))
        code, detail = tree.run(list(fault.tests))
    finally:
        path.write_bytes(right)
        trees.put(tree)
    verdict = {FAILED: "noticed", 0: "NOT NOTICED"}.get(code, "ERROR")
    return Outcome(fault, verdict, detail, time.monotonic() - started)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Do the tests notice these faults?")
    parser.add_argument("words", nargs="*", help="only faults whose list, place or description has one of these")
    parser.add_argument("--check", action="store_true", help="only check that the lists fit the tree")
    parser.add_argument("--jobs", type=int, default=2, help="faults that are tried at the same time (default 2)")
    options = parser.parse_args()
    faults = read_faults(options.words)
    wrong = list(wrong_entries(faults, ROOT))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if wrong or options.check or not faults:
        print(f"{len(faults)} faults, {len(wrong)} that do not fit the tree")
        return int(bool(wrong) or not faults)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Tree(Path(folder, str(number))) for number in range(options.jobs)]
        try:
            return try_all(faults, trees)
        finally:
            for tree in trees:
                tree.close()


def try_all(faults: list[Fault], trees: list[Tree]) -> int:
    """Every fault in one of the copies; the exit code. The tests that failed must pass once the faults are out again."""
    free: queue.SimpleQueue[Tree] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(len(trees)) as pool:
        for future in as_completed([pool.submit(try_fault, fault, free) for fault in faults]):
            outcome = future.result()
            outcomes.append(outcome)
            fault = outcome.fault
            print(
                f"{outcome.verdict:12}{outcome.seconds:5.1f} s  {fault.place}: {fault.what}  [{outcome.detail}]",
                flush=True,
            )
    noticed = [outcome for outcome in outcomes if outcome.verdict == "noticed"]
    print(f"{len(noticed)} of {len(outcomes)} noticed")
    failed = sorted({name for outcome in noticed if (name := failed_test(outcome.detail))})
    code, detail = trees[0].run(failed) if failed else (0, "")
    if code:
        print(f"a test fails without any fault: {detail}")
    return int(bool(code) or len(noticed) < len(outcomes))


def failed_test(detail: str) -> str:
    """The id of the test in pytest's line ``FAILED tests/x.py::test_y[case] - why``; empty where the line names none.

    All its cases: the name of one may hold what ends the id, and pytest cuts long ones.
    """
    kind, _, rest = detail.partition(" ")
    return rest.partition("[")[0].partition(" - ")[0] if kind in ("FAILED", "ERROR") else ""


if __name__ == "__main__":
    sys.exit(main())

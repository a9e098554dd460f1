"""``python -m tests.mutants``: puts each fault of ``faults/*.toml`` into a copy of the tree, one at a time, and says whether the tests notice.

    python -m tests.mutants                  all of them, two at a time
    python -m tests.mutants core losses      those whose list, place or description has one of the words
    python -m tests.mutants --check          only: does every text still stand where the list says?

The tree itself is never changed. Exits with 1 where a fault is not noticed, a text is not found, or a test that
noticed one fails without it, too.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
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


def run_tests(tree: Path, tests: list[str]) -> tuple[int, str]:
    """pytest's exit code and its last line that names a test."""
    command = [sys.executable, "-m", "pytest", *QUIET, *tests]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "LAB_HOME": str(tree / "lab_home")}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return FAILED, f"no end after {LONGEST:g} s"
    lines = (done.stdout + done.stderr).splitlines()
    named = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, (named or lines or [""])[-1]


def try_fault(fault: Fault, trees: queue.SimpleQueue[Path]) -> Outcome:
    """Put the fault into a free copy, run its tests, and take it out again."""
    tree, started = trees.get(), time.monotonic()
    path = fault.file(tree)
    right = path.read_bytes()
    try:
        path.write_bytes(right.replace(fault.find.encode(), fault.put.encode()))
        code, detail = run_tests(tree, list(fault.tests))
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
        return try_all(faults, [copy_tree(Path(folder, str(number))) for number in range(options.jobs)])


def try_all(faults: list[Fault], trees: list[Path]) -> int:
    """Every fault in one of the copies; the exit code. The tests that failed must pass once the faults are out again."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
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
    code, detail = run_tests(trees[0], failed) if failed else (0, "")
    if code:
        print(f"a test fails without any fault: {detail}")
    return int(bool(code) or len(noticed) < len(outcomes))


def failed_test(detail: str) -> str:
    """The id of the test in pytest's line ``FAILED tests/x.py::test_y - why``; empty where the line names none."""
    kind, _, rest = detail.partition(" ")
    return rest.partition(" - ")[0] if kind in ("FAILED", "ERROR") else ""


if __name__ == "__main__":
    sys.exit(main())

"""A process that has the large packages loaded, and forks to run pytest: ``python -m tests.mutants.warm`` in a copy of the tree.

Loading torch, transformers and trl takes longer than most tests. Nothing of the lab or of its tests is loaded before the fork, so a child
always reads the files as they are then. Each line of the input is a JSON list of pytest's arguments; each line of the output the name of
the file that took what pytest printed, and its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from contextlib import suppress

LARGE = (
    "pytest",
    "hypothesis",
    "numpy",
    "sqlalchemy",
    "pydantic",
    "fastapi",
    "playwright.sync_api",
    "torch",
    "datasets",
    "trl",
    "peft",
)


def main() -> None:
    """Answer until the input ends."""
    for name in LARGE:
        with suppress(ImportError):
            importlib.import_module(name)
    importlib.import_module("trl.trainer.grpo_trainer")
    for line in sys.stdin:
        file, path = tempfile.mkstemp(prefix="mutants-", suffix=".log")
        child = os.fork()
        if not child:
            run(json.loads(line), file)
        os.close(file)
        _, status = os.waitpid(child, 0)
        print(json.dumps([path, os.waitstatus_to_exitcode(status)]), flush=True)


def run(arguments: list[str], file: int) -> None:
    """pytest in this process, which ends with it."""
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "lab")]:
        del sys.modules[name]
    import pytest

    code = 70
    with suppress(BaseException):
        code = int(pytest.main(arguments))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

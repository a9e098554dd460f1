"""Holes in glibc's heap: large blocks stay apart while a model loads, and what a person has chosen stays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.training.cpu import heap

HOLES = """
import contextlib, sys
import psutil, torch
from lab.training.cpu.heap import large_blocks_apart

torch.ones(1 << 20)  # the first large block that is freed moves glibc's limit above those that follow
process = psutil.Process()
before = process.memory_info().rss

def held():
    return (process.memory_info().rss - before) >> 20

with large_blocks_apart() if sys.argv[1] == "apart" else contextlib.nullcontext():
    pairs = [(torch.ones(1 << 19), torch.ones(1 << 10)) for _ in range(100)]
    small = [each for _, each in pairs]
    del pairs  # 200 MB, between small blocks that live on
    print(held())
print(held())
"""


def megabytes(how: str, **environment: str) -> list[int]:
    """What is held of 200 MB that are free, in the block and behind it."""
    given = {name: value for name, value in os.environ.items() if name not in heap.CHOSEN}
    done = subprocess.run(
        [sys.executable, "-c", HOLES, how], env=given | environment, capture_output=True, text=True, check=True
    )
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(heap._glibc() is None, reason="this C library is not glibc")
def test_freed_large_blocks_go_back_at_once_where_they_would_stay_as_holes() -> None:
    assert min(megabytes("plain")) > 150
    assert max(megabytes("apart")) < 20
    chosen = megabytes("apart", MALLOC_TRIM_THRESHOLD_="2000000000", MALLOC_MMAP_THRESHOLD_="33000000")
    assert min(chosen) > 150, "a person chose so"


def test_nothing_is_changed_where_there_is_no_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    with heap.large_blocks_apart():
        pass

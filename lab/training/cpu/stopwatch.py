"""The least seconds that each of several works takes, done in turn: other work on the machine disturbs all alike, and the best of many none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

Name = TypeVar("Name")


def best_in_turn(
    works: Mapping[Name, Callable[[], Any]], seconds: float, wait: Callable[[], object] = lambda: None
) -> dict[Name, float]:
    """The best time of each, of as many rounds as ``seconds`` hold, two at least. ``wait`` waits for a device that works behind our back."""
    best = dict.fromkeys(works, math.inf)
    with torch.no_grad():
        for work in works.values():  # the first one chooses its kernel and gets its memory
            work()
        wait()
        begun, rounds = time.perf_counter(), 0
        while rounds < 2 or time.perf_counter() - begun < seconds:
            for name, work in works.items():
                start = time.perf_counter()
                work()
                wait()
                best[name] = min(best[name], time.perf_counter() - start)
            rounds += 1
    return best

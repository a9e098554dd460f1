"""How fast the lab is there, and how much it holds: process start → ``/healthz``, memory, processor time."""

from __future__ import annotations

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, median

STARTS = 3


def measure() -> list[Figure]:
    """Three starts, each with a home of its own; the last one is visited."""
    seconds, processor = [], []
    for _ in range(STARTS - 1):
        with lab.home() as home, lab.running(home) as started:
            seconds.append(started.seconds_to_start)
            processor.append(started.cpu_seconds())
    with lab.home() as home, lab.running(home) as started:
        seconds.append(started.seconds_to_start)
        processor.append(started.cpu_seconds())
        with chromium() as browser:
            visit = Visit(browser, started)
            visit.seconds_until_usable()
            visit.page.wait_for_timeout(2000)
            visit.close()
        peak = started.peak_memory()
    return [
        Figure("process start → /healthz, median of 3", median(seconds), "s", 6),
        Figure("processor time of a start, median of 3", median(processor), "s"),
        Figure("page process, most memory until after a first visit", peak, "MB", 300),
    ]

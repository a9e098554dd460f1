"""How fast the lab is there, and how much it holds: process start → ``/healthz``, memory, processor time."""

from __future__ import annotations

import http.client
import time

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, median

STARTS = 3
REQUESTS = 200


def _kept_connection(url: str) -> float:
    """Seconds of a request to ``/healthz`` on a connection that stays open."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    taken = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        taken.append(time.perf_counter() - started)
    connection.close()
    return median(taken)


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
        kept = _kept_connection(started.url)
        peak = started.peak_memory()
    return [
        Figure("process start → /healthz, median of 3", median(seconds), "s", 6),
        Figure("processor time of a start, median of 3", median(processor), "s"),
        Figure("/healthz on a kept connection, p50", kept * 1e3, "ms", 5),
        Figure("page process, most memory until after a first visit", peak, "MB", 300),
    ]

"""The first load of the page, each time by a visitor with an empty cache."""

from __future__ import annotations

from tests.bench import lab
from tests.bench.browser import Visit, chromium
from tests.bench.figures import Figure, median

VISITS = 5
SETTLE = 2000  # milliseconds after which nothing more belongs to the first load


def measure() -> list[Figure]:
    """What came, when Start could be used, and whom the page asked."""
    seconds, painted, kilobytes, elsewhere = [], [], [], 0
    with lab.home() as home, lab.running(home) as started, chromium() as browser:
        for _ in range(VISITS):
            visit = Visit(browser, started)
            seconds.append(visit.seconds_until_usable())
            visit.page.wait_for_timeout(SETTLE)
            painted.append(visit.seconds_until_painted())
            kilobytes.append(visit.kilobytes())
            elsewhere += len(visit.elsewhere())
            visit.close()
    return [
        Figure("first load, transferred, most of 5", max(kilobytes), "kB", 750),
        Figure("address entered → first paint, median of 5", median(painted), "s"),
        Figure("address entered → Start usable, first visitor", seconds[0], "s"),
        Figure("address entered → Start usable, median of 5", median(seconds), "s", 1.5),
        Figure("requests to another host", elsewhere, "", 0),
    ]

"""A real Chromium, and a page in it that counts what it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlparse

from playwright.sync_api import Browser, BrowserContext, Request, sync_playwright

from tests import chromium as finder
from tests.bench.lab import RunningLab

SLOW = 120_000  # milliseconds that anything may take before the bench gives up
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)

# Usable: Start can be pressed, and the server has answered what the form stands for, so that pressing it does something.
WHEN_USABLE = """
const look = () => {
  const start = document.querySelector("#start");
  const ready = start && !start.disabled && start.getClientRects().length && document.querySelector("#plan p");
  if (ready) window.usableAfter = performance.now();
  else requestAnimationFrame(look);
};
look();
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, closed afterwards. Raises RuntimeError with what to install where there is none."""
    path = finder.find()
    if path is None:
        raise RuntimeError(finder.WHAT_TO_INSTALL)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()


class Visit:
    """A fresh visitor with an empty cache, who opens an address of the lab."""

    def __init__(self, browser: Browser, lab: RunningLab, path: str = "/") -> None:
        self.context: BrowserContext = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        self.page = self.context.new_page()
        self.page.set_default_timeout(SLOW)
        self.asked: list[str] = []
        self._bytes: dict[str, float] = {}
        self._host = urlparse(lab.url).netloc
        self.page.on("request", self._request)
        self._count_bytes()
        if path == "/":  # elsewhere Start may never be seen, and a look a frame forces a layout into what is timed
            self.page.add_init_script(f"(() => {{ {WHEN_USABLE} }})()")
        self.page.goto(lab.url + path)

    def close(self) -> None:
        """Leave."""
        self.context.close()

    def seconds_until_usable(self) -> float:
        """From the start of the navigation until Start can be used."""
        self.page.wait_for_function("window.usableAfter !== undefined")
        return float(self.page.evaluate("window.usableAfter")) / 1000

    def seconds_until_painted(self) -> float:
        """From the start of the navigation until the first content was painted."""
        find = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        return float(self.page.evaluate(find)) / 1000

    def elsewhere(self) -> list[str]:
        """What was asked of other hosts."""
        return [url for url in self.asked if url.startswith("http") and urlparse(url).netloc != self._host]

    def kilobytes(self) -> float:
        """What came over the wire so far, headers and compression included; streams count as far as they have come."""
        return sum(self._bytes.values()) / 1000

    def requests_while_idle(self, seconds: float) -> int:
        """How many requests the page makes while nobody touches it."""
        before = len(self.asked)
        self.page.wait_for_timeout(seconds * 1000)
        return len(self.asked) - before

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)

    def _count_bytes(self) -> None:
        def add(key: str, count: float) -> None:
            self._bytes[key] = self._bytes.get(key, 0.0) + count

        def finished(event: dict[str, Any]) -> None:  # the total of that request, all before included
            key = event["requestId"]
            self._bytes[key] = max(self._bytes.get(key, 0.0), event["encodedDataLength"])

        network = self.context.new_cdp_session(self.page)
        network.on("Network.responseReceived", lambda e: add(e["requestId"], e["response"]["encodedDataLength"]))
        network.on("Network.dataReceived", lambda e: add(e["requestId"], e["encodedDataLength"]))
        network.on("Network.loadingFinished", finished)
        network.send("Network.enable")

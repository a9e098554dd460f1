"""The real lab and a real browser: ``python app.py`` on a free port with a home of its own, and a page that is watched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright

from lab.annotation.collections import Annotation
from lab.store.runs import Store

ROOT = Path(__file__).resolve().parents[2]
SETTLED = """() => Promise.all(document.getAnimations().filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime))
    .map((one) => one.finished.catch(() => null))).then(() => null)"""
SLOW = 120_000  # milliseconds that anything may take on a slow machine
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


@dataclass
class RunningLab:
    """A lab that answers."""

    url: str
    home: Path
    log: Path


@dataclass
class Watched:
    """A page, and what nobody would see by looking at it."""

    page: Page
    host: str
    cut: bool = False
    """Whether the test cuts the network: requests that failed by that are no complaint."""
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self.console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {str(error)[:300]}"))
        self.page.on("request", self.request)
        self.page.on("dialog", self.dialog)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not (self.cut and "net::ERR_" in message.text):
            self.complaints.append(f"console: {message.text[:300]} ({message.location.get('url')})")

    def request(self, request: Request) -> None:
        if request.url.startswith("http") and urlparse(request.url).netloc != self.host:
            self.complaints.append(f"asked another host: {request.url[:200]}")

    def dialog(self, dialog: Dialog) -> None:
        """A page may ask before it is left; any other dialog would be a response's own."""
        if dialog.type != "beforeunload":
            self.complaints.append(f"dialog: {dialog.message[:300]}")
        dialog.accept()


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=SLOW)


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """The real app in a process of its own, for the tests of one file; with the file's ENVIRONMENT where it has one.

    No worker waits where a file does not ask for it: most files train nothing.
    """
    with running_lab(tmp_path_factory.mktemp("lab"), **getattr(request.module, "ENVIRONMENT", {})) as started:
        yield started


@contextmanager
def running_lab(folder: Path, **more: str) -> Iterator[RunningLab]:
    """The app with its home in a folder, and more in its environment; ended afterwards."""
    home = folder / "home"
    port, log = _free_port(), folder / "app.txt"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LAB_")}
    environment |= {"LAB_ALLOW_UNSAFE_DISK": "1", "LAB_SPARE_WORKER": "0", **more}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), "--home", str(home)],
            cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(url, process, log)
        yield RunningLab(url, home, log)
    finally:
        _end_runs(home)
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One for each file: Playwright allows only one at a time, and other folders' tests open theirs."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, lab: RunningLab) -> Iterator[Callable[..., Page]]:
    """Opens a page of the lab in a browser of its own (or in another tab ``beside`` a page), and waits until ``ready`` (a selector) is there.

    Afterwards no page may have complained, popped up a dialog or asked another host; ``cut`` says that the test cuts the network.
    """
    watched: list[Watched] = []

    def open_page(
        path: str = "/",
        *,
        ready: str = "#plan p",
        cut: bool = False,
        beside: Page | None = None,
        width: int = 1440,
        height: int = 900,
        **context: Any,
    ) -> Page:
        size = {"width": width, "height": height}
        of = beside.context if beside else browser.new_context(viewport=size, **{"locale": "en-US", **context})
        page = of.new_page()
        page.set_default_timeout(SLOW)
        watched.append(Watched(page, urlparse(lab.url).netloc, cut))
        watched[-1].watch()
        page.goto(lab.url + path)
        page.locator(ready).first.wait_for(state="attached")
        return page

    yield open_page
    for one in watched:
        one.page.context.close()
    assert [complaint for one in watched for complaint in one.complaints] == []


@pytest.fixture
def store(lab: RunningLab) -> Iterator[Store]:
    """The running lab's data, from beside it."""
    opened = Store(lab.home, allow_unsafe_disk=True)
    yield opened
    opened.close()


@pytest.fixture
def annotation(store: Store) -> Annotation:
    """What people judge in the running lab, from beside it."""
    return Annotation(store)


def serious_findings(page: Page, *inside: str) -> list[str]:
    """What axe calls serious or critical inside these places, once nothing is waited for or fades any more: the rule, and where."""
    from axe_playwright_python.sync_playwright import Axe

    for place in inside:
        expect(page.locator(f"{place} .pending")).to_have_count(0, timeout=SLOW)
    page.evaluate(SETTLED)
    found = Axe().run(page, context={"include": [[place] for place in inside]})
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the app ended by itself:\n{log.read_text()[-3000:]}")
        with suppress(OSError), urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    pytest.fail(f"the app did not answer within 120 s:\n{log.read_text()[-3000:]}")


def _end_runs(home: Path) -> None:
    """Workers outlive the app by design; those of a test do not outlive the test."""
    from lab.runs.run_work import stop
    from lab.store.runs import RunState

    store = Store(home, allow_unsafe_disk=True)
    deadline = time.monotonic() + 60
    while (active := store.in_state(RunState.QUEUED, RunState.RUNNING)) and time.monotonic() < deadline:
        for run in active:
            with suppress(Exception):
                stop(store, run.id, now=True)
        time.sleep(0.5)
    store.close()


def wait_until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for what no element of the page tells, such as what the store holds by now."""
    for _ in range(SLOW // 250):
        if holds():
            return
        page.wait_for_timeout(250)
    assert holds()

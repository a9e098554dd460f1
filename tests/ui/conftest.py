"""The page that only judges, served by the real application in this process, and a browser before it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

import gradio as gr
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.runs.supervisor import Supervisor
from lab.server.application import build
from lab.settings import Settings
from lab.store.runs import Store
from lab.ui.judge_page import JudgePage

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@dataclass
class JudgingLab:
    """A lab with the judging page, and what its database holds."""

    url: str
    annotation: Annotation

    def collection(self, rows: list[dict[str, Any]], **settings: Any) -> str:
        """The id of a new collection of these rows, which are shown in this order."""
        wanted = CollectionSettings(gold_rate=0, **settings)
        name = f"rows {time.monotonic_ns()}"
        return self.annotation.import_rows(rows, name=name, settings=wanted).collection.id


@pytest.fixture(scope="module")
def judging_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JudgingLab]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(home=tmp_path_factory.mktemp("home"), port=port)
    store = Store(settings.home, allow_unsafe_disk=True)
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Markdown("the rest of the lab")
    application = build(settings, store, Supervisor(store), blocks, JudgePage())
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.02)
    yield JudgingLab(f"http://127.0.0.1:{port}", Annotation(store))
    server.should_exit = True
    thread.join(10)
    store.close()


@pytest.fixture(scope="module")
def judging_browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def judge(judging_lab: JudgingLab, judging_browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a collection of these rows on the judging page; nothing may fail there (but requests, where the test ``cut``s them), pop up or ask another host."""
    contexts = []
    complaints: list[str] = []

    def open_page(
        rows: list[dict[str, Any]],
        *,
        settings: dict[str, Any] | None = None,
        width: int = 1440,
        cut: bool = False,
        **context: Any,
    ) -> Page:
        made = judging_browser.new_context(viewport={"width": width, "height": 900}, **{"locale": "en-US", **context})
        contexts.append(made)
        page = made.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("console", lambda line: line.type == "error" and not cut and complaints.append(line.text))
        ours = urlparse(judging_lab.url).netloc
        page.on("request", lambda asked: urlparse(asked.url).netloc not in (ours, "") and complaints.append(asked.url))
        page.goto(f"{judging_lab.url}/judge/{judging_lab.collection(rows, **(settings or {}))}")
        page.get_by_test_id("choose-a").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []

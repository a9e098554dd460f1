"""A lab to make requests to: the real store, supervisor, gate and Gradio, around a small page."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from lab.ui.gradio_shims import import_gradio

import_gradio()  # as app.py does, before anything else imports it

import gradio as gr  # noqa: E402

from lab.core.access import Access, User, requires  # noqa: E402
from lab.core.recipes import parse  # noqa: E402
from lab.runs.supervisor import Supervisor  # noqa: E402
from lab.server.application import build  # noqa: E402
from lab.server.session import COOKIE  # noqa: E402
from lab.settings import Settings  # noqa: E402
from lab.store.run_folder import RunFolder  # noqa: E402
from lab.store.runs import Run, RunState, Store  # noqa: E402

if TYPE_CHECKING:
    from fastapi import FastAPI

PASSWORD = "correct horse"
USERS_PASSWORD = "battery staple"
HERE = "http://127.0.0.1:7860"
AWAY = "http://lab.example:7860"


@requires(Access.VIEWER)
def say(text: str) -> str:
    return f"viewer said {text}"


@requires(Access.ANNOTATOR)
def judge(text: str) -> str:
    return f"annotator said {text}"


@requires(Access.OWNER)
def train(text: str, request: gr.Request) -> str:
    return f"{request.username} said {text}"


@requires(Access.OWNER)
def count(text: str) -> Iterator[str]:
    yield f"one {text}"
    yield f"two {text}"


@requires(Access.VIEWER)
def ask(arguments: list[object]) -> dict[str, object]:
    return {"asked": arguments}


@requires(Access.OWNER)
def command(arguments: list[object]) -> dict[str, object]:
    return {"done": arguments}


def small_page() -> gr.Blocks:
    """A page with a function of each level, a generator and two server functions."""
    with gr.Blocks(title="Small lab") as blocks:
        text, answer = gr.Textbox("hello"), gr.Textbox()
        for function in (say, judge, train, count):
            gr.Button(function.__name__).click(function, text, answer, api_name=function.__name__)
        gr.HTML("<b>curves</b>", server_functions=[ask, command], elem_id="curves")
    return blocks


@dataclass
class Lab:
    """One lab under test."""

    settings: Settings
    store: Store
    application: FastAPI
    blocks: gr.Blocks

    def client(
        self, access: Access | None = None, base: str | None = None, address: str = "testclient", **headers: str
    ) -> TestClient:
        """A browser; signed in with ``access`` where that is given. ``address`` is the one that limits count."""
        base = base or (HERE if self.settings.loopback else AWAY)
        client = TestClient(
            self.application, base_url=base, headers=headers, follow_redirects=False, client=(address, 50000)
        )
        if access is not None:
            client.cookies.set(COOKIE, self.cookie(access))
        return client

    def cookie(self, access: Access) -> str:
        """The cookie of somebody with this access: the owner, else a user of the password file, made when first wanted."""
        from starlette.responses import Response

        sessions, response = self.application.state.sessions, Response()
        user = sessions.owner() if access is Access.OWNER else self.registered(access)
        sessions.sign_in(response, user)
        return response.headers["set-cookie"].split("=", 1)[1].split(";")[0]

    def registered(self, access: Access, name: str | None = None) -> User:
        users = self.application.state.sessions.users
        name = name or access.word
        found = users.named(name) or users.add(name, access, USERS_PASSWORD)
        session = secrets.token_urlsafe(9)  # each its own, as the server's: signing out ends it for good
        return User(found.name, found.access, session, found.id)


Make = Callable[..., Lab]


def _maker(folder: Path) -> Iterator[Make]:
    stores: list[Store] = []

    def make(blocks: gr.Blocks | None = None, whole: bool = False, **changes: object) -> Lab:
        settings = replace(Settings(home=folder / "home", hosts=frozenset({"lab.example"})), **changes)  # type: ignore[arg-type]
        store = Store(settings.home, allow_unsafe_disk=True)
        stores.append(store)
        supervisor = Supervisor(store)  # not started: what is submitted stays in the queue
        if whole:
            from lab.ui.page import build as build_page

            blocks = build_page(settings, store, supervisor)
        from lab.ui.judge_page import JudgePage
        from lab.ui.wall_page import WallPage

        blocks = blocks or small_page()
        return Lab(settings, store, build(settings, store, supervisor, blocks, JudgePage(), WallPage()), blocks)

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def make_lab(tmp_path: Path) -> Iterator[Make]:
    """Makes labs of the test's own; a home that two of them share is the same one."""
    yield from _maker(tmp_path)


@pytest.fixture(scope="module")
def make_module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    yield from _maker(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def lab(make_module_lab: Make) -> Lab:
    """Started plainly: on this machine only, no sign-in. Shared by a module's tests; each makes runs of its own."""
    return make_module_lab()


@pytest.fixture(scope="module")
def shared_lab(make_module_lab: Make) -> Lab:
    """On an address that others reach, with a password."""
    return make_module_lab(host="0.0.0.0", password=PASSWORD)


def a_run(store: Store, state: RunState = RunState.RUNNING, lines: int = 3) -> tuple[Run, RunFolder]:
    """A run with ``lines`` metric lines, a group for each and a log, as a worker leaves them."""
    run = store.create_run(parse({"algorithm": "grpo", "name": "climb", "steps": 9}))
    folder = store.folder(run.id)
    for step in range(1, lines + 1):
        add_step(folder, step)
    folder.write("heartbeat", {"pid": 1, "time": 1.0, "stage": "training", "step": lines, "steps": 9})
    store.change(run.id, state=state, started=run.created, ended=None if state is RunState.RUNNING else run.created + 9)
    return store.run(run.id), folder


def add_step(folder: RunFolder, step: int) -> None:
    """What a worker writes at a step."""
    completion = {"text": "x = 5", "tokens": 5, "truncated": False, "scores": {"integer": 1.0}, "reward": 1.0}
    group = {"version": 1, "step": step, "group": 0, "prompt": f"p{step % 2}", "answer": "5", "mean": 1.0, "std": 0.0}
    folder.append("groups", {**group, "completions": [{**completion, "advantage": 0.0, "kept": True}]})
    folder.append("metrics", {"step": step, "time": 100.0 + step, "loss": 1 / step})
    with folder.log_path.open("a", encoding="utf-8") as log:
        log.write(f"step {step}\n")

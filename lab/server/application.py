"""The web application: FastAPI around the Blocks that ``app.py`` passes in.

A request passes these layers, outermost first: headers, forwarded (proxies), gate (who, from where, which route), limits, compression; then the lab's
own routes, then Gradio at ``/``. It knows nothing of what the Blocks show.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware import Middleware
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DatabaseError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from lab import __version__
from lab.annotation.collections import Annotation
from lab.annotation.pairs import usual_settings
from lab.classroom.classroom import Classroom
from lab.classroom.turns import ClassTurns
from lab.core.access import Access, requires
from lab.errors import AccessError, InputError, LabError, MachineError, StateError
from lab.runs.chats import Chats
from lab.runs.hub_backup import HubBackup
from lab.runs.lessons import Lessons
from lab.runs.supervisor import Supervisor
from lab.server.access import Door, Gate, user_id
from lab.server.annotate import add_annotate
from lab.server.answers import refused
from lab.server.assets import add_assets
from lab.server.backup import add_backup
from lab.server.changes import ChangeStreams, add_changes
from lab.server.chat_streams import ChatStreams
from lab.server.classroom import Guests, add_class
from lab.server.compare import add_compare
from lab.server.compression import Compression
from lab.server.events import Watches
from lab.server.first_script import FirstScript
from lab.server.forwarded import Forwarded, route_path
from lab.server.gradio_access import SERVER_FUNCTIONS, declared_doors, guard_functions, guarded_server_functions
from lab.server.gradio_results import GradioResults
from lab.server.headers import Headers
from lab.server.hub_sign_in import add_hub_sign_in
from lab.server.jobs import add_jobs, add_preflight
from lab.server.judge import JudgePage, add_judge, landing
from lab.server.language import Language
from lab.server.learn import add_learn
from lab.server.limits import UPLOAD_BYTES, Limits, writes
from lab.server.play import add_play
from lab.server.rules import add_rules
from lab.server.runs import add_recordings, add_runs, add_warnings
from lab.server.session import Sessions
from lab.server.sign_in import add_me, add_sign_in, anybody
from lab.server.upload_cache import UploadCache
from lab.server.wall import ByView, WallPage, add_wall
from lab.settings import Settings
from lab.store.runs import Store

log = logging.getLogger(__name__)

PAGE_OPTIONS = ("theme", "css", "css_paths", "js", "head", "head_paths", "i18n", "favicon_path")
PRIVATE = (
    *("lab.db", "lab.db-wal", "lab.db-shm", "secret_key", "users.toml", "users.lock", "ended_sessions", "outside.json"),
    *("runs", "jobs", "models", "exports"),
)
STATUS = {AccessError: 403, InputError: 422, StateError: 409, MachineError: 503}
EVENTS_AT_ONCE = 8
"""Calls of one function at a time. Gradio's default is one: thirty people would wait for each other."""
QUEUE_NAP = 0.01
"""Seconds for which Gradio's empty queue sleeps. Gradio's own 0.001 costs 6 % of a core all the time."""


def build(
    settings: Settings,
    store: Store,
    supervisor: Supervisor,
    blocks: gr.Blocks,
    judge_page: JudgePage | None = None,
    wall_page: WallPage | None = None,
    backup: HubBackup | None = None,
) -> FastAPI:
    """The application, ready to serve; StartError names any route or function without a declared access.

    What Gradio 6 takes when it mounts rather than on ``gr.Blocks`` (theme, css, js, head, i18n …) is read from a
    dictionary ``blocks.page_options`` where the Blocks have one, and from ``blocks.first_script`` what runs before
    Gradio. ``judge_page`` draws the page that only judges; without it there is none; ``wall_page`` the projector's of a class.
    """
    sessions = Sessions(settings)
    doors: list[Door] = []
    watches, streams = Watches(store), ChangeStreams(supervisor.changes)
    annotation = Annotation(store, usual_settings(class_comes=settings.guests))
    room = _classroom(settings, store, supervisor, annotation, sessions) if settings.guests else None
    chats = Chats(store, supervisor.jobs)
    chat_streams = ChatStreams(chats)
    lessons = Lessons(store.home)
    application = _layers(settings, sessions, doors, (watches, streams, chat_streams), blocks, room, lessons)
    application.state.sessions = sessions
    application.state.room = room
    _add_health(application)
    add_me(application, settings)
    add_assets(application)
    application.state.watches = watches
    add_runs(application, store, watches)
    add_compare(application, store)
    add_recordings(application, store)
    application.state.streams = streams
    add_changes(application, streams)
    add_jobs(application, supervisor.jobs)
    add_annotate(application, annotation)
    if judge_page is not None:
        add_judge(application, settings, annotation, judge_page)
    add_preflight(application, store, annotation)
    add_play(application, store, chats, annotation, chat_streams)
    add_warnings(application, store, annotation)
    add_rules(application, store)
    add_learn(application, lessons)
    add_backup(application, backup)
    if settings.hub is not None:
        add_hub_sign_in(application, sessions)  # before the one-time link, which would take its address for a token
    if room is not None:
        add_class(application, settings, room)
        if wall_page is not None:
            add_wall(application, settings, wall_page)
    if settings.sign_in:
        place_of = functools.partial(landing, annotation if judge_page is not None else None)
        add_sign_in(application, sessions, place_of, room.let_in if room is not None else anybody)
    _mount(application, settings, blocks)
    doors.extend(declared_doors(application))
    return application


def _layers(
    settings: Settings,
    sessions: Sessions,
    doors: list[Door],
    ended: tuple[Watches, ChangeStreams, ChatStreams],
    blocks: gr.Blocks,
    room: Classroom | None,
    lessons: Lessons,
) -> FastAPI:
    """The application without routes: what a request passes, and how errors are answered. ``ended`` are the streams that end with it, ``lessons`` the
    model of the lessons."""
    sweeper = UploadCache(settings.home / "cache" / "gradio")

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(sweeper.sweep_for_ever(), name="upload cache")
        yield
        task.cancel()
        for streams in ended:
            await streams.close()
        lessons.close()

    return FastAPI(
        title="Alignment Lab",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(Headers, settings=settings),
            Middleware(Forwarded, settings=settings),
            Middleware(Language, settings=settings),
            Middleware(ByView),
            Middleware(Gate, settings=settings, sessions=sessions, doors=doors),
            *([Middleware(Guests, room=room)] if room is not None else []),
            Middleware(Limits, writes=writes(), home=settings.home),
            Middleware(Compression),
            Middleware(FirstScript, script=getattr(blocks, "first_script", "")),
            Middleware(GradioResults, functions=blocks.fns),
        ],
        exception_handlers={
            LabError: _lab_error,
            DatabaseError: _database_error,
            HTTPException: _http_error,
            RequestValidationError: _value_error,
        },
    )


def _classroom(
    settings: Settings, store: Store, supervisor: Supervisor, annotation: Annotation, sessions: Sessions
) -> Classroom:
    turns = ClassTurns(store)
    supervisor.take_turns(turns)
    room = Classroom(store, supervisor, turns, annotation, does_things=settings.classroom)
    sessions.guests_since = lambda: room.now.since
    sessions.asks_code = lambda: room.now.ask_code
    return room


def _add_health(application: FastAPI) -> None:
    started = time.monotonic()

    @application.get("/healthz")
    @requires(Access.NOBODY)
    async def healthz() -> dict[str, object]:
        """Whether the lab answers: ``{"status": "ok", "version", "uptime_seconds"}``."""
        return {"status": "ok", "version": __version__, "uptime_seconds": round(time.monotonic() - started, 1)}


def _mount(application: FastAPI, settings: Settings, blocks: gr.Blocks) -> None:
    guard_functions(blocks)
    blocks.queue(api_open=False, default_concurrency_limit=EVENTS_AT_ONCE, max_size=500)
    blocks._queue.sleep_when_free = QUEUE_NAP
    options: dict[str, Any] = dict(getattr(blocks, "page_options", {}))
    unknown = set(options) - set(PAGE_OPTIONS)
    if unknown:
        raise TypeError(f"page_options knows {', '.join(PAGE_OPTIONS)}; not {', '.join(sorted(unknown))}")

    def gradio_app() -> Any:
        return next(route.app for route in application.routes if isinstance(route, Mount))

    for path in (SERVER_FUNCTIONS, SERVER_FUNCTIONS + "/"):
        application.add_api_route(path, guarded_server_functions(gradio_app), methods=["POST"])
    gr.mount_gradio_app(
        application,
        blocks,
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        auth_dependency=user_id,
        blocked_paths=[str(settings.home.resolve() / name) for name in PRIVATE],
        max_file_size=UPLOAD_BYTES,
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        **options,
    )
    if blocks.analytics_enabled:
        raise TypeError("set GRADIO_ANALYTICS_ENABLED=False before gradio is imported")


async def _lab_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LabError)
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    status = 404 if error.key.startswith("no_such") else status
    if "text/html" in request.headers.get("accept", ""):
        return refused(request.scope, status, error.key, **error.params)
    return JSONResponse({"error": error.as_dict()}, status_code=status)


async def _database_error(request: Request, error: Exception) -> Response:
    """The database is locked by another program for longer than the lab waits, or cannot be written: a sentence, and the cause in the log."""
    log.error("%s %s: %s", request.method, request.url.path, error)
    return refused(request.scope, 503, "database_busy", why=str(getattr(error, "orig", error))[:200])


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return refused(request.scope, 404, "request_path", path=route_path(request.scope))
    if error.status_code == 405:
        return refused(request.scope, 405, "request_method", method=request.method)
    return refused(request.scope, error.status_code, "request_refused", detail=str(error.detail))


async def _value_error(request: Request, error: Exception) -> Response:
    """A value that does not validate: which one and why, without echoing it."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return refused(request.scope, 422, "request_value", detail=f"{where}: {first['msg']}")

"""``GET /api/changes``: one stream of server-sent events a page, so that no page asks again and again.

Each event holds the marks that differ from those sent before (``lab/runs/changes.py``); the first one holds them all. However many
pages listen, one task looks, once a second, off the event loop; with nobody listening nobody looks. ``Accept: application/json``
gets all marks at once, for a browser that streams do not reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TypeAlias

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from lab.core.access import Access, requires
from lab.runs.changes import Changes
from lab.server.answers import HEARTBEAT, NO_STORE, QUIET_SECONDS, event_stream
from lab.store.lines import dump

GLANCE = 1.0  # seconds between two looks

Marks: TypeAlias = "dict[str, str]"
Listener: TypeAlias = "asyncio.Queue[Marks | None]"
"""The marks that one page has yet to be sent; None says that there are no more."""


class ChangeStreams:
    """The pages that listen now. Lives on the event loop."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._marks: Marks = {}
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None

    async def marks(self) -> Marks:
        """All marks, as they are now."""
        return await run_in_threadpool(self._changes.marks)

    async def follow(self) -> AsyncIterator[bytes]:
        """Server-sent events until the caller stops listening or the lab closes."""
        listener: Listener = asyncio.Queue()
        listener.put_nowait(await self.marks())
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._look(), name="changes")
        try:
            while True:
                try:
                    marks = await asyncio.wait_for(listener.get(), QUIET_SECONDS)
                except TimeoutError:
                    yield HEARTBEAT
                    continue
                if marks is None:
                    return
                yield b"data: %s\n\n" % dump(marks)
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task, self._marks = None, {}

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        for listener in self._listeners:
            listener.put_nowait(None)

    async def _look(self) -> None:
        while True:
            with suppress(Exception):  # a locked database: the next look tells
                now = await self.marks()
                changed = {topic: mark for topic, mark in now.items() if self._marks.get(topic) != mark}
                self._marks = now
                for listener in self._listeners if changed else ():
                    listener.put_nowait(changed)
            await asyncio.sleep(GLANCE)


def add_changes(application: FastAPI, streams: ChangeStreams) -> None:
    """Register the route."""

    @application.get("/api/changes")
    @requires(Access.VIEWER)
    async def changes(request: Request) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(await streams.marks(), headers=NO_STORE)
        return event_stream(streams.follow())

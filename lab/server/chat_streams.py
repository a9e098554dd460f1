"""What chats write, as server-sent events: a look at the size of a file some twenty times a second, and a read only where it grew.

Not here: the routes (``play.py``), what the lines mean (docs/formats.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from lab.errors import StateError
from lab.runs.chats import Chats
from lab.server.answers import HEARTBEAT, QUIET_SECONDS
from lab.store.lines import dump
from lab.store.runs import RunState

GLANCE = 0.04
"""Seconds between two looks at the size."""
STATE_EVERY = 0.5
"""Seconds between two looks at the job's state."""


class ChatStreams:
    """The pages that follow chats. Lives on the event loop."""

    def __init__(self, chats: Chats) -> None:
        self._chats = chats
        self._closing = False

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closing = True

    async def follow(self, job_id: str, since: int) -> AsyncIterator[bytes]:
        """Server-sent events after byte ``since``, until the chat ends, is deleted, or the lab closes."""
        chat_folder = self._chats.folder(job_id)
        cursor, told, looked, sent = since, "", 0.0, time.monotonic()
        while not self._closing:
            summary = None
            if (now := time.monotonic()) - looked >= STATE_EVERY:
                looked = now
                try:
                    summary = await run_in_threadpool(self._chats.summary, job_id)
                except StateError:
                    return
            over = summary is not None and RunState(summary["state"]).ended
            page = await run_in_threadpool(chat_folder.answers, cursor) if over or chat_folder.size() > cursor else None
            mark = _mark(summary) if summary else told
            if (page and page.lines) or mark != told or over:
                lines = page.lines if page else []
                cursor, told, sent = page.cursor if page else cursor, mark, now
                name = b"event: end\n" if over else b""
                data = dump({"cursor": cursor, "lines": lines, "job": summary})
                yield b"%sid: %d\ndata: %s\n\n" % (name, cursor, data)
                if over:
                    return
            elif now - sent > QUIET_SECONDS:
                sent = now
                yield HEARTBEAT
            await asyncio.sleep(GLANCE)


def _mark(summary: dict[str, object]) -> str:
    return repr([summary[name] for name in ("state", "stage", "queue_position", "waits_for", "error")])

"""Serving the application with uvicorn: the address, what is printed at the start, and a clean end."""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.routing import Mount

from lab.errors import StartError
from lab.server.connections import MOST_CONNECTIONS, protocol
from lab.settings import Settings
from lab.words import say, system_locale

CLOSE_SECONDS = 2


def serve(application: FastAPI, settings: Settings, listener: socket.socket | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises StartError where the address cannot be had."""
    listener = listener or listen(settings)
    # uvicorn passes the signal on when it is done; without this, SIGTERM would end the process before the supervisor.
    signal.signal(signal.SIGTERM, _leave)
    with suppress(KeyboardInterrupt):
        _Server(server_config(application, settings), application, settings).run(sockets=[listener])


def server_config(application: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the lab."""
    return uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        limit_concurrency=MOST_CONNECTIONS,
        http=protocol(settings),
        proxy_headers=False,  # it would believe the leftmost address; forwarded.py counts trusted hops
    )


def listen(settings: Settings) -> socket.socket:
    """The listening socket; taken before uvicorn, so that a taken port is one sentence and not a traceback."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With protocol 0 asyncio never sets TCP_NODELAY, and each request on a kept connection waits 44 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two labs share one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise StartError("start_address", host=settings.host, port=settings.port, reason=reason) from error
    return listener


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Server(uvicorn.Server):
    """Says where the lab is once it answers, and ends its endless streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, application: FastAPI, settings: Settings) -> None:
        super().__init__(config)
        self.application = application
        self.settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            locale = system_locale()
            print(say("hosting.started", locale, url=self.settings.url), flush=True)
            if self.settings.sign_in:
                link = self.settings.url + self.application.state.sessions.owner_link()
                print(say("hosting.owner_link", locale, link=link), flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.application.state.watches.close()
        await self.application.state.streams.close()
        for route in self.application.routes:
            if isinstance(route, Mount):
                app: Any = route.app
                app.stop_event.set()  # Gradio's heartbeats
                app.get_blocks()._queue.stopped = True  # and its queues' streams
        await super().shutdown(sockets)

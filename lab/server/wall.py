"""``GET /?view=wall``: the projector of a class, a page without Gradio and without controls.

What it looks like is the builder's that ``app.py`` hands over (``lab/ui/wall_page.py``); what it shows comes from ``/api/class/wall``.
"""

from __future__ import annotations

import secrets
from typing import Protocol
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.core.access import Access, requires
from lab.server.access import BY_VIEW
from lab.server.forwarded import route_path
from lab.server.headers import NARROWER, narrow_policy
from lab.server.sign_in_page import language_of
from lab.settings import Settings

WALL_PATH = "/wall"


class WallPage(Protocol):
    """Draws the page."""

    def __call__(self, *, language: str, nonce: str) -> str:
        """The HTML."""


class ByView:
    """ASGI middleware: ``/?view=wall`` is the projector's page. It stands before the gate, which then checks that page's access."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and route_path(scope) == "/" and scope["query_string"]:
            views = parse_qs(scope["query_string"].decode("latin-1")).get("view")
            if views == ["wall"]:
                path = str(scope.get("root_path", "")) + WALL_PATH
                # In the scope itself, not a copy: the layers outside read there which policy the page has named.
                scope.update({"path": path, "raw_path": path.encode(), BY_VIEW: True})
        await self.app(scope, receive, send)


def add_wall(application: FastAPI, settings: Settings, page: WallPage) -> None:
    """Register the route."""

    @application.get(WALL_PATH)
    @requires(Access.VIEWER)
    async def wall(request: Request) -> Response:
        """The projector of a class, for 1024 × 768 and larger: what its owner has chosen, or what ``?show=`` names: ``join``, ``votes``,
        ``board``, ``curves``, ``group`` (both with ``&run=``), ``tables``, ``agreement``. The same as ``/?view=wall``."""
        nonce = secrets.token_urlsafe(16)
        request.scope[NARROWER] = narrow_policy(settings, nonce)
        text = page(language=language_of(request), nonce=nonce)
        return HTMLResponse(text, headers={"Vary": "Accept-Language, Cookie"})

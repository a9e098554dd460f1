"""The reader's language: what they chose is kept in a cookie, and counts before what the browser asks for.

``Language`` writes the choice into the request's own Accept-Language, so that every sentence of the server, Gradio's included, follows
it, and nobody else has to know of the cookie. The page's switch is ``lab/ui/language.js``.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.server.access import cookies_of
from lab.settings import Settings
from lab.words import LOCALES

COOKIE = "lab_language"
LASTS_SECONDS = 365 * 24 * 3600
ASKED = b"accept-language"


class Language:
    """ASGI middleware: ``?lang=en|zh`` chooses and is kept; the cookie holds afterwards."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        border = "SameSite=None; Secure; Partitioned" if settings.on_space else "SameSite=Lax"
        self._cookie = f"{COOKIE}={{}}; Path=/; Max-Age={LASTS_SECONDS}; {border}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = _asked(scope)
        chosen = asked or _kept(scope)
        if chosen:
            others = [(name, value) for name, value in scope["headers"] if name != ASKED]
            scope = {**scope, "headers": [*others, (ASKED, chosen.encode())]}

        async def keeps(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("set-cookie", self._cookie.format(asked))
            await send(message)

        await self.app(scope, receive, keeps if asked else send)


def _asked(scope: Scope) -> str:
    """What the address chooses; empty where it chooses nothing."""
    if scope["method"] not in ("GET", "HEAD") or not scope["query_string"]:
        return ""
    wanted = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[-1]
    return wanted if wanted in LOCALES else ""


def _kept(scope: Scope) -> str:
    return next((value for value in cookies_of(Headers(scope=scope), COOKIE) if value in LOCALES), "")

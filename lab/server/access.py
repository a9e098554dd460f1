"""The gate: every request passes here first. It checks the host, the origin, who asks, and whether they may use the route.

The user is known from the request alone. The access that a route needs is declared beside its handler (``requires``) or, for
Gradio's own routes, in ``gradio_access.py``; a path without a declaration does not exist. Functions behind Gradio's queue
are checked once more, one by one (``gradio_access.py``). Signing in is ``session.py`` and ``sign_in.py``.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.core.access import NOBODY, USER, Access, User, user_of
from lab.server.answers import refused
from lab.server.forwarded import IS_FORWARDED, root_of, route_path
from lab.server.hosts import Hosts
from lab.server.session import COOKIE, OWNER_HERE, Sessions
from lab.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SIGN_IN_PATH = "/sign-in"
PLACE = re.compile(r"/\?[A-Za-z0-9_=&.-]{1,150}")
"""An address that names a place of the page, ``/?tab=rules``: whoever has to sign in first gets there afterwards."""
BY_VIEW = "lab.by_view"
"""In the scope of a request for ``/?view=…``, which goes to that view's own path (``wall.py``)."""
LOOK_AGAIN = 2.0
"""Seconds after which a stream asks again who reads it."""


@dataclass(frozen=True)
class Door:
    """One method and path shape of the application, and the least access that opens it; None is closed to all."""

    path: str
    pattern: re.Pattern[str]
    methods: frozenset[str]
    access: Access | None

    def fits(self, method: str, path: str) -> bool:
        actual = "GET" if method == "HEAD" and "HEAD" not in self.methods else method
        return actual in self.methods and self.pattern.match(path) is not None


def access_of(function: object) -> Access | None:
    """The level that a handler was declared with, through ``functools.partial``; None where there is none."""
    while isinstance(function, functools.partial) and not hasattr(function, "access"):
        function = function.func
    level = getattr(function, "access", None)
    return level if isinstance(level, Access) else None


class Gate:
    """ASGI middleware that answers every request that may not go on; see the module."""

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions, doors: Iterable[Door] = ()) -> None:
        self.app = app
        self.settings = settings
        self.sessions = sessions
        self.doors = doors  # a list that start-up fills once every route stands
        self.hosts = Hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # nothing here speaks WebSocket
            return
        answer = self._refuse(scope)
        await (answer or self.app)(scope, receive, send if answer else self._while_it_lasts(scope, send))

    def _while_it_lasts(self, scope: Scope, send: Send) -> Send:
        """Ends an answer that goes on for long (a stream) once its reader's access has become less than it was."""
        headers, before, looked, ended = Headers(scope=scope), scope[USER].access, time.monotonic(), False

        async def sent(message: Message) -> None:
            nonlocal looked, ended
            if ended:
                return  # whoever still writes is told of the end by `receive`
            if message.get("more_body") and time.monotonic() - looked > LOOK_AGAIN:
                looked, ended = time.monotonic(), self._user(headers).access < before
                if ended:
                    message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return sent

    def _refuse(self, scope: Scope) -> Response | None:
        """The answer for a request that may not go on; None, and its user noted in the scope, for one that may."""
        headers = Headers(scope=scope)
        if not self._host_is_ours(headers, bool(scope.get(IS_FORWARDED))):
            return refused(scope, 403, "request_host", host=headers.get("host", ""))
        if not self._origin_is_ours(scope["method"], headers):
            origin = headers.get("origin") or headers.get("sec-fetch-site", "")
            return refused(scope, 403, "request_origin", origin=origin, host=headers.get("host", ""))
        user = self._user(headers)
        scope[USER] = user
        path, method = route_path(scope), scope["method"]
        door = next((door for door in self.doors if door.fits(method, path)), None)
        if door is None:
            door = next((door for door in self.doors if door.pattern.match(path)), None)
            if door is not None and door.access is not None:
                return refused(scope, 405, "request_method", method=method)
        if door is None or door.access is None:
            return refused(scope, 404, "request_path", path=path)
        if user.access >= door.access:
            return None
        if user.access == Access.NOBODY and method in SAFE_METHODS and "text/html" in headers.get("accept", ""):
            by_query = path == "/" or scope.get(BY_VIEW)
            asked = f"/?{scope.get('query_string', b'').decode('latin-1')}" if by_query else path
            back = f"?to={quote(asked)}" if path.startswith("/judge") or PLACE.fullmatch(asked) else ""
            return RedirectResponse(root_of(scope) + SIGN_IN_PATH + back, status_code=303)
        status = 401 if user.access == Access.NOBODY else 403
        return refused(scope, status, "access_needed", needed=door.access.word, has=user.access.word)

    def _host_is_ours(self, headers: Headers, forwarded: bool) -> bool:
        """A foreign name that was made to point at this machine (DNS rebinding) would carry that name here."""
        hosts = headers.getlist("host")
        return len(hosts) == 1 and self.hosts.holds(hosts[0], forwarded=forwarded)

    def _origin_is_ours(self, method: str, headers: Headers) -> bool:
        """No other site's page may make somebody's browser act here, or read from here without navigating here."""
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return False
        if method in SAFE_METHODS:
            return True
        origins = headers.getlist("origin")
        if not origins:  # no browser: one always sends it with a POST
            return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        ours = {headers.get("host", "").lower()} | ({self.settings.space_host} - {None, ""})
        scheme, _, place = origins[0].lower().partition("://")
        return len(origins) == 1 and scheme in ("http", "https") and place in ours

    def _user(self, headers: Headers) -> User:
        if not self.settings.sign_in:
            return OWNER_HERE if self.settings.loopback else NOBODY
        return self.sessions.user(next(cookies_of(headers, COOKIE), None))


def cookies_of(headers: Headers, name: str) -> Iterator[str]:
    """The values of a cookie; a line of cookies that cannot be read has none."""
    for line in headers.getlist("cookie"):
        with suppress(CookieError):
            cookie = SimpleCookie(line).get(name)
            if cookie is not None:
                yield cookie.value


def user_id(request: HTTPConnection) -> str | None:
    """What Gradio passes to handlers as ``gr.Request.username``, and tells the page; None (a 401 there) for nobody.

    The id and not the name: the page keeps things of somebody's by it, and two people may share a name.
    """
    user = user_of(request)
    return user.id or user.name or None

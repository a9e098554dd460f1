"""Signing in, by a password, as a guest and by the link; signing out; and ``/api/me``, who the page's reader is.

What a session is and how it is proven is ``session.py``; how the page looks, ``sign_in_page.py``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from lab.core.access import Access, User, requires, user_of
from lab.errors import AccessError, LabError
from lab.server.access import SIGN_IN_PATH
from lab.server.forwarded import root_of
from lab.server.limits import Rate, caller
from lab.server.session import Sessions
from lab.server.sign_in_page import Page
from lab.settings import Settings

PAUSE = 1.0
MOST_WAITING = 20
"""Passwords of one address that wait for their turn."""


class Attempts:
    """How often strangers may try. Only failures count against a password, so a class may sign in together.

    Failures slow an address down and shut nobody out: an address that has failed too often is tried one password at a time, after a
    pause. So guessing is slow, and a right password is right however many strangers behind the same address have guessed.
    """

    def __init__(self) -> None:
        self.each = Rate(burst=10, per_second=1 / 6)
        self.guests = Rate(burst=100, per_second=1)
        self.codes = Rate(
            burst=30, per_second=0.5
        )  # a class behind one address mistypes, and nobody guesses a code of four letters
        self.hashing = CapacityLimiter(2)  # a hash takes 64 MB while it is worked out
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()

    def left(self, request: Request) -> bool:
        """Whether one more may be tried from there without a pause."""
        return self.each.has(caller(request.scope))

    def failed(self, request: Request) -> None:
        """One was wrong."""
        self.each.allows(caller(request.scope))

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[bool]:
        """Whether a password from there is tried now. From an address that failed too often each waits for its turn and then
        ``PAUSE`` seconds; False where too many wait already."""
        address = caller(request.scope)
        if self.left(request):
            yield True
            return
        if self._waiting[address] >= MOST_WAITING:
            yield False
            return
        self._waiting[address] += 1
        try:
            async with self._turns.setdefault(address, asyncio.Lock()):
                await asyncio.sleep(PAUSE)
                yield True
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]
                self._turns.pop(address, None)


LetIn = Callable[[str], None]
"""Raises LabError where no guest may come in now with that code."""


def anybody(code: str) -> None:
    """Lets every guest in."""


def add_sign_in(
    application: FastAPI, sessions: Sessions, landing: Callable[[User, str], str], let_in: LetIn = anybody
) -> None:
    """Register the routes; only where sign-in is on. ``landing`` says where who goes that asked for which path (``?to=``)."""
    entrance = _Entrance(sessions, landing, let_in)

    @application.get(SIGN_IN_PATH)
    @requires(Access.NOBODY)
    async def show(request: Request) -> Response:
        """The sign-in page."""
        return entrance.page.answer(request)

    _add_password(application, entrance)
    _add_guest(application, entrance)
    _add_link(application, entrance)

    @application.post("/sign-out")
    @requires(Access.NOBODY)
    async def sign_out(request: Request) -> Response:
        """Ends the session of this browser, on the server too: a copy of its cookie opens nothing any more."""
        response = RedirectResponse(root_of(request.scope) + SIGN_IN_PATH, status_code=303)
        await to_thread.run_sync(sessions.sign_out, response, user_of(request), request.scope)
        return response


def add_me(application: FastAPI, settings: Settings) -> None:
    """Register ``/api/me``. It protects nothing: the gate does (``access.py``)."""

    @application.get("/api/me")
    @requires(Access.VIEWER)
    async def me(request: Request) -> dict[str, object]:
        """Who asks: ``{"id", "name", "access": "viewer" | "annotator" | "owner", "guest", "sign_in"}``."""
        user = user_of(request)
        about = {"id": user.id, "name": user.name, "access": user.access.word, "guest": user.guest}
        return {**about, "sign_in": settings.sign_in}


class _Entrance:
    """What every way in has: the page, how often it may be tried, and where it leads."""

    def __init__(self, sessions: Sessions, landing: Callable[[User, str], str], let_in: LetIn) -> None:
        self.sessions, self.landing, self.let_in = sessions, landing, let_in
        self.attempts, self.page = Attempts(), Page(sessions)

    async def welcome(self, request: Request, user: User) -> Response:
        """They are in: on to what they came for."""
        place = await to_thread.run_sync(self.landing, user, request.query_params.get("to", ""))
        response = RedirectResponse(root_of(request.scope) + place, status_code=303)
        self.sessions.sign_in(response, user, request.scope)
        return response


def _add_password(application: FastAPI, entrance: _Entrance) -> None:
    sessions, attempts, page = entrance.sessions, entrance.attempts, entrance.page

    @application.post(SIGN_IN_PATH)
    @requires(Access.NOBODY)
    async def sign_in(request: Request) -> Response:
        """Signs in; a form of ``name`` and ``password``.

        ``?to=/judge[/COLLECTION]`` is where an annotator lands. Without it an annotator lands on ``/judge`` if exactly one collection
        has pairs left for them.
        """
        fields = await _fields(request)
        name, password = fields.get("name", ""), fields.get("password", "")

        async with attempts.turn(request) as tries:
            user = (
                await to_thread.run_sync(sessions.proven, name, password, limiter=attempts.hashing) if tries else None
            )
            often = not attempts.left(request)
            if user is None and tries:
                attempts.failed(request)
        if user is not None:
            return await entrance.welcome(request, user)
        problem, status = ("often", 429) if often else (page.wrong, 401)
        return page.answer(request, problem, status=status, name=name)


def _add_guest(application: FastAPI, entrance: _Entrance) -> None:
    sessions, attempts, page = entrance.sessions, entrance.attempts, entrance.page

    @application.post(SIGN_IN_PATH + "/guest")
    @requires(Access.NOBODY)
    async def guest(request: Request) -> Response:
        """Signs a guest in where the lab is open; a form of ``name``, and ``code`` where the class asks for one. Takes the same ``?to=``
        as above."""
        if not sessions.settings.guests:
            return page.answer(request, status=403)
        fields = await _fields(request)
        name, code = fields.get("name", ""), fields.get("code", "") or request.query_params.get("code", "")
        if not attempts.guests.allows(caller(request.scope)) or not attempts.codes.has(caller(request.scope)):
            return page.answer(request, "often", status=429, guest=name)
        try:
            entrance.let_in(code)
            return await entrance.welcome(request, sessions.guest(name))
        except AccessError as error:
            attempts.codes.allows(caller(request.scope))
            return page.answer(request, error.key, error.params, status=403, guest=name)
        except LabError as error:
            return page.answer(request, error.key, error.params, status=422, guest=name)


def _add_link(application: FastAPI, entrance: _Entrance) -> None:
    sessions, attempts, page = entrance.sessions, entrance.attempts, entrance.page

    @application.get(SIGN_IN_PATH + "/{token}")
    @requires(Access.NOBODY)
    async def owner_link(request: Request, token: str) -> Response:
        """The one-time link that is printed at the start: its first opener is the owner."""
        if sessions.take_link(token):  # too long to be guessed, so it is never refused for what others have tried
            return await entrance.welcome(request, sessions.owner())
        often = not attempts.left(request)
        attempts.failed(request)
        return page.answer(request, "often" if often else "link", status=429 if often else 401)


async def _fields(request: Request) -> dict[str, str]:
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}

"""How much and how often: bodies are capped while they stream in, writes and sign-ins are rate-limited.

What writes by its method is counted here; a GET that writes all the same asks ``may_write`` in its handler. Who may do what is
``access.py``; these limits hold for everybody, the owner too.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.core.access import NOBODY, USER, Access, User
from lab.sandbox.files import MOST_FILE_BYTES
from lab.server.access import SAFE_METHODS
from lab.server.answers import refusal

BODY_BYTES = 1024 * 1024
UPLOAD_BYTES = MOST_FILE_BYTES + BODY_BYTES
"""What the store reads of one file, and the form around it: beyond, the store's own sentence says how much is read."""
UPLOAD_PATH = "/gradio_api/upload"
WRITES = "lab.writes"
"""Where the limits of writing stand in a request's scope."""
SIGN_IN_BYTES = 4096
"""A stranger may send this much, to sign in with."""


class Rate:
    """A token bucket for each key: ``burst`` at once, then ``per_second``. The oldest keys are forgotten."""

    def __init__(
        self, burst: float, per_second: float, *, keys: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.burst = burst
        self.per_second = per_second
        self.keys = keys
        self.clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, key: str) -> bool:
        """Take one token of ``key``; False where none is left."""
        return self._take(key, 1)

    def has(self, key: str) -> bool:
        """Whether ``allows`` would say yes; for what is only charged when it fails."""
        return self._take(key, 0)

    def _take(self, key: str, tokens: int) -> bool:
        with self._lock:
            now = self.clock()
            left, before = self._left.pop(key, (self.burst, now))
            left = min(self.burst, left + (now - before) * self.per_second)
            self._left[key] = (left - tokens if left >= 1 else left, now)
            while len(self._left) > self.keys:
                self._left.popitem(last=False)
            return left >= 1


class _TooLarge(BaseException):
    """Raised inside ``receive``; no handler's ``except Exception`` may swallow it."""


@dataclass(frozen=True)
class Writes:
    """How often one person may write. A class sits behind one address, so people count by person, strangers by address."""

    guests: Rate
    others: Rate

    def allows(self, scope: Scope) -> bool:
        """Take one write of whoever sent this request."""
        user = scope.get(USER, NOBODY)
        rate = self.guests if user.guest else self.others
        return rate.allows(person_of(user) or caller(scope))


def person_of(user: User) -> str:
    """What a person's limits are counted by: signing in once more gives nobody another share.

    Several people may know the one password of LAB_PASSWORD: owners count by browser.
    """
    return user.session or user.id if user.access is Access.OWNER else user.id


def writes() -> Writes:
    """What the lab allows. A save a second is quick for a person; a page that opens makes a dozen calls at once."""
    return Writes(guests=Rate(burst=300, per_second=30), others=Rate(burst=300, per_second=60))


def may_write(request: HTTPConnection) -> bool:
    """Take one write of whoever sent this request, which is none by its method; False where they have written too often."""
    return bool(request.scope[WRITES].allows(request.scope))


class Limits:
    """ASGI middleware: 413 for a body that grows over its cap, 429 for too many writes."""

    def __init__(self, app: ASGIApp, writes: Writes) -> None:
        self.app = app
        self.writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] not in SAFE_METHODS and not self.writes.allows(scope):
            await refusal(429, "too_many_requests")(scope, receive, send)
            return
        scope[WRITES] = self.writes
        await self._capped(scope, receive, send, _cap(scope))

    async def _capped(self, scope: Scope, receive: Receive, send: Send, cap: int) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > cap:
            await refusal(413, "body_too_large", limit=cap)(scope, receive, send)
            return
        seen = 0
        started = False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen <= cap:
                return message
            if started:
                return {"type": "http.disconnect"}
            raise _TooLarge

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except _TooLarge:
            if not started:
                await refusal(413, "body_too_large", limit=cap)(scope, receive, send)


def _cap(scope: Scope) -> int:
    if scope.get(USER, NOBODY) == NOBODY:
        return SIGN_IN_BYTES
    return UPLOAD_BYTES if scope["path"] == UPLOAD_PATH else BODY_BYTES


def caller(scope: Scope) -> str:
    """The address that a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""

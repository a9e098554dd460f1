"""How much and how often: bodies are capped while they stream in, writes and sign-ins are rate-limited.

What writes by its method is counted here; a GET that writes all the same asks ``may_write`` in its handler. Who may do what is
``access.py``; these limits hold for everybody, the owner too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.core.access import NOBODY, USER, Access, User
from lab.sandbox.files import MOST_FILE_BYTES
from lab.server.access import SAFE_METHODS
from lab.server.answers import refusal
from lab.server.forwarded import route_path
from lab.store.space import is_short

BODY_BYTES = 1024 * 1024
UPLOAD_BYTES = MOST_FILE_BYTES + BODY_BYTES
"""What the store reads of one file, and the form around it: beyond, the store's own sentence says how much is read."""
UPLOAD_PATH = "/gradio_api/upload"
WRITES = "lab.writes"
"""Where the limits of writing stand in a request's scope."""
BODY_SECONDS, SILENT_SECONDS = 60.0, 20.0
"""What the body of a request may take as a whole (an upload may take longer), and without a byte."""
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

    def allows(self, key: str, tokens: float = 1) -> bool:
        """Take a token of ``key``, or so many; False, and nothing is taken, where fewer are left."""
        return self._take(key, tokens)

    def has(self, key: str) -> bool:
        """Whether ``allows`` would say yes; for what is only charged when it fails."""
        return self._take(key, 0)

    def _take(self, key: str, tokens: float) -> bool:
        with self._lock:
            now = self.clock()
            left, before = self._left.pop(key, (self.burst, now))
            left = min(self.burst, left + (now - before) * self.per_second)
            enough = left >= max(tokens, 1)
            self._left[key] = (left - tokens if enough else left, now)
            while len(self._left) > self.keys:
                self._left.popitem(last=False)
            return enough


class _Stopped(BaseException):
    """Raised inside ``receive``; no handler's ``except Exception`` may swallow it. Holds the answer."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


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
    """ASGI middleware: 413 for a body that grows over its cap, 408 for one that does not come, 429 for too many writes, 507 for an
    upload where the disk is nearly full."""

    def __init__(self, app: ASGIApp, writes: Writes, home: Path | None = None) -> None:
        self.app = app
        self.writes = writes
        self.home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] not in SAFE_METHODS and not self.writes.allows(scope):
            await refusal(429, "too_many_requests")(scope, receive, send)
            return
        if self.home is not None and route_path(scope) == UPLOAD_PATH and is_short(self.home):
            await refusal(507, "disk_floor_upload")(scope, receive, send)
            return
        scope[WRITES] = self.writes
        await self._capped(scope, receive, send, _cap(scope))

    async def _capped(self, scope: Scope, receive: Receive, send: Send, cap: int) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > cap:
            await refusal(413, "body_too_large", limit=cap)(scope, receive, send)
            return
        seen, started, whole = 0, False, False
        until = time.monotonic() + (math.inf if cap == UPLOAD_BYTES else BODY_SECONDS)

        async def counted() -> Message:
            nonlocal seen, whole
            if whole:  # what comes now is only that the reader went away
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), min(SILENT_SECONDS, max(until - time.monotonic(), 0.01)))
            except TimeoutError:
                message = None
            if message is not None:
                seen += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if seen <= cap:
                    return message
            if started:
                return {"type": "http.disconnect"}
            raise _Stopped(
                refusal(408, "body_too_slow") if message is None else refusal(413, "body_too_large", limit=cap)
            )

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except _Stopped as stopped:
            if not started:
                await stopped.answer(scope, receive, send)


def _cap(scope: Scope) -> int:
    if scope.get(USER, NOBODY) == NOBODY:
        return SIGN_IN_BYTES
    return UPLOAD_BYTES if route_path(scope) == UPLOAD_PATH else BODY_BYTES


def caller(scope: Scope) -> str:
    """The address that a request came from, as limits count it: of IPv6 the network of 64 bits, which one machine has to itself."""
    address = str(scope["client"][0]) if scope.get("client") else ""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, 64), strict=False))


@dataclass(frozen=True)
class Texts:
    """How much text guests may have kept: edits and reasons, each person and all of an address. A click alone costs nothing here."""

    guests: Rate
    addresses: Rate

    def allows(self, request: HTTPConnection, text: str) -> bool:
        """Take the bytes of a text from whoever sent this request; people with a password have no such limit."""
        user, size = request.scope.get(USER, NOBODY), len(text.encode("utf-8", "replace"))
        if not user.guest or not size:
            return True
        return self.guests.allows(user.id, size) and self.addresses.allows(caller(request.scope), size)


def texts() -> Texts:
    """What the lab allows: a person types five characters a second; thirty of them sit behind one address."""
    return Texts(guests=Rate(burst=1 << 20, per_second=200), addresses=Rate(burst=20 << 20, per_second=4000))

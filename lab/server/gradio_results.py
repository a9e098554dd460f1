"""Gradio's requests: JSON that is strict, and results that belong to whoever asked for them.

Gradio gives a result to whoever knows its event id or the page's session hash. Here each is bound to the person in the gate: the first
who uses a session hash owns it, and an event id belongs to whoever it was given to. A body that is no strict JSON object (NaN,
Infinity, half a character, nesting without end), or that names no function of the page, is one sentence and not a traceback.

Not here: who may call which function (``gradio_access.py``).
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.core.access import NOBODY, USER, User
from lab.server.answers import refusal
from lab.server.forwarded import route_path

API = "/gradio_api/"
JSON_ROUTES = re.compile(API + r"(queue/join|run/[^/]+|call/[^/]+|cancel|reset|component_server)/?")
GIVES_EVENT = re.compile(API + r"(queue/join|call/[^/]+)/?")
EVENT = re.compile(API + r"call/[^/]+/([^/]+)/?")
HEARTBEAT = re.compile(API + r"heartbeat/([^/]+)/?")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
IS_JSON = re.compile(r"application/([\w.-]+\+)?json\s*(;|$)", re.IGNORECASE)
MOST_KEPT = 50_000
LARGEST_ANSWER = 1 << 16
DEEPEST = 200


class Owners:
    """Which person an id belongs to; the oldest ids are forgotten, and with them Gradio's results long before."""

    def __init__(self) -> None:
        self._person: OrderedDict[str, str] = OrderedDict()

    def is_theirs(self, name: str, user: User) -> bool:
        """Whether an id is this person's or nobody's yet; then it is theirs from now on."""
        owner = self._person.setdefault(name, user.id or user.name)
        self._person.move_to_end(name)
        while len(self._person) > MOST_KEPT:
            self._person.popitem(last=False)
        return owner == (user.id or user.name)

    def is_of_another(self, name: str, user: User) -> bool:
        """Whether an id is known as another person's. Of one that is not known, Gradio has no result either."""
        return self._person.get(name, user.id or user.name) != (user.id or user.name)


class _Wrong(Exception):
    """Why a body cannot be used; never with its content."""


class GradioResults:
    """ASGI middleware, within the gate and the limits; see the module. ``functions`` are the numbers of the page's functions."""

    def __init__(self, app: ASGIApp, functions: Collection[int]) -> None:
        self.app = app
        self.functions = functions
        self.sessions, self.events = Owners(), Owners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope) if scope["type"] == "http" else ""
        if not path.startswith(API):
            await self.app(scope, receive, send)
            return
        user: User = scope.get(USER, NOBODY)
        names = self._named_by_address(scope, path)
        body: dict[str, Any] = {}
        if scope["method"] == "POST" and JSON_ROUTES.fullmatch(path):
            if not IS_JSON.match(Headers(scope=scope).get("content-type", "")):
                await refusal(415, "request_value", detail="the body is no JSON")(scope, receive, send)
                return
            read = await _whole(receive)
            if read is None:
                return
            receive = _again(read, receive)
            try:
                body = self._checked(read)
            except _Wrong as wrong:
                await refusal(422, "request_value", detail=str(wrong))(scope, receive, send)
                return
            names += [body["session_hash"]] if body.get("session_hash") else []
        if not all(self.sessions.is_theirs(name, user) for name in names) or not self._may_have_event(path, body, user):
            await refusal(403, "result_of_another")(scope, receive, send)
            return
        await self.app(scope, receive, self._noting(user, send) if GIVES_EVENT.fullmatch(path) else send)

    def _named_by_address(self, scope: Scope, path: str) -> list[str]:
        """The session hashes in a request's address."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        heart = HEARTBEAT.fullmatch(path)
        return [*query.get("session_hash", []), *([heart[1]] if heart else [])]

    def _may_have_event(self, path: str, body: dict[str, Any], user: User) -> bool:
        match = EVENT.fullmatch(path)
        asked = match[1] if match else body.get("event_id") if not GIVES_EVENT.fullmatch(path) else None
        return not asked or not self.events.is_of_another(str(asked), user)

    def _checked(self, content: bytes) -> dict[str, Any]:
        body = strict_object(content)
        for name in ("session_hash", "event_id"):
            if body.get(name) is not None and not (isinstance(body[name], str) and NAME.fullmatch(body[name])):
                raise _Wrong(f"{name} is no id")
        number = body.get("fn_index")
        if number is not None and (type(number) is not int or number not in self.functions):
            raise _Wrong("fn_index names no function of the page")
        if "data" in body and not isinstance(body["data"], (list, dict)):
            raise _Wrong("data is no list")
        if body.get("trigger_id") is not None and type(body["trigger_id"]) is not int:
            raise _Wrong("trigger_id is no number")
        return body

    def _noting(self, user: User, send: Send) -> Send:
        """Binds the event id that an answer gives out."""
        content = bytearray()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.body" and len(content) < LARGEST_ANSWER:
                content.extend(message.get("body", b""))
                if not message.get("more_body"):
                    event = _event_of(bytes(content))
                    if event:
                        self.events.is_theirs(event, user)
            await send(message)

        return noted


def strict_object(content: bytes) -> dict[str, Any]:
    """A JSON object whose values are all text and finite numbers. Raises ``_Wrong`` with the reason."""
    try:
        body = json.loads(content, parse_constant=_no_number)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except _Wrong:
        raise
    except RecursionError:
        raise _Wrong("the JSON is nested too deeply") from None
    except UnicodeEncodeError:
        raise _Wrong("the JSON holds half a character (a lone surrogate)") from None
    except ValueError:
        raise _Wrong("the body is no JSON, or has a number that is none") from None
    if not isinstance(body, dict):
        raise _Wrong("the body is no JSON object")
    if _depth(body) > DEEPEST:
        raise _Wrong("the JSON is nested too deeply")
    return body


def _no_number(name: str) -> float:
    raise _Wrong(f"{name} is no number")


def _depth(value: object) -> int:
    """How deeply lists and objects stand in each other, counted to a little beyond ``DEEPEST``."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        inner = [part for part in level if isinstance(part, (list, dict))]
        level = [each for part in inner for each in (part.values() if isinstance(part, dict) else part)]
        depth += bool(inner)
        if not inner:
            break
    return depth


async def _whole(receive: Receive) -> bytes | None:
    """The whole body; None where the sender went away."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        content.extend(message.get("body", b""))
        if not message.get("more_body"):
            return bytes(content)


def _again(content: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body that was read, and then what comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return again


def _event_of(answer: bytes) -> str | None:
    try:
        event = json.loads(answer).get("event_id")
    except (ValueError, AttributeError):
        return None
    return event if isinstance(event, str) else None

"""What the routes share: strict JSON as an answer, an error, an event stream; and the form of what is sent to them."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator

from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Scope

from lab.store.lines import dump
from lab.words import say

NO_STORE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
QUIET_SECONDS = 15.0
"""A stream without an event for this long sends ``HEARTBEAT``, so that no proxy closes it."""
HEARTBEAT = b": still here\n\n"
PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title>
<style>:root {{ color-scheme: light dark; }} body {{ max-width: 34em; margin: 18vh auto 0; padding: 0 24px;
font: 16px/1.6 system-ui, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }} h1 {{ font-size: 20px; }}
p {{ overflow-wrap: anywhere; }}</style></head>
<body><main><h1>{title}</h1><p>{sentence}</p></main></body></html>"""


class Sent(BaseModel):
    """The body of a request; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def json_answer(value: object, status: int = 200) -> Response:
    """Strict JSON, as a browser reads it: a NaN that a worker wrote becomes null."""
    return Response(dump(value), status_code=status, media_type=JSONResponse.media_type)


def refusal(status: int, key: str, **params: object) -> Response:
    """An error: the key of the sentence and its parameters; the page has the words."""
    return JSONResponse({"error": {"key": key, "params": params}}, status_code=status)


def refused(scope: Scope, status: int, key: str, **params: object) -> Response:
    """The same for whoever asked: a page with the sentence where a person looks at a browser's window, else JSON."""
    headers = Headers(scope=scope)
    if "text/html" not in headers.get("accept", ""):
        return refusal(status, key, **params)
    locale = "zh" if headers.get("accept-language", "").strip().lower().startswith("zh") else "en"
    shown = {name: str(value)[:200] for name, value in params.items()}
    words = {"title": say("page.lab", locale), "sentence": say(f"errors.{key}", locale, **shown)}
    page = PAGE.format(
        lang="zh-CN" if locale == "zh" else "en", **{name: html.escape(text) for name, text in words.items()}
    )
    return HTMLResponse(page, status_code=status)


def event_stream(events: AsyncIterator[bytes]) -> Response:
    """Server-sent events."""
    return StreamingResponse(events, media_type="text/event-stream", headers=NO_STORE)

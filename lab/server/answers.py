"""The forms of an answer that the routes share: strict JSON, an error, and the headers of an event stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import JSONResponse, Response, StreamingResponse

from lab.store.lines import dump

NO_STORE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
QUIET_SECONDS = 15.0
"""A stream without an event for this long sends ``HEARTBEAT``, so that no proxy closes it."""
HEARTBEAT = b": still here\n\n"


def json_answer(value: object, status: int = 200) -> Response:
    """Strict JSON, as a browser reads it: a NaN that a worker wrote becomes null."""
    return Response(dump(value), status_code=status, media_type=JSONResponse.media_type)


def refusal(status: int, key: str, **params: object) -> Response:
    """An error: the key of the sentence and its parameters; the page has the words."""
    return JSONResponse({"error": {"key": key, "params": params}}, status_code=status)


def event_stream(events: AsyncIterator[bytes]) -> Response:
    """Server-sent events."""
    return StreamingResponse(events, media_type="text/event-stream", headers=NO_STORE)

"""Compresses answers: brotli where the browser takes it, which sends the page in three fifths of gzip's bytes, else gzip.

Not here: Gradio's own files, which are compressed once and kept (``assets.py``).
"""

from __future__ import annotations

import re
from functools import cached_property

import brotli
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware, GZipResponder
from starlette.types import ASGIApp, Receive, Scope, Send

SMALLEST = 1024  # bytes
GZIP_LEVEL = 5
BROTLI_QUALITY = 5  # the page of 2 MB: 27 ms, as gzip's level 5, and 294 instead of 500 kB
REFUSED = re.compile(r"q=0(\.0*)?")


class Compression(GZipMiddleware):
    """ASGI middleware. Starlette's own rules hold for what is left as it is: small answers, event streams, files that are compressed."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=SMALLEST, compresslevel=GZIP_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and best_encoding(Headers(scope=scope).get("accept-encoding", "")) == "br":
            await _BrotliResponder(self.app, self.minimum_size)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def best_encoding(accepted: str) -> str | None:
    """``br``, ``gzip`` or neither, by an ``Accept-Encoding`` header. A weight of 0 refuses an encoding."""
    offered = set()
    for part in accepted.lower().replace(" ", "").split(","):
        encoding, *weights = part.split(";")
        if not any(REFUSED.fullmatch(weight) for weight in weights):
            offered.add(encoding)
    return next((encoding for encoding in ("br", "gzip") if encoding in offered), None)


class _BrotliResponder(GZipResponder):
    """Starlette's responder with another compressor."""

    content_encoding = "br"

    @cached_property
    def _brotli(self) -> brotli.Compressor:
        """Made for the first body that is compressed: most answers are none."""
        return brotli.Compressor(quality=BROTLI_QUALITY)

    def _compress_body(self, body: bytes, more_body: bool) -> bytes:
        return bytes(self._brotli.process(body) + (self._brotli.flush() if more_body else self._brotli.finish()))

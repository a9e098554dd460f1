"""Scripts, styles and fonts of others, Gradio's and those that came with the lab: compressed once, kept, and cached by the browser for a year.

Gradio would compress them again for every visitor, at a lower quality, and without a cache header. Only files that
were there at start-up exist: a path is looked up, never joined.
"""

from __future__ import annotations

import gzip
import mimetypes
import threading
from pathlib import Path

import brotli
import gradio
from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from lab.core.access import Access, requires
from lab.server import gradio_scripts
from lab.server.compression import best_encoding

FRONTEND = Path(gradio.__file__).parent / "templates" / "frontend"
BUNDLED = Path(__file__).parents[1] / "ui" / "vendor"
COMPRESSIBLE = frozenset({".js", ".css", ".json", ".svg", ".html", ".txt", ".map", ".mjs", ".wasm", ".ico", ".ttf"})
HASHED = "public, max-age=31536000, immutable"  # the name changes with the content
PLAIN = "public, max-age=86400"
BROTLI_QUALITY = 9  # 10 and 11 win 4 % more and take ten times as long
GZIP_LEVEL = 9


class Assets:
    """The files of one folder, and their compressed forms as they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
        self._packed: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()

    def packed(self, name: str, encoding: str) -> bytes:
        """The compressed content of a file, made by the first who asks while the others wait for it."""
        key = (name, encoding)
        if key not in self._packed:
            with self._lock:
                if key not in self._packed:
                    self._packed[key] = _pack(self.content(name), encoding)
        return self._packed[key]

    def content(self, name: str) -> bytes:
        """A file's bytes; of some scripts of Gradio's with what the lab changes (``gradio_scripts.py``)."""
        return gradio_scripts.changed(name, self.files[name].read_bytes())


def add_assets(application: FastAPI) -> None:
    """Register the routes: two in front of Gradio's own, one for what the lab brings along."""
    _add(application, "/assets", Assets(FRONTEND / "assets"), HASHED)
    _add(application, "/static", Assets(FRONTEND / "static"), PLAIN)
    _add(application, "/vendor", Assets(BUNDLED), HASHED)  # a file's name changes with its version


def _add(application: FastAPI, prefix: str, assets: Assets, caching: str) -> None:
    @application.get(prefix + "/{name:path}")
    @requires(Access.NOBODY)
    async def asset(name: str, request: Request) -> Response:
        """Gradio's own frontend files, packed once."""
        if name not in assets.files:
            raise HTTPException(404)
        changed = gradio_scripts.is_changed(name)  # its name does not tell what the lab changes
        headers = {"Cache-Control": PLAIN if changed else caching, "Vary": "Accept-Encoding"}
        encoding = _encoding(name, request.headers.get("accept-encoding", ""))
        if encoding is None and changed:
            content = await run_in_threadpool(assets.content, name)
            return Response(content, media_type=_media_type(name), headers=headers)
        if encoding is None:
            return FileResponse(assets.files[name], media_type=_media_type(name), headers=headers)
        packed = await run_in_threadpool(assets.packed, name, encoding)
        return Response(packed, media_type=_media_type(name), headers={**headers, "Content-Encoding": encoding})


def _encoding(name: str, accepted: str) -> str | None:
    return best_encoding(accepted) if Path(name).suffix.lower() in COMPRESSIBLE else None


def _media_type(name: str) -> str:
    if name.endswith((".js", ".mjs")):
        return "text/javascript"  # some systems' tables say text/plain, which nosniff then refuses to run
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _pack(content: bytes, encoding: str) -> bytes:
    if encoding == "br":
        return bytes(brotli.compress(content, quality=BROTLI_QUALITY))
    return gzip.compress(content, GZIP_LEVEL)

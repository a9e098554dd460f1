"""A hub of this machine, with one model on it, which is a dataset as well: what the hub's client asks, answered from memory. It can hang up half-way."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "org/name"


class Hub(ThreadingHTTPServer):
    """``files`` by name; ``hang_up`` names the one that is never sent whole; ``lies`` sends another byte. ``asked`` holds (path, Range) of each GET."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.hang_up, self.lies = files, "", False
        self.asked: list[tuple[str, str | None]] = []
        self.card: dict[str, object] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        self._answer(send=True)

    def _answer(self, *, send: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith((f"/api/models/{MODEL}", f"/api/datasets/{MODEL}")):
            return self._json()
        name = path.removeprefix("/datasets").removeprefix(f"/{MODEL}/resolve/{COMMIT}/")
        if name not in self.server.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return self._file(name, send=send)

    def _json(self) -> None:
        siblings = [_told(name, content) for name, content in self.server.files.items()]
        card = {"license": "mit"} | self.server.card
        about = {"id": MODEL, "modelId": MODEL, "sha": COMMIT, "siblings": siblings, "cardData": card}
        body = json.dumps(about).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, name: str, *, send: bool) -> None:
        content = self.server.files[name]
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if not send:
            return
        if name == self.server.hang_up:
            self.wfile.write(content[begin : max(begin, len(content) // 2)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(content[begin:-1] + b"?" if self.server.lies else content[begin:])


def _told(name: str, content: bytes) -> dict[str, object]:
    told: dict[str, object] = {"rfilename": name, "size": len(content)}
    if name.endswith(".safetensors"):  # as large files are kept there, with their sum
        told["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return told


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Hub]:
    """A hub with these files for the time of the block."""
    hub = Hub(files)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()

"""A hub of this machine: what the hub's client asks and sends, answered from memory and kept there.

It has one model, which is a dataset as well, and can hang up half-way through a file; and it takes the datasets that are uploaded, and
gives them out again. ``refuses`` counts the next commits that it answers with 500; ``delay`` seconds go by before a commit is answered;
``breaks_off`` counts the next commits that it takes and then hangs up on; ``away`` counts the next questions about a dataset that it
hangs up on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "org/name"
TOKEN = "hf_of_this_test"
"""What it takes uploads with."""


class Hub(ThreadingHTTPServer):
    """``files`` of the model by name; ``hang_up`` names the one that is never sent whole; ``lies`` sends another byte.

    ``asked`` holds (path, Range) of each GET; ``repositories`` those that were made, and whether they are private; ``uploaded`` their files.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.hang_up, self.lies = files, "", False
        self.asked: list[tuple[str, str | None]] = []
        self.card: dict[str, object] = {}
        self.repositories: dict[str, bool] = {}
        self.uploaded: dict[str, dict[str, bytes]] = {}
        self.refuses = self.breaks_off = self.away = 0
        self.delay = 0.0
        self.commits = 0

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

    def do_POST(self) -> None:
        body = self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "Invalid username or password."}, 401)
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        if self.path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        name = "/".join(self.path.split("/")[3:5])
        if self.path.startswith(f"/api/datasets/{name}/preupload/"):
            named = [one["path"] for one in json.loads(body)["files"]]
            files = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in named]
            return self._json({"files": files})
        if self.path.startswith(f"/api/datasets/{name}/commit/"):
            return self._commit(name, [json.loads(line) for line in body.splitlines()])
        return self._json({"error": self.path}, 404)

    def _answer(self, *, send: bool) -> None:
        path = self.path.partition("?")[0]
        for repository, files in self.server.uploaded.items():
            if path.startswith(f"/api/datasets/{repository}"):
                return self._about_uploaded(repository, files)
            if path.startswith(f"/datasets/{repository}/resolve/"):
                name = unquote(path.partition("/resolve/")[2].partition("/")[2])
                return self._file(name, send=send, files=files)
        if path.startswith("/api/datasets/") and self.server.away:
            return self._hang_up()
        if path.startswith((f"/api/models/{MODEL}", f"/api/datasets/{MODEL}")):
            return self._about()
        name = path.removeprefix("/datasets").removeprefix(f"/{MODEL}/resolve/{COMMIT}/")
        if name not in self.server.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return self._file(name, send=send)

    def _about_uploaded(self, repository: str, files: dict[str, bytes]) -> None:
        if self.server.away:
            return self._hang_up()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "Repository not found"}, 404)
        siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
        private = self.server.repositories.get(repository, True)
        return self._json({"id": repository, "sha": COMMIT, "private": private, "siblings": siblings})

    def _hang_up(self) -> None:
        self.server.away -= 1 if self.server.away else 0
        self.close_connection = True
        self.connection.shutdown(2)

    def _about(self) -> None:
        siblings = [_told(name, content) for name, content in self.server.files.items()]
        card = {"license": "mit"} | self.server.card
        self._json({"id": MODEL, "modelId": MODEL, "sha": COMMIT, "siblings": siblings, "cardData": card})

    def _create(self, asked: dict[str, str]) -> None:
        name = f"{asked.get('organization') or 'me'}/{asked['name'].split('/')[-1]}"
        self.server.repositories.setdefault(name, asked.get("visibility") == "private")
        self.server.uploaded.setdefault(name, {})
        self._json({"url": f"{self.server.url}/datasets/{name}", "name": name})

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        if self.server.refuses:
            self.server.refuses -= 1
            return self._json({"error": "Internal error"}, 500)
        time.sleep(self.server.delay)
        files = [line["value"] for line in lines if line["key"] == "file"]
        self.server.uploaded.setdefault(name, {}).update(
            {one["path"]: base64.b64decode(one["content"]) for one in files}
        )
        self.server.commits += 1
        if self.server.breaks_off:  # it has everything, and the sender does not hear of it
            self.server.breaks_off -= 1
            return self._hang_up()
        address = f"{self.server.url}/datasets/{name}/commit/{COMMIT}"
        return self._json({"commitUrl": address, "commitOid": COMMIT, "success": True})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, name: str, *, send: bool, files: dict[str, bytes] | None = None) -> None:
        content = (self.server.files if files is None else files)[name]
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
def serving(files: dict[str, bytes] | None = None) -> Iterator[Hub]:
    """A hub with these files for the time of the block."""
    hub = Hub(files or {})
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()

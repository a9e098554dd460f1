"""An OpenID provider of this machine that behaves as the Hub's does: discovery, a page to agree on, codes with PKCE, claims; and a page that
shows a Space in a frame."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

CLIENT, SECRET = "client-of-the-space", "secret-of-the-space"


class Provider(ThreadingHTTPServer):
    """``claims`` are about whoever signs in; ``space`` is what the framing page shows; ``down`` makes it answer 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.claims: dict[str, Any] = {"sub": "abc123", "preferred_username": "ana", "name": "Ana"}
        self.space = ""
        self.down = False
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        path, query = urlparse(self.path).path, {k: v[0] for k, v in parse_qs(urlparse(self.path).query).items()}
        if self.server.down:
            return self._send(503, b"", "text/plain")
        if path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo"}
            return self._json({name: f"{self.server.url}/oauth/{end}" for name, end in ends.items()})
        if path == "/spaces":
            return self._send(
                200, f'<iframe title="space" src="{self.server.space}" width="900" height="700"></iframe>'.encode()
            )
        if path == "/oauth/authorize":  # as the Hub's, it is never shown in a frame
            if query.get("client_id") != CLIENT or query.get("code_challenge_method") != "S256":
                return self._send(400, b"wrong client")
            return self._send(
                200,
                f'<form method="post" action="/oauth/agree?{urlencode(query)}"><button>Authorize</button></form>'.encode(),
            )
        if path == "/oauth/userinfo":
            if self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.server.tokens:
                return self._json({"error": "invalid_token"}, 401)
            return self._json(self.server.claims)
        return self._send(404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path, query = urlparse(self.path).path, {k: v[0] for k, v in parse_qs(urlparse(self.path).query).items()}
        if path == "/oauth/agree":
            code = secrets.token_urlsafe(8)
            self.server.codes[code] = query
            self.send_response(302)
            self.send_header(
                "Location", f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if path == "/oauth/token":
            return self._token({k: v[0] for k, v in parse_qs(body).items()})
        return self._send(404, b"")

    def _token(self, sent: dict[str, str]) -> None:
        asked = self.server.codes.pop(sent.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
            .rstrip(b"=")
            .decode()
        )
        if self.headers.get("Authorization") != f"Basic {basic}":
            return self._json({"error": "invalid_client"}, 401)
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != sent.get("redirect_uri"):
            return self._json({"error": "invalid_grant"}, 400)
        token = secrets.token_urlsafe(16)
        self.server.tokens.add(token)
        return self._json({"access_token": token, "token_type": "bearer", "expires_in": 3600})

    def _json(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.path.startswith("/oauth/"):
            self.send_header("X-Frame-Options", "DENY")
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider for the time of the block."""
    provider = Provider()
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        provider.shutdown()
        provider.server_close()

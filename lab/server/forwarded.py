"""Requests that come through a proxy: whom they come from, under which host, scheme and path. The outermost layer.

``X-Forwarded-For``, ``-Proto``, ``-Host`` and ``-Prefix`` count only from an address that ``LAB_TRUSTED_PROXIES`` names, and of the
addresses only those that trusted hops have added: the rightmost one that is no trusted proxy is the caller. From anybody else the
headers are taken out, so that nothing behind this layer (Gradio reads them itself) believes them. A lab without sign-in refuses a
request that carries one: everybody behind that proxy would be its owner.

Not here: whether the host is the lab's own (``access.py``).
"""

from __future__ import annotations

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.server.answers import refused
from lab.settings import Settings

FORWARDING = (
    *(b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"),
    *(b"x-forwarded-port", b"x-forwarded-server", b"x-forwarded-scheme", b"x-forwarded-ssl", b"x-real-ip"),
    *(b"x-original-url", b"x-original-host", b"x-rewrite-url", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"),
    *(b"x-gradio-server", b"via"),
)
"""Headers by which a proxy says what it stands for. ``x-gradio-server`` is Gradio's own."""
COUNTED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix")
IS_FORWARDED = "lab.forwarded"
"""In a request's scope where a trusted proxy sent it."""
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class Forwarded:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        names = sorted({name for name, _ in scope["headers"] if name in FORWARDING})
        if names and not self.settings.sign_in:
            answer = refused(scope, 403, "request_forwarded", header=_shown(names[0]))
            await answer(scope, receive, send)
            return
        root = self.settings.root_path
        if names:
            headers = Headers(scope=scope)
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in FORWARDING]
            if self.trusts(_address(scope)):
                scope[IS_FORWARDED] = True
                root = self._take(scope, headers) or root
        _place_under(scope, root)
        await self.app(scope, receive, send)

    def trusts(self, address: str) -> bool:
        """Whether this address is a proxy's that the lab was told of."""
        return is_trusted(address, self.settings)

    def _take(self, scope: Scope, headers: Headers) -> str:
        """Put what a trusted proxy says into the scope; the path that it says the lab is under."""
        port = scope["client"][1] if scope.get("client") else 0
        if caller := self._caller(",".join(headers.getlist("x-forwarded-for"))):
            scope["client"] = (caller, port)
        scheme = _last(headers.get("x-forwarded-proto")).lower()
        if scheme in ("http", "https"):
            scope["scheme"] = scheme
        host = _last(headers.get("x-forwarded-host"))
        if _HOST.fullmatch(host):
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [*others, (b"host", host.lower().encode("ascii"))]
        prefix = _last(headers.get("x-forwarded-prefix"))
        is_path = _PREFIX.fullmatch(prefix) and not {".", ".."} & set(prefix.split("/"))
        return prefix.rstrip("/") if is_path else ""

    def _caller(self, hops: str) -> str:
        """The rightmost address that no trusted proxy has; what stands left of it anybody may have written."""
        last = ""
        for hop in reversed([hop.strip().strip('"') for hop in hops.split(",") if hop.strip()]):
            address = (
                hop[1 : hop.find("]")] if hop.startswith("[") else hop.split(":")[0] if hop.count(":") == 1 else hop
            )
            if _parsed(address) is None:
                return last
            last = address
            if not self.trusts(address):
                return last
        return last


def route_path(scope: Scope) -> str:
    """The path of a request below the one that a proxy has put the lab under."""
    root, path = str(scope.get("root_path", "")), str(scope["path"])
    return path[len(root) :] or "/" if root and (path == root or path.startswith(root + "/")) else path


def root_of(scope: Scope) -> str:
    """The path that the lab is under: empty, or ``/lab``."""
    return str(scope.get("app_root_path", scope.get("root_path", "")))


def is_trusted(address: str, settings: Settings) -> bool:
    """Whether an address belongs to ``LAB_TRUSTED_PROXIES``."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in settings.trusted_proxies)


def _place_under(scope: Scope, root: str) -> None:
    """Path and root as ASGI has them, whether the proxy has taken its prefix off (nginx's ``proxy_pass`` with a path) or not."""
    if not root:
        return
    path = str(scope["path"])
    if path != root and not path.startswith(root + "/"):
        scope["path"] = root + path
        scope["raw_path"] = root.encode("ascii") + scope.get("raw_path", path.encode())
    scope["root_path"] = root


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _last(value: str | None) -> str:
    return (value or "").rpartition(",")[2].strip()


def _shown(name: bytes) -> str:
    return "-".join(part.capitalize() for part in name.decode("ascii").split("-"))

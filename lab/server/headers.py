"""What every answer says to the browser: what it may load, who may frame it, and that no other site may read it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.settings import Settings

# Gradio writes its configuration and its start-up as inline scripts, and makes functions out of text for `js=` and
# `js_on_load`: 'unsafe-inline' and 'unsafe-eval' cannot be left out. What keeps a completion harmless is that it is
# only ever shown as text; what the policy keeps is that nothing can be fetched from, or sent to, another host.
POLICY = (
    ("default-src", "'self'"),
    ("script-src", "'self' 'unsafe-inline' 'unsafe-eval' blob:"),
    ("style-src", "'self' 'unsafe-inline'"),
    ("img-src", "'self' data: blob:"),
    ("font-src", "'self' data:"),
    ("connect-src", "'self' data: blob:"),
    ("media-src", "'self' data: blob:"),
    ("worker-src", "'self' blob:"),
    ("frame-src", "'self' blob:"),
    ("object-src", "'none'"),
    ("base-uri", "'self'"),
    ("form-action", "'self'"),
)

NARROWER = "lab.narrower_policy"


def _ancestors(settings: Settings) -> str:
    """Who may frame the page; on a Space it stands in an iframe of Hugging Face's."""
    if not settings.on_space:
        return "'self'"
    provider = settings.hub.provider if settings.hub is not None else "https://huggingface.co"
    return f"'self' {provider}"


def narrow_policy(settings: Settings, nonce: str) -> str:
    """The policy of a page without Gradio: its own scripts and styles and those that carry the nonce, nothing made from text."""
    narrower = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}'",
        "style-src": f"'nonce-{nonce}'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": _ancestors(settings),
    }
    return "; ".join(f"{name} {value}" for name, value in narrower.items())


class Headers:
    """ASGI middleware: sets the headers above on every answer, and takes Gradio's CORS headers off again.

    A route of the lab's own may have named a narrower policy in the request's scope, under ``NARROWER``.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        policy = (*POLICY, ("frame-ancestors", _ancestors(settings)))
        self.fixed = {
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.lower().startswith("access-control-")]:
                    del headers[name]  # Gradio echoes any origin; the lab's page and its server are one origin
                headers.update(self.fixed)
                if NARROWER in scope:
                    headers["Content-Security-Policy"] = scope[NARROWER]
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, dressed)

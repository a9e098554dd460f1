"""A script at the very beginning of the page, before Gradio's own.

What stands in Gradio's ``head`` runs only after Gradio has chosen its language and its words. So the page's first script is put into
the HTML on its way out. It stands inside the compression.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.server.forwarded import route_path

HEAD = b"<head>"


class FirstScript:
    """ASGI middleware: puts ``script``, HTML, behind the first ``<head>`` of the page at ``/``."""

    def __init__(self, app: ASGIApp, script: str) -> None:
        self.app, self.script = app, script.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) != "/" or not self.script:
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        done = False

        async def put(message: Message) -> None:
            nonlocal start, done
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None:
                found = HEAD in message.get("body", b"") and not done
                if found:
                    message = {**message, "body": message["body"].replace(HEAD, HEAD + b"\n" + self.script, 1)}
                    done = True
                    headers = MutableHeaders(scope=start)
                    if "content-length" in headers:
                        headers["content-length"] = str(int(headers["content-length"]) + len(self.script) + 1)
                await send(start)
                start = None
            await send(message)

        await self.app(scope, receive, put)

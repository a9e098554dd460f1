"""Gradio behind the gate: what each of its routes needs, and a check on each function and server function.

Gradio 6.31 registers about eighty routes; those that the lab's page does not use are closed here. A route that stands
in neither list (a later Gradio's) stops the start by name, and so does a function without a declared access. Functions
are checked where all of Gradio's ways to call one meet (queue, run, api, call, timers, unload): ``Blocks.process_api``.
Server functions have a single route, and it is replaced by one that checks first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount, compile_path

from lab.core.access import Access, requires, user_of
from lab.errors import StartError
from lab.server.access import Door, access_of

API = "/gradio_api"
SERVER_FUNCTIONS = f"{API}/component_server"
NO_OTHER_HOST = Door(
    path=f"{API}/file=http…", pattern=compile_path(f"{API}/file=http{{url:path}}")[0],
    methods=frozenset({"GET", "HEAD"}), access=None,
)  # fmt: skip
"""Gradio would fetch such an address for the caller; the lab talks to no other host."""

OPEN: dict[str, Access] = {
    "/assets/{path:path}": Access.NOBODY,
    "/static/{path:path}": Access.NOBODY,
    "/favicon.ico": Access.NOBODY,
    "/robots.txt": Access.NOBODY,
    "/manifest.json": Access.NOBODY,
    "/theme.css": Access.NOBODY,
    f"{API}/theme.css": Access.NOBODY,
    "/": Access.VIEWER,
    "/config": Access.VIEWER,
    "/config/": Access.VIEWER,
    f"{API}/info": Access.VIEWER,
    f"{API}/info/": Access.VIEWER,
    f"{API}/app_id": Access.VIEWER,
    f"{API}/startup-events": Access.VIEWER,
    f"{API}/heartbeat/{{session_hash}}": Access.VIEWER,
    # Whatever they carry is checked function by function.
    f"{API}/queue/join": Access.VIEWER,
    f"{API}/queue/data": Access.VIEWER,
    f"{API}/queue/status": Access.VIEWER,
    f"{API}/run/{{api_name}}": Access.VIEWER,
    f"{API}/run/{{api_name}}/": Access.VIEWER,
    f"{API}/call/{{api_name}}": Access.VIEWER,
    f"{API}/call/{{api_name}}/": Access.VIEWER,
    f"{API}/call/{{api_name}}/{{event_id}}": Access.VIEWER,
    f"{API}/cancel": Access.VIEWER,
    f"{API}/reset": Access.VIEWER,
    f"{API}/reset/": Access.VIEWER,
    # Files of Gradio's cache, which only owners fill (uploads); LAB_HOME's own are blocked in application.py.
    f"{API}/file={{path_or_url:path}}": Access.OWNER,
    f"{API}/upload": Access.OWNER,
    f"{API}/upload_progress": Access.OWNER,
}

CLOSED = frozenset(
    {
        "/svelte/{path:path}", "/login", "/login/", "/logout", "/pwa_icon", "/pwa_icon/{size}",
        "/monitoring", "/monitoring/summary", "/monitoring/{key}", "/openapi.json", "/docs", "/redoc",
        "/docs/oauth2-redirect", SERVER_FUNCTIONS, f"{SERVER_FUNCTIONS}/",
        *(
            f"{API}/{path}"
            for path in (
                "user", "user/", "login_check", "login_check/", "token", "token/", "app_id/", "dev/reload", "runs",
                "runs/", "deep_link", "openapi.json", "custom_component/{id}/{environment}/{type}/{file_name}",
                "proxy={url_path:path}", "stream/{event_id}", "stream/{event_id}/close", "file/{path:path}",
                "stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
                "stream/{session_hash}/{run}/{component_id}/playlist-file",
                "stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}", "api/{api_name}", "api/{api_name}/",
                "call/v2/{api_name}", "call/v2/{api_name}/", "call/v2/{api_name}/{event_id}", "process_recording",
                "vibe-edit", "vibe-edit/", "undo-vibe-edit", "undo-vibe-edit/", "vibe-code", "vibe-code/",
                "vibe-starter-queries", "vibe-starter-queries/", "profiling/traces", "profiling/summary",
                "profiling/clear",
            )
        ),
    }
)  # fmt: skip


def declared_doors(application: FastAPI) -> list[Door]:
    """Every route of the application with its access, in the order they are tried; StartError names the undeclared."""
    missing: list[str] = []
    doors = [NO_OTHER_HOST, *_doors(application.routes, own=True, missing=missing)]
    if missing:
        raise StartError("start_undeclared", what="route", names=", ".join(sorted(missing)))
    return doors


def _doors(routes: list[BaseRoute], *, own: bool, missing: list[str]) -> Iterator[Door]:
    for route in iter_route_contexts(routes):
        if isinstance(route.original_route, Mount):
            yield from _doors(route.original_route.routes, own=False, missing=missing)
            continue
        path = str(route.path)
        level = access_of(route.endpoint) if own else OPEN.get(path)
        if level is None and (own or path not in CLOSED):
            missing.append(path)
            continue
        yield Door(path, compile_path(path)[0], frozenset(route.methods or {"GET"}), level)


def guard_functions(blocks: gr.Blocks) -> None:
    """Check the caller's access before each Gradio function runs; StartError names those that declare none."""
    missing = sorted(
        {name.replace("\n", " ")[:80] for name, function in handlers(blocks) if access_of(function) is None}
    )
    if missing:
        raise StartError("start_undeclared", what="function", names=", ".join(missing))
    unguarded = blocks.process_api

    async def process_api(
        block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, **rest: Any
    ) -> dict[str, Any]:
        called = blocks.fns[block_fn] if isinstance(block_fn, int) else block_fn
        requests = request if isinstance(request, list) else [request]
        needed = access_of(_function_of(called))
        if needed is None or not requests or any(user_of(each).access < needed for each in requests):
            raise gr.Error(_refusal(needed), title="", print_exception=False)
        return await unguarded(block_fn, inputs, state=state, request=request, **rest)

    blocks.process_api = process_api  # type: ignore[method-assign]


def handlers(blocks: gr.Blocks) -> Iterator[tuple[str, Any]]:
    """Every function of the page that the server runs, by name: events, renders and components' server functions."""
    for function in blocks.fns.values():
        if function.fn is not None:
            yield str(function.api_name or getattr(function.fn, "__qualname__", function._id)), _function_of(function)
    for block in blocks.blocks.values():
        for function in getattr(block, "server_fns", ()):
            yield f"{type(block).__name__}.{function.__name__}", function


def _function_of(called: Any) -> Any:
    """What the page's author wrote; a ``gr.render`` is called through a method of Gradio's own."""
    return called.renderable.fn if called.renderable else called.fn


def _refusal(needed: Access | None) -> str:
    """Gradio shows this as it stands, and a message made here cannot know the reader's language: so in both."""
    name = (needed or Access.OWNER).name.lower()
    return f"This needs the access “{name}”: sign in as somebody who may. 需要“{name}”权限：请以有权限的身份登录。"


def guarded_server_functions(gradio_app: Callable[[], Any]) -> Callable[[Request], Awaitable[Any]]:
    """The route for server functions: finds the function as Gradio does, checks the caller, lets Gradio call it."""

    @requires(Access.VIEWER)
    async def server_function(request: Request) -> Any:
        """Calls a server function of a Gradio component, once the caller's access to that function is checked."""
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise HTTPException(415)
        try:
            body = await request.json()  # kept on the request: Gradio reads the very same object below
            session, component, name = body["session_hash"], body["component_id"], body["fn_name"]
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPException(400) from error
        if not (isinstance(session, str) and type(component) is int and isinstance(name, str)):
            raise HTTPException(400)
        app = gradio_app()
        state = app.state_holder[session]
        block = state[component] if component in state else app.get_blocks().blocks.get(component)
        function = getattr(block, name, None)
        if not getattr(function, "_is_server_fn", False):
            raise HTTPException(404)
        needed = access_of(function)
        if needed is None or user_of(request).access < needed:
            raise HTTPException(403, detail=_refusal(needed))
        return await _original(app)(request)

    return server_function


def _original(gradio_app: Any) -> Callable[[Request], Awaitable[Any]]:
    for route in iter_route_contexts(gradio_app.routes):
        if route.path == SERVER_FUNCTIONS and route.endpoint is not None:
            return route.endpoint
    raise StartError("start_undeclared", what="route", names=SERVER_FUNCTIONS)

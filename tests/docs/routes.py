"""``docs/routes.md`` from the running application: ``python -m tests.docs.routes`` writes it, a test holds it equal.

What stands there of a route is its method, its path, the least access that opens it, and the docstring of its handler.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import FastAPI
from fastapi.routing import APIRoute
from lab.ui.wall_page import WallPage

from lab.runs.supervisor import Supervisor
from lab.server.access import access_of
from lab.server.application import build
from lab.settings import HubSignIn, Settings
from lab.store.runs import Store
from lab.ui.judge_page import JudgePage
from tests.server.conftest import PASSWORD, small_page

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "routes.md"
HEAD = """# Routes

Made from the running application by `python -m tests.docs.routes`; a test holds it equal. Access is the least that opens a route
(nobody < viewer < annotator < owner; see [architecture](architecture.md)). Errors are `{"error": {"key", "params"}}` with
status 401 or 403 (access), 404 (no such …), 409 (state), 413 (too large), 422 (a value), 429 (too often), 503 (this machine). Gradio's own
routes are listed in `lab/server/gradio_access.py`, each with its access.

"""


def document(application: FastAPI) -> str:
    """The whole of ``docs/routes.md``, by the module that declares a route, in the order in which routes are tried."""
    by_module: dict[str, list[APIRoute]] = defaultdict(list)
    for route in application.routes:
        if isinstance(route, APIRoute) and route.endpoint.__module__.startswith("lab.server."):
            by_module[route.endpoint.__module__].append(route)
    return HEAD + "\n".join("\n".join(_section(module, routes)) for module, routes in sorted(by_module.items()))


def _section(module: str, routes: list[APIRoute]) -> Iterator[str]:
    yield f"## `{module.replace('.', '/')}.py`\n"
    for route in routes:
        level = access_of(route.endpoint)
        methods = ", ".join(sorted(route.methods - {"HEAD"}))
        yield f"### `{methods} {route.path}` ({level.name.lower() if level is not None else 'closed'})\n"
        yield inspect.cleandoc(route.endpoint.__doc__ or "").replace("``", "`") + "\n"


def application(home: Path) -> FastAPI:
    """The lab on a home, open to guests and to accounts of the Hub, so that every route is there."""
    hub = HubSignIn("client", "secret", author="org")
    settings = Settings(home=home, host="0.0.0.0", password=PASSWORD, guests=True, hub=hub)
    store = Store(home, allow_unsafe_disk=True)
    return build(settings, store, Supervisor(store), small_page(), JudgePage(), WallPage())


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        DOCUMENT.write_text(document(application(Path(folder))), "utf-8")
    print(f"{DOCUMENT} written")

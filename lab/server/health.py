"""``GET /healthz``: that the page answers. It says nothing about runs, and needs no sign-in."""

from __future__ import annotations

import time

from fastapi import FastAPI

from lab import __version__
from lab.core.access import Access, requires


def add_health(application: FastAPI) -> None:
    """Register the route."""
    started = time.monotonic()

    @application.get("/healthz")
    @requires(Access.NOBODY)
    async def healthz() -> dict[str, object]:
        """Whether the lab answers: ``{"status": "ok", "version", "uptime_seconds"}``."""
        return {"status": "ok", "version": __version__, "uptime_seconds": round(time.monotonic() - started, 1)}

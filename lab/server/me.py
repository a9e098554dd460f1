"""``GET /api/me``: who the page's reader is, so that the page can greet them and leave out what they may not do.

It protects nothing: the gate does (``access.py``).
"""

from __future__ import annotations

from fastapi import FastAPI, Request

from lab.core.access import Access, requires, user_of
from lab.settings import Settings


def add_me(application: FastAPI, settings: Settings) -> None:
    """Register the route."""

    @application.get("/api/me")
    @requires(Access.VIEWER)
    async def me(request: Request) -> dict[str, object]:
        """Who asks: ``{"id", "name", "access": "viewer" | "annotator" | "owner", "guest", "sign_in"}``."""
        user = user_of(request)
        return {
            "id": user.id,
            "name": user.name,
            "access": user.access.word,
            "guest": user.guest,
            "sign_in": settings.sign_in,
        }

"""``GET /api/backup``: how far the lab's work is kept on the Hub. Keeping it there is ``lab/runs/hub_backup.py``."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import Response

from lab.core.access import Access, requires, user_of
from lab.runs.hub_backup import HubBackup
from lab.server.answers import json_answer
from lab.server.sign_in_page import language_of
from lab.words import word


def add_backup(application: FastAPI, backup: HubBackup | None) -> None:
    """Register the route."""

    @application.get("/api/backup")
    @requires(Access.VIEWER)
    def standing(request: Request) -> Response:
        """How far the backup is: ``{"on", "last" (seconds since 1970) | null, "waiting" (judgements that are saved here only), "failing"}``;
        for the owner also ``"dataset"`` and ``"why"`` the last attempt failed, as a sentence.
        """
        if backup is None:
            return json_answer({"on": False})
        now = backup.standing()
        told: dict[str, object] = {
            "on": True,
            "last": now.last,
            "waiting": now.waiting,
            "failing": now.error is not None,
        }
        if user_of(request).access >= Access.OWNER:
            told |= {"dataset": now.dataset, "why": word(now.error, language_of(request)) if now.error else None}
        return json_answer(told)

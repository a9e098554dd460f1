"""``GET /judge`` and ``/judge/{collection}``: the page that only judges, sent whole with its first pairs in it.

What it looks like is the builder's that ``app.py`` hands over (``lab/ui/judge_page.py``); judging itself goes by ``annotate.py``. Here
stands whose page it is, which pairs come with it, and where somebody lands who has just signed in.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import asdict
from typing import Any, Protocol

from anyio import to_thread
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from lab.annotation.collections import Annotation
from lab.core.access import Access, User, requires
from lab.errors import StateError
from lab.server.access import PLACE
from lab.server.annotate import annotator_of
from lab.server.answers import refusal
from lab.server.headers import NARROWER, narrow_policy
from lab.server.limits import may_write
from lab.server.sign_in_page import language_of
from lab.settings import Settings

JUDGE_PATH = "/judge"
OURS = re.compile(re.escape(JUDGE_PATH) + r"(/[A-Za-z0-9_-]{1,64})?")
FIRST_PAIRS = 6
"""As many as the annotator holds."""


class JudgePage(Protocol):
    """Draws the page."""

    def __call__(
        self, reader: User, values: dict[str, Any], *, sign_in: bool, language: str, nonce: str, root: str
    ) -> str:
        """The HTML. ``values``: ``collection`` and ``first`` (collections, collection, pairs) or None; ``root`` leads to the lab's."""


def add_judge(application: FastAPI, settings: Settings, annotation: Annotation, page: JudgePage) -> None:
    """Register the routes."""

    async def answer(request: Request, wanted: str | None, root: str) -> Response:
        if not may_write(request):  # its first pairs are claimed
            return refusal(429, "too_many_requests")
        reader = annotator_of(request)
        first = await first_pairs(annotation, reader, wanted)
        nonce = secrets.token_urlsafe(16)
        request.scope[NARROWER] = narrow_policy(settings, nonce)
        values = {"collection": wanted, "first": first}
        language = language_of(request)
        text = page(reader, values, sign_in=settings.sign_in, language=language, nonce=nonce, root=root)
        return HTMLResponse(text, headers={"Vary": "Accept-Language, Cookie"})

    @application.get(JUDGE_PATH)
    @requires(Access.ANNOTATOR)
    async def judge(request: Request) -> Response:
        """The page that only judges, without Gradio; ``?lang=en|zh``.

        Everything comes in this one answer, the first six pairs too, claimed for the reader where only one collection has pairs left. It has
        a policy of its own: no inline script or style without the answer's nonce, no ``eval``. It shares the browser's outbox and drafts
        with the tab.
        """
        return await answer(request, None, "./")

    @application.get(JUDGE_PATH + "/{collection_id}")
    @requires(Access.ANNOTATOR)
    async def judge_collection(request: Request, collection_id: str) -> Response:
        """The same for one collection: the address to share."""
        return await answer(request, collection_id, "../")


async def first_pairs(annotation: Annotation, reader: User, wanted: str | None) -> dict[str, Any] | None:
    """The collections and the first pairs, claimed for the reader; None where it is the page's to choose among several.

    A collection that is not there gives no pairs either: the page then takes another one.
    """
    collections = await to_thread.run_sync(annotation.queue, reader)
    open_ids = [row["id"] for row in collections if row["left"] > 0]
    collection = wanted if wanted is not None else open_ids[0] if len(open_ids) == 1 else None
    if collection is None:
        return None
    try:
        claimed = await asyncio.wrap_future(annotation.hand_out(reader, collection, FIRST_PAIRS))
    except StateError:
        return None
    pairs = claimed | {"progress": asdict(claimed["progress"])}
    return {"collections": collections, "collection": collection, "pairs": pairs}


def landing(annotation: Annotation | None, user: User, wanted: str = "") -> str:
    """Where somebody goes who has just signed in: to the place that they asked for, or to the judging page where that is all to do.

    ``annotation`` is None where there is no such page.
    """
    if PLACE.fullmatch(wanted):
        return wanted
    if annotation is None:
        return "/"
    if user.access >= Access.ANNOTATOR and OURS.fullmatch(wanted):
        return wanted
    alone = user.access == Access.ANNOTATOR and sum(row["left"] > 0 for row in annotation.queue(user)) == 1
    return JUDGE_PATH if alone else "/"

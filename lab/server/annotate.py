"""The ``/api/annotate`` routes: pairs for annotators, and their judgements. What only owners do goes through the page.

Who judges is the user of the request, and which response stood where is computed from that: the browser says ``a`` or ``b`` and
nothing else. An answer "saved" is sent after the commit (``lab/store/group_commit.py``).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import FastAPI, Query, Request
from pydantic import Field
from starlette.responses import Response

from lab.annotation.collections import Annotation
from lab.annotation.judgements import Submission
from lab.annotation.queue import MOST_HANDED_OUT
from lab.core.access import Access, User, requires, user_of
from lab.core.preferences import LONGEST_DURATION, LONGEST_REASON, LONGEST_TEXT, Choice, Place
from lab.errors import MachineError
from lab.server.answers import Sent, json_answer, refusal
from lab.server.limits import may_write, texts
from lab.store.space import is_short

CHOICES: dict[str, Place | Choice] = {
    "a": Place.LEFT,
    "b": Place.RIGHT,
    "tie": Choice.TIE,
    "both_bad": Choice.BOTH_BAD,
    "skip": Choice.SKIP,
}
Count = Annotated[int, Query(ge=0, le=MOST_HANDED_OUT)]
Holding = Annotated[str, Query(max_length=8000)]
Id = Annotated[str, Field(min_length=1, max_length=64)]


class SentJudgement(Sent):
    """One judgement as the page sends it."""

    id: UUID
    pair: Id
    collection: Id
    choice: Literal["a", "b", "tie", "both_bad", "skip"]
    strength: int | None = Field(None, ge=1, le=3, strict=True)
    reason: str = Field("", max_length=LONGEST_REASON)
    milliseconds: int | None = Field(None, ge=0, le=int(LONGEST_DURATION * 1000), strict=True)
    edited: str | None = Field(None, max_length=LONGEST_TEXT)
    revealed: bool = Field(False, strict=True)


class SentUndo(Sent):
    """One judgement to be taken back."""

    id: UUID
    judgement: UUID


def add_annotate(application: FastAPI, annotation: Annotation) -> None:
    """Register the routes."""
    allowed = texts()

    @application.get("/api/annotate/collections")
    @requires(Access.ANNOTATOR)
    def collections(request: Request) -> Response:
        """``{"collections": [{"id", "name", "pairs", "overlap" | null, "judged", "left"}]}``, the last two for this person; no
        overlap where everyone judges every pair."""
        return json_answer({"collections": annotation.queue(annotator_of(request))})

    @application.get("/api/annotate/collections/{collection_id}/pairs")
    @requires(Access.ANNOTATOR)
    async def pairs(request: Request, collection_id: str, count: Count = 4, holding: Holding = "") -> Response:
        """Claims pairs for this person: up to ``count`` (0–20) for ten minutes.

        Answers ``{"pairs": [{"pair", "prompt": text | messages, "a", "b", "shown": uuid}], "gone": [PAIR…], "progress": {"judged", "left",
        "total", "per_hour" | null}, "settings": {"strength", "reason"}}``; ``a`` is left, ``b`` right, and the server knows which response that
        is. ``holding`` names every pair that the page has, also those whose judgement is not yet acknowledged: their claims are lengthened,
        run-out ones too while nobody else took the pair. ``gone`` are those of them that are no longer this person's to judge: judged in
        another tab, wanted no more, or with others. A person's own claimed pairs that are not held (after a reload) come first, with the
        ``shown`` that they have. An empty ``pairs`` with ``left`` > 0 means that others hold them just now; ask again in some seconds. It
        claims, so it counts as a write in the limits, as ``/judge`` does.
        """
        if not may_write(request):  # it claims
            return refusal(429, "too_many_requests")
        held = [pair for pair in holding.split(",") if pair]
        return await _answer(annotation.hand_out(annotator_of(request), collection_id, count, held))

    @application.post("/api/annotate/judgements")
    @requires(Access.ANNOTATOR)
    async def judge(request: Request, sent: SentJudgement) -> Response:
        """Saves a judgement; answers after the commit.

        Takes ``{"id": shown, "pair", "collection", "choice": "a" | "b" | "tie" | "both_bad" | "skip", "strength": 1–3 | null, "reason": "",
        "milliseconds": 1234, "edited": text | null, "revealed"?: false}``, answers ``{"saved": true, "id", "progress", "sources": {"a", "b"} |
        null}``. The same ``id`` again is stored once and answered alike. Another ``shown`` of the same pair replaces the earlier judgement
        (both stay on record). A judgement after its claim ran out is still taken.
        """
        if not allowed.allows(request, (sent.edited or "") + sent.reason):
            return refusal(429, "too_much_text")
        if (sent.edited or sent.reason) and is_short(annotation.store.home):
            raise MachineError("disk_floor_text")
        seconds = None if sent.milliseconds is None else sent.milliseconds / 1000
        values = sent.model_dump(exclude={"choice", "milliseconds"}) | {
            "choice": CHOICES[sent.choice],
            "seconds": seconds,
        }
        return await _answer(annotation.judge(annotator_of(request), Submission(**values)))

    @application.post("/api/annotate/undo")
    @requires(Access.ANNOTATOR)
    async def undo(request: Request, sent: SentUndo) -> Response:
        """Takes a judgement back: ``{"id": new uuid, "judgement": uuid}`` → ``{"saved": true, "id", "progress", "pair": {as in pairs}}``.

        Frozen versions stay.
        """
        return await _answer(annotation.undo(annotator_of(request), sent.id, sent.judgement))


def annotator_of(request: Any) -> User:
    """Who judges, from the request alone (FastAPI's or Gradio's)."""
    user = user_of(request)
    return user if user.id else replace(user, id=user.name)


async def _answer(waiting: Future[dict[str, Any]]) -> Response:
    """The answer once it is committed. Whoever hangs up meanwhile takes nothing back."""
    answer = await asyncio.shield(asyncio.wrap_future(waiting))
    return json_answer(answer | {"progress": asdict(answer["progress"])})

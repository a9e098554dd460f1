"""The routes of the Learn tab: ``/api/learn``, where its live parts ask the tiny model, and ``/api/glossary``, the terms of every tab.

Whoever may look may ask: an answer takes a fraction of a second in a process of its own (``lab/runs/lessons.py``), and each person has
one question at a time, at a bounded rate (``scoring.py``).
"""

from __future__ import annotations

from typing import Any

from fastapi import Body, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from lab.core.access import Access, requires
from lab.core.lessons import parse_question
from lab.runs.lessons import PATIENCE, Lessons
from lab.server.answers import json_answer
from lab.server.scoring import Scoring
from lab.words.glossary import glossary


def add_learn(application: FastAPI, lessons: Lessons) -> None:
    """Register the routes."""
    scoring = Scoring(at_once=2, of_guests=8)

    @application.post("/api/learn")
    @requires(Access.VIEWER)
    async def ask(request: Request, asked: dict[str, Any] = Body()) -> Response:  # noqa: B008
        """Asks the tiny model a question of the Learn tab; nothing is saved, and no run is touched.

        Takes one of ``{"kind": "warm"}`` (load the model), ``{"kind": "logps", "prompt", "answers"}`` → ``{"logps": [log π(y|x)…], "tokens":
        [[[text, log π]…]…]}``, ``{"kind": "step", "prompt", "answers", "rewards", "threshold": "all" | "above_mean" | "top_fraction", "fraction",
        "scaled", "steps" (1–10)}`` → ``{"before", "after": [log π…], "losses": [before, after] | null, "advantages", "kept", "mean", "std",
        "seconds"}``, ``{"kind": "prefer", "prompt", "chosen", "rejected", "beta", "steps" (0–20)}`` → ``{"chosen", "rejected", "ref_chosen",
        "ref_rejected", "losses", "seconds"}``, ``{"kind": "write", "models", "prompts", "completions", "seed"}`` → ``{"models": {"empty" | "pretrained" |
        "tuned": [[text…]…]}, "sft": {"steps", "rows", "seconds"}}``. The first answer waits for the libraries.
        """
        question = parse_question(asked)
        return await scoring.answer(request, PATIENCE, lambda _until: lessons.ask(question))

    @application.get("/api/glossary")
    @requires(Access.VIEWER)
    async def terms() -> Response:
        """Every term in both languages: ``{"en" | "zh": {key: {"term", "text", "also", "see": [keys]}}, "fields": {field of a recipe: key}}``."""
        answer = await run_in_threadpool(glossary)
        return json_answer(answer)

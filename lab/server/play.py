"""The ``/api/play`` routes: open a chat, ask, stop an answer, follow what is written; judge answers blind, keep one as a demonstration.

All of it is the owner's: a chat uses the machine, and its texts are theirs. The shapes stand in ``docs/routes.md``; tokens come as
server-sent events (``chat_streams.py``).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from lab.annotation.answers import Answer, pairs_of_answers, plain
from lab.annotation.collections import Annotation
from lab.core.access import Access, requires, user_of
from lab.core.chats import LaneAsk, parse_ask
from lab.core.recipes import RuleUse
from lab.rules import RULES
from lab.runs.chats import Chats
from lab.runs.start_models import reward_models, talkers
from lab.server.answers import Sent, event_stream, json_answer
from lab.server.chat_streams import ChatStreams
from lab.store.demonstrations import demonstrations, keep_demonstration
from lab.store.rule_sets import RuleSets
from lab.store.runs import Store

Offset = Annotated[int, Query(ge=0, le=2**53)]
SET, RULE, RUN = "set:", "rule:", "run:"
"""How a scorer is named: a saved rule set, a ready-made rule, a reward model's run."""


class SentAsk(Sent):
    """A question; ``scorer`` is ``set:NAME``, ``rule:NAME``, ``run:ID`` or empty."""

    id: str
    lanes: list[LaneAsk]
    samples: int = 1
    temperature: float = 0.7
    max_tokens: int = 256
    seed: int = 1
    shared_seed: bool = True
    scorer: str = Field("", max_length=400)
    answer: str | None = None


class SentStop(Sent):
    """The answer to end."""

    id: str = Field(max_length=64)


class SentAnswers(Sent):
    """Answers to judge, and the name of the collection that they become."""

    name: str = Field(min_length=1, max_length=120)
    answers: list[Answer] = Field(min_length=2, max_length=64)


class SentDemonstration(Sent):
    """An answer to keep; ``name`` is what the file is called where there is none yet."""

    name: str = Field(min_length=1, max_length=120)
    answer: Answer


def add_play(application: FastAPI, store: Store, chats: Chats, annotation: Annotation, streams: ChatStreams) -> None:
    """Register the routes."""
    _add_choices(application, store, chats)
    _add_chats(application, store, chats)
    _add_events(application, chats, streams)
    _add_answers(application, store, annotation)


def _add_choices(application: FastAPI, store: Store, chats: Chats) -> None:
    @application.get("/api/play")
    @requires(Access.OWNER)
    def choices() -> Response:
        """What can be talked to, and by what answers can be scored: ``{"models": [{"model", "name"}…], "rule_sets": [name…], "rules": [name…],
        "reward_models": [{"model", "name"}…], "chat": job summary with "spec" | null, "holder": {"kind", "id", "name"} | null, "demonstrations":
        {"dataset", "name", "rows"} | null}``; ``holder`` is the run or job that has the machine.
        """
        chat = chats.present()
        kept = demonstrations(store)
        return json_answer(
            {
                "models": talkers(store),
                "rule_sets": [rule_set.name for rule_set in RuleSets(store).list()],
                "rules": list(RULES),
                "reward_models": reward_models(store),
                "chat": {**chat, "spec": chats.folder(chat["id"]).folder.asked()["spec"]} if chat else None,
                "holder": chats.holder(),
                "demonstrations": vars(kept) if kept else None,
            }
        )


def _add_chats(application: FastAPI, store: Store, chats: Chats) -> None:
    @application.post("/api/play")
    @requires(Access.OWNER)
    def open_chat(spec: dict[str, Any], request: Request) -> Response:
        """Opens a chat, ``{"models": [name…], "beside", "idle_seconds", "load_in_4bit", …}``: the one with this spec that stands ready, or a new
        one, which ends the present one. 201 with the job summary."""
        return json_answer(chats.open(spec, by=user_of(request).name), 201)

    @application.post("/api/play/{job_id}/ask")
    @requires(Access.OWNER)
    def ask(job_id: str, sent: SentAsk) -> Response:
        """Asks; ``{"asked": id}``. What is written comes by ``events``."""
        values = sent.model_dump(exclude={"scorer"}) | _scorer(sent.scorer, RuleSets(store))
        question = parse_ask(values)
        chats.ask(job_id, question)
        return json_answer({"asked": question.id}, 202)

    @application.post("/api/play/{job_id}/stop")
    @requires(Access.OWNER)
    def stop(job_id: str, sent: SentStop) -> Response:
        """Ends the answer to one question, or takes it out of the queue; ``{"stopped": id}``."""
        chats.stop(job_id, sent.id)
        return json_answer({"stopped": sent.id}, 202)

    @application.delete("/api/play/{job_id}")
    @requires(Access.OWNER)
    def close(job_id: str) -> Response:
        """Ends a chat and its worker; ``{"closed": id}``."""
        chats.close(job_id)
        return json_answer({"closed": job_id})


def _add_events(application: FastAPI, chats: Chats, streams: ChatStreams) -> None:
    @application.get("/api/play/{job_id}/events")
    @requires(Access.OWNER)
    async def events(job_id: str, request: Request, since: Offset = 0) -> Response:
        """What a chat writes after byte ``since``, as server-sent events: ``id: CURSOR`` and ``data: {"cursor", "lines": [lines of chat.jsonl…],
        "job": job summary | null (where it changed)}``; the last one is ``event: end``. With ``Accept: application/json`` one such object.
        """
        last = request.headers.get("last-event-id", "")
        start = int(last) if last.isdecimal() and len(last) < 16 else since
        chat_folder = await run_in_threadpool(chats.folder, job_id)  # 404 for what is no chat, before a stream begins
        if "application/json" in request.headers.get("accept", ""):
            summary = await run_in_threadpool(chats.summary, job_id)
            page = await run_in_threadpool(chat_folder.answers, start)
            return json_answer({"cursor": page.cursor, "lines": page.lines, "job": summary})
        return event_stream(streams.follow(job_id, start))


def _add_answers(application: FastAPI, store: Store, annotation: Annotation) -> None:
    @application.post("/api/play/judge")
    @requires(Access.OWNER)
    def judge(sent: SentAnswers) -> Response:
        """Makes a collection of every two answers that differ: ``{"collection", "name", "pairs", "of"}``, ``of`` being how many pairs there are."""
        pairs, of = pairs_of_answers(sent.answers)
        imported = annotation.import_pairs(pairs, name=sent.name)
        return json_answer(
            {"collection": imported.collection.id, "name": sent.name, "pairs": imported.taken, "of": of}, 201
        )

    @application.post("/api/play/keep")
    @requires(Access.OWNER)
    def keep(sent: SentDemonstration) -> Response:
        """Keeps a conversation with its answer as a row for SFT: ``{"dataset", "name", "rows", "new"}``."""
        kept, new = keep_demonstration(store, plain(sent.answer), name=sent.name)
        return json_answer({**vars(kept), "new": new}, 201)


def _scorer(name: str, rule_sets: RuleSets) -> dict[str, Any]:
    """The rules or the reward model of a scorer's name. Raises RuleError or StateError where there is none of it."""
    if name.startswith(SET):
        uses = rule_sets.load(name.removeprefix(SET)).entries
        return {"rules": [entry.use().model_dump(mode="json") for entry in uses]}
    if name.startswith(RULE):
        return {"rules": [RuleUse(name=name.removeprefix(RULE)).model_dump(mode="json")]}
    return {"reward_model": name} if name else {}

"""The ``/api/runs`` routes: what is known about runs, as JSON and as live events; and a warning's completions sent to Annotate.

Starting, stopping and deleting are the page's (Gradio) and the command line's; every shape stands in
``docs/routes.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from lab.annotation.collections import Annotation
from lab.core.access import Access, requires
from lab.errors import InputError
from lab.runs.command_line import command_line
from lab.runs.progress import summary, with_warnings
from lab.runs.warnings import to_judge
from lab.server.answers import event_stream, json_answer
from lab.server.events import Watches
from lab.store.recordings import PREFIX, Recordings, grouped
from lab.store.run_cards import read_card
from lab.store.run_titles import run_titles
from lab.store.runs import Run, RunState, Store
from lab.words.sentences import language_of

STEPS_AT_ONCE = 64
NAME_LENGTH = 80
"""Characters of a run's name in the name of a collection that is made of its warning."""
Signal = Annotated[str, Path(max_length=40)]
Step = Annotated[int, Query(ge=0, le=10**9)]
Offset = Annotated[int, Query(ge=0, le=2**53)]
Cursor = Annotated[str, Query(max_length=200)]


def add_runs(application: FastAPI, store: Store, watches: Watches) -> None:
    """Register the routes."""
    _add_progress(application, store, watches)
    _add_groups(application, store)


def _add_progress(application: FastAPI, store: Store, watches: Watches) -> None:
    @application.get("/api/runs")
    @requires(Access.VIEWER)
    def runs(request: Request) -> Response:
        """All runs: ``{"runs": [summary…]}``.

        A summary is ``{"id", "name", "algorithm", "state", "created", "started", "ended", "step", "steps", "stage", "seconds_left" | null,
        "tokens_per_second" | null, "error" | null, "result" | null, "queue_position" | null, "has_groups", "parent" | null,
        "stop_at_step" | null, "memory" | null, "notes": notes.json, "step_part": "generating" | "scoring" | "updating" | null, "step_fraction" | null
        (within a step that takes long), "seconds_left_rough": whether ``seconds_left`` comes from the first steps' micro-batches, "title": the
        name and what tells the run apart from others of that name, in the reader's language, "tags", "note": what people wrote on it (these three in
        this list alone)}``.
        """
        titles = run_titles(store, language_of(request))
        return json_answer({"runs": [{**summary(run, store), **_said_of(run, store, titles)} for run in store.runs()]})

    @application.get("/api/runs/{run_id}")
    @requires(Access.VIEWER)
    def run(run_id: str) -> Response:
        """One run: its summary, ``"warnings"``, ``"recipe"`` (the full recipe), ``"command"`` (the exact command line) and ``"step_time"``: null,
        or of the latest steps ``{"steps", "seconds", "parts": {part: share}, "roofline"}`` (lab/core/step_time.py); ``roofline`` is null or
        ``{"device", "format", "flops", "bytes", "parts": {part: share}}`` (lab/core/roofline.py). A recording of another
        tool (``taken-…``) is answered in the same shape, as far as it is known, and as ``"recording"``."""
        if run_id.startswith(PREFIX):
            return json_answer(recorded_summary(run_id, store))
        record = store.run(run_id)
        return json_answer(
            {**with_warnings(record, store), "recipe": record.recipe, "command": command_line(record.recipe)}
        )

    @application.get("/api/runs/{run_id}/events")
    @requires(Access.VIEWER)
    async def events(run_id: str, request: Request, since: Cursor = "") -> Response:
        """What happens in a run, as server-sent events.

        Each event is ``id: CURSOR`` and ``data: {"cursor", "run": summary with "warnings", "metrics": [lines…], "groups": [index rows…], "log":
        "new text", "reset": false}``. The last frame of an ended run is ``event: end``. With ``Accept: application/json`` the same object is
        answered once. An empty ``since`` starts at the beginning; a cursor is opaque. ``reset: true`` says: forget what you have, this frame
        starts over (a resume dropped lines).
        """
        # A browser that comes back by itself says where it was in this header; the address still has the first cursor.
        last = request.headers.get("last-event-id", "")[:200]
        as_json = "application/json" in request.headers.get("accept", "")
        if not as_json and not last:
            store.run(run_id)  # a look would write its whole history as JSON, once for each that comes in
            return event_stream(watches.follow(run_id, since))
        look = await watches.look(run_id, last or since)
        if as_json:
            return Response(look.data, media_type="application/json")
        if look.closing and look.nothing:
            return Response(status_code=204)  # the one answer that an EventSource takes as "do not come back"
        return event_stream(watches.follow(run_id, last))

    @application.get("/api/runs/{run_id}/log")
    @requires(Access.VIEWER)
    def log(run_id: str, since: Offset = 0) -> Response:
        """The run's log from a byte on: ``{"cursor", "text"}``."""
        store.run(run_id)
        page = store.folder(run_id).log(since)
        return json_answer({"cursor": page.cursor, "text": page.text})


def _add_groups(application: FastAPI, store: Store) -> None:
    @application.get("/api/runs/{run_id}/groups")
    @requires(Access.VIEWER)
    def groups(run_id: str, since: Offset = 0) -> Response:
        """The index of a run's groups: ``{"cursor", "reset", "prompts": ["…"], "rows": [[step, group, prompt_number, mean, std, kept,
        size], …]}``, rows in the order of step and group. Of a DPO run they are the pairs of pairs.jsonl, here as in the lines.
        """
        page = grouped(store, run_id).shown_index(since)
        return json_answer({"cursor": page.cursor, "reset": page.reset, "prompts": page.prompts, "rows": page.rows})

    @application.get("/api/runs/{run_id}/groups/lines")
    @requires(Access.VIEWER)
    def group_lines(run_id: str, first: Step, last: Step) -> Response:
        """The groups of some steps: ``{"lines": [objects of groups.jsonl, or of pairs.jsonl…]}``; both ends included, at most 64 steps."""
        if last < first or last - first >= STEPS_AT_ONCE:
            raise InputError("steps_asked", first=first, last=last, most=STEPS_AT_ONCE)
        lines = grouped(store, run_id).shown_lines_raw(first, last)
        return Response(b'{"lines":[' + b",".join(lines) + b"]}", media_type="application/json")

    @application.get("/api/runs/{run_id}/groups/tokens")
    @requires(Access.VIEWER)
    def group_tokens(run_id: str, step: Step, group: Step) -> Response:
        """What each update made of the tokens of one group: ``{"lines": [objects of tokens.jsonl…]}``, empty where they were not kept."""
        return json_answer({"lines": grouped(store, run_id).token_lines(step, group)})


def _said_of(run: Run, store: Store, titles: Mapping[str, str]) -> dict[str, Any]:
    """What the list tells besides the summary: how a run is called among the others, and what people wrote on it."""
    card = read_card(store.folder(run.id))
    return {"title": titles.get(run.id, run.name), "tags": card.tags, "note": card.note}


def add_recordings(application: FastAPI, store: Store) -> None:
    """Register the route."""

    @application.get("/api/recordings")
    @requires(Access.VIEWER)
    def recordings() -> Response:
        """Groups that were taken in from other tools, newest first: ``{"recordings": [recording.json…]}``. They are read by the routes of runs."""
        return json_answer({"recordings": [recording.as_json() for recording in Recordings(store).all()]})


def recorded_summary(recording_id: str, store: Store) -> dict[str, Any]:
    """What is known of a recording, as a run's summary has it. Raises StateError ``no_such_recording``."""
    recording = Recordings(store).one(recording_id)
    return {
        "id": recording.id,
        "name": recording.name,
        "algorithm": recording.tool,
        "state": RunState.FINISHED.value,
        "created": recording.created,
        "steps": recording.steps,
        "has_groups": True,
        "warnings": [],
        "recipe": {"rules": [{"name": name, "weight": weight} for name, weight in recording.weights.items()]},
        "recording": recording.as_json(),
    }


def add_warnings(application: FastAPI, store: Store, annotation: Annotation) -> None:
    """Register the route."""

    def make_collection(run_id: str, signal: str) -> dict[str, Any]:
        run = store.run(run_id)
        rows = to_judge(run, store, signal)
        name = f"{run.name[:NAME_LENGTH]} · {signal}"
        into = next((collection.id for collection in annotation.collections() if collection.name == name), None)
        imported = annotation.import_rows(rows, name=name, into=into)
        return {"collection": imported.collection.id, "name": imported.collection.name, "pairs": imported.taken}

    @application.post("/api/runs/{run_id}/warnings/{signal}/annotate")
    @requires(Access.OWNER)
    async def annotate(run_id: str, signal: Signal) -> Response:
        """Makes a collection of the samples of a warning: ``{"collection", "name", "pairs"}``."""
        return json_answer(await run_in_threadpool(make_collection, run_id, signal))

"""The ``/api/class`` routes: what the owner of a class sees and chooses, what its guests do, what the projector shows.

Only where guests are let in (``LAB_OPEN``). Every request of a guest passes ``Guests``, which notes who is here and holds them while the
class is paused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Request
from pydantic import Field
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.classroom.address import address_of, qr_svg, reachable
from lab.classroom.board import SECONDS
from lab.classroom.classroom import Classroom
from lab.classroom.state import Place, Show
from lab.classroom.views import Views
from lab.core.access import NOBODY, USER, Access, User, requires, user_of
from lab.core.rule_sets import MOST_RULES
from lab.errors import LabError, MachineError
from lab.server.access import SAFE_METHODS, SIGN_IN_PATH
from lab.server.annotate import annotator_of
from lab.server.answers import NO_STORE, Sent, json_answer, refusal
from lab.server.forwarded import root_of, route_path
from lab.server.rule_bench import SentRule
from lab.server.scoring import Scoring
from lab.server.sign_in_page import language_of
from lab.settings import Settings

HERE_PATH = "/api/class/here"
Id = Annotated[str, Field(min_length=1, max_length=200)]
Title = Annotated[str, Field(max_length=200)]
JUDGING = "/api/annotate/"
OwnerView = Callable[[Request], Response]


class SentHere(Sent):
    """Where an open page is."""

    tab: str = Field(max_length=20, pattern=r"^[a-z_]*$")
    step: int | None = Field(None, ge=0, le=1000)


class SentChange(Sent):
    """Choices of the owner; what is absent stays as it is."""

    open: bool | None = None
    paused: bool | None = None
    ask_code: bool | None = None
    judge: bool | None = None
    rules: bool | None = None
    train: bool | None = None
    steps: int | None = None
    runs: int | None = None
    queue_paused: bool | None = None
    recorded: str | None = None
    collection: str | None = None
    show: Show | None = None
    show_run: str | None = None
    question: Place | None = None
    revealed: bool | None = None


class SentPerson(Sent):
    """A guest."""

    person: Id


class SentHidden(Sent):
    """A collection, and whether guests see it or everyone judges every pair of it."""

    collection: Id
    hidden: bool | None = None
    everyone: bool | None = None


class SentSetOf(Sent):
    """A rule set on the board."""

    person: Id
    title: Title


class SentRules(Sent):
    """A rule set for the board."""

    title: Title
    rules: list[SentRule] = Field(min_length=1, max_length=MOST_RULES)


class SentStart(Sent):
    """A run that a guest asks for; with the rules that they submitted under ``title``."""

    preset: str = Field(max_length=80)
    title: Title | None = None


class SentRun(Sent):
    """A run."""

    run: str = Field(max_length=64)


class SentVote(Sent):
    """Who of the question's answers is kept, by their places from 0."""

    question: str = Field(max_length=64)
    chosen: list[int] = Field(max_length=16)


class Guests:
    """ASGI middleware behind the gate: notes which guest is here, and holds what they do while the class is paused."""

    def __init__(self, app: ASGIApp, room: Classroom) -> None:
        self.app, self.room = app, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        user: User = scope.get(USER, NOBODY) if scope["type"] == "http" else NOBODY
        if user.guest:
            path = route_path(scope)
            judging = path.startswith(JUDGING)
            self.room.people.note(user, "judge" if judging else "")
            acts = scope["method"] not in SAFE_METHODS and path not in (HERE_PATH, "/sign-out")
            claims = judging and path.endswith("/pairs")
            if (acts or claims) and (error := self._held(user, judging)):
                status = 503 if isinstance(error, MachineError) else 403
                await refusal(status, error.key, **error.params)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _held(self, user: User, judging: bool) -> LabError | None:
        if not judging and not self.room.now.paused:
            return None
        try:
            self.room.may(user, "judge")
        except LabError as error:
            return error
        return None


def add_class(application: FastAPI, settings: Settings, room: Classroom) -> None:
    """Register the routes."""
    views = Views(room)

    def owner_view(request: Request) -> Response:
        if request.method not in SAFE_METHODS:
            views.forget()
        address = _address(request, settings)
        about = {"address": address, "reachable": reachable(settings), "link": join_link(address, room)}
        return json_answer(views.of_owner() | about)

    _add_views(application, settings, room, views, owner_view)
    _add_choices(application, room, owner_view)
    _add_people(application, room, owner_view)
    _add_guests(application, room, views)


def _address(request: Request, settings: Settings) -> str:
    return address_of(settings, request.headers.get("host", ""), request.url.scheme) + root_of(request.scope)


def join_link(address: str, room: Classroom) -> str:
    """What the QR code says: the address, with the code where who comes in has to type it."""
    return f"{address}{SIGN_IN_PATH}?code={room.now.code}" if room.now.ask_code else address


def _add_views(application: FastAPI, settings: Settings, room: Classroom, views: Views, owner_view: OwnerView) -> None:
    @application.get("/api/class")
    @requires(Access.OWNER)
    def owner(request: Request) -> Response:
        """Everything about the class, for its owner.

        ``{"state", "address", "reachable", "link", "does_things", "people": [{"id", "name", "place", "step", "seen", "away", "judged", "of", "run"}…],
        "collections", "collection", "agreement", "question", "board", "recorded", "queue", "runs"}``. Every route by which the owner changes
        something answers the same.
        """
        return owner_view(request)

    @application.get("/api/class/me")
    @requires(Access.ANNOTATOR)
    def me(request: Request) -> Response:
        """What one guest sees: ``{"me", "paused", "may", "steps", "collections", "question", "board", "mine", "presets", "runs"…}``, nobody
        else's judgements or votes."""
        return json_answer(views.of_guest(annotator_of(request)))

    @application.get("/api/class/wall")
    @requires(Access.VIEWER)
    def wall(request: Request) -> Response:
        """What the projector shows: ``{"show", "here", "address", "code", "question", "board", "agreement", "run", "table"}``."""
        return json_answer(views.of_wall() | {"address": _address(request, settings)})

    @application.get("/api/class/qr.svg")
    @requires(Access.VIEWER)
    def qr(request: Request) -> Response:
        """The join link as a QR code."""
        svg = qr_svg(join_link(_address(request, settings), room))
        return Response(svg, media_type="image/svg+xml", headers=NO_STORE)


def _add_choices(application: FastAPI, room: Classroom, owner_view: OwnerView) -> None:
    @application.post("/api/class/change")
    @requires(Access.OWNER)
    def change(sent: SentChange, request: Request) -> Response:
        """Changes what the owner has chosen: any of ``open``, ``paused``, ``ask_code``, ``judge``, ``rules``, ``train``, ``steps``, ``runs``,
        ``queue_paused``, ``recorded``, ``collection``, ``show``, ``show_run``, ``question``, ``revealed``."""
        room.change(**sent.model_dump(exclude_none=True))
        return owner_view(request)

    @application.post("/api/class/next-question")
    @requires(Access.OWNER)
    def next_question(request: Request) -> Response:
        """Asks the next group of the recorded run, and shows it on the wall."""
        room.next_question()
        return owner_view(request)

    @application.post("/api/class/clear-votes")
    @requires(Access.OWNER)
    def clear_votes(request: Request) -> Response:
        """Forgets the votes on the present question."""
        room.clear_votes()
        return owner_view(request)

    @application.post("/api/class/reset")
    @requires(Access.OWNER)
    def reset(request: Request) -> Response:
        """Begins anew: guests are signed out, board, votes and waiting runs are gone; judgements and ended runs stay."""
        room.reset()
        return owner_view(request)


def _add_people(application: FastAPI, room: Classroom, owner_view: OwnerView) -> None:
    @application.post("/api/class/take-back")
    @requires(Access.OWNER)
    def take_back(sent: SentPerson, request: Request) -> Response:
        """Takes back every judgement of a guest, with their rule sets and votes left alone; the judgements stay on record."""
        room.take_back(sent.person)
        return owner_view(request)

    @application.post("/api/class/collection")
    @requires(Access.OWNER)
    def collection(sent: SentHidden, request: Request) -> Response:
        """Hides a collection from guests or shows it again (``hidden``); whether everyone judges every pair of it (``everyone``)."""
        if sent.hidden is not None:
            room.hide(sent.collection, sent.hidden)
        if sent.everyone is not None:
            room.annotation.change(sent.collection, everyone=sent.everyone)
        return owner_view(request)

    @application.post("/api/class/remove-rules")
    @requires(Access.OWNER)
    def remove_rules(sent: SentSetOf, request: Request) -> Response:
        """Takes a rule set from the board."""
        room.remove_rules(sent.person, sent.title)
        return owner_view(request)

    @application.post("/api/class/stop-run")
    @requires(Access.OWNER)
    def stop_run(sent: SentRun, request: Request) -> Response:
        """Stops a run of a guest, or takes it out of the queue."""
        room.supervisor.stop(sent.run)
        return owner_view(request)


def _add_guests(application: FastAPI, room: Classroom, views: Views) -> None:
    scoring = Scoring(at_once=2, of_guests=2)

    @application.post(HERE_PATH)
    @requires(Access.ANNOTATOR)
    async def here(sent: SentHere, request: Request) -> Response:
        """Says where an open page is: ``{"tab", "step"?}``; answers ``{"paused"}``."""
        user = user_of(request)
        if user.guest:
            room.people.note(user, sent.tab, sent.step)
        return json_answer({"paused": room.now.paused})

    @application.post("/api/class/rules")
    @requires(Access.ANNOTATOR)
    async def rules(sent: SentRules, request: Request) -> Response:
        """Puts a rule set on the board: takes ``{"title", "rules": [as in the bench…]}``, answers as ``/api/class/me``."""
        user = annotator_of(request)
        uses = [rule.use() for rule in sent.rules]

        def work(_: float) -> dict[str, Any]:
            room.submit(user, sent.title, uses)
            return views.of_guest(user)

        return await scoring.answer(request, SECONDS, work)

    @application.post("/api/class/runs")
    @requires(Access.ANNOTATOR)
    def start(sent: SentStart, request: Request) -> Response:
        """Queues a run within the quota: takes ``{"preset", "title"?}``, answers as ``/api/class/me``."""
        user = annotator_of(request)
        room.start(user, sent.preset, sent.title, language_of(request))
        return json_answer(views.of_guest(user))

    @application.post("/api/class/runs/stop")
    @requires(Access.ANNOTATOR)
    def stop(sent: SentRun, request: Request) -> Response:
        """Stops the guest's own run, or takes it out of the queue."""
        user = annotator_of(request)
        room.training.stop(user, sent.run)
        return json_answer(views.of_guest(user))

    @application.post("/api/class/votes")
    @requires(Access.ANNOTATOR)
    def vote(sent: SentVote, request: Request) -> Response:
        """Votes on the present question: takes ``{"question", "chosen": [places]}``, answers as ``/api/class/me``."""
        user = annotator_of(request)
        room.vote(user, sent.question, sent.chosen)
        return json_answer(views.of_guest(user))

"""A class as its page, its routes and its projector call it: who is here, what they did, and what the owner does about it.

Each method calls the module of its subject; what is decided here is only what may be done now (``may``). The server decides who may
call what.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

from lab.annotation.collections import Annotation
from lab.annotation.pairs import Collection
from lab.classroom.board import Board
from lab.classroom.people import People
from lab.classroom.state import ClassState, Place, Show, StateFile, new_code
from lab.classroom.training import Training, preset_title
from lab.classroom.turns import ClassTurns
from lab.classroom.votes import Question, Votes, next_place, question_of
from lab.core.access import Access, User
from lab.core.recipes import RuleUse
from lab.errors import AccessError, LabError, MachineError, StateError
from lab.runs.supervisor import Supervisor
from lab.store.runs import Run, Store

NAME_OF_A_RUN = 100


class Classroom:
    """One class: one for the life of the app. Thread-safe."""

    def __init__(
        self, store: Store, supervisor: Supervisor, turns: ClassTurns, annotation: Annotation, *, does_things: bool
    ) -> None:
        """``does_things``: whether the lab was started with LAB_OPEN=class, so that guests submit rules and train."""
        self.store, self.supervisor, self.annotation, self.does_things = store, supervisor, annotation, does_things
        self.state = StateFile(store.home)
        self._moves = itertools.count(1)
        self._moved = 0
        self.people = People(store, self._changed)
        self.board, self.votes = Board(store), Votes(store)
        self.training = Training(store, supervisor, turns)
        turns.held = lambda: self.now.queue_paused or self.now.paused
        supervisor.changes.class_mark = self.mark

    @property
    def now(self) -> ClassState:
        """The owner's present choices."""
        return self.state.now

    def mark(self) -> str:
        """Differs once something of the class has changed that no other mark tells."""
        return f"{self.state.number}-{self._moved}"

    def _changed(self) -> None:
        self._moved = next(self._moves)

    # ---- what guests do

    def let_in(self, code: str) -> None:
        """Raise AccessError where no new guest may come in now: ``class_closed``, ``class_code``."""
        if not self.now.open:
            raise AccessError("class_closed")
        if self.now.ask_code and code.strip().upper() != self.now.code:
            raise AccessError("class_code")

    def may(self, user: User, what: str) -> None:
        """Raise where a guest may not do this now: MachineError ``class_paused`` (later), AccessError ``class_not_allowed``.

        ``what``: ``judge``, ``rules`` or ``train``. The owner, and people with a password, may always.
        """
        if not user.guest:
            return
        if self.now.paused:
            raise MachineError("class_paused")
        if not getattr(self.now, what) or (what != "judge" and not self.does_things):
            raise AccessError("class_not_allowed", what=what)

    def submit(self, user: User, title: str, uses: Sequence[RuleUse]) -> None:
        """Put a rule set on the board (``Board.submit``)."""
        self.may(user, "rules")
        collection = self.collection()
        self.board.submit(user, title, uses, self.recorded(), collection.id if collection else "")
        self._changed()

    def start(self, user: User, preset: str, title: str | None = None, language: str = "en") -> Run:
        """Queue a run of a guest within the quota; with the rules that they submitted under ``title``. Its name is in their language."""
        self.may(user, "train")
        rules = self.board.uses(user.id, title) if title else []
        label = self.people.label(user.id) or user.name
        name = f"{label} · {title or preset_title(preset, language)}"[:NAME_OF_A_RUN]
        run = self.training.start(user, preset, self.now, rules, name)
        self._changed()
        return run

    def vote(self, user: User, question: str, chosen: Sequence[int]) -> None:
        """Store a vote on the present question. Raises StateError where it is another one by now, or was revealed."""
        self.may(user, "judge")
        asked = self.question()
        if asked.id != question or self.now.revealed:
            raise StateError("class_vote_over")
        self.votes.cast(user.id, asked, chosen)
        self._changed()

    # ---- what is the class's

    def collection(self) -> Collection | None:
        """The collection of the class; None where there is none."""
        there = [one for one in self.annotation.collections() if not one.hidden]
        chosen = (one for one in there if one.id == self.now.collection)
        return next(chosen, None) or next(iter(there), None)

    def recorded(self) -> str:
        """The run that rule sets are scored on: the chosen one, else the owner's newest with groups; empty where there is none."""
        owners, runs = self.training.turns.owners, self.store.runs()
        if any(run.id == self.now.recorded for run in runs):
            return self.now.recorded
        own = (run for run in runs if run.id not in owners and run.state.ended)
        return next((run.id for run in own if self.store.folder(run.id).has_groups()), "")

    def question(self) -> Question:
        """What is asked now; the worked example where the chosen group is gone."""
        try:
            return question_of(self.store, self.now.question)
        except LabError:
            return question_of(self.store, Place())

    # ---- what the owner does

    def change(self, **values: Any) -> None:
        """Other choices (``ClassState``)."""
        self.state.change(**values)
        if {"paused", "queue_paused"} & values.keys():
            self.supervisor.wake()

    def next_question(self) -> None:
        """Ask the next group of the recorded run."""
        place = next_place(self.store, self.recorded(), self.now.question)
        self.state.change(question=place, revealed=False, show=Show.VOTES)

    def clear_votes(self) -> None:
        """Forget the votes on the present question."""
        self.votes.clear(self.question())
        self.state.change(revealed=False)

    def take_back(self, person: str) -> int:
        """Take back every judgement of somebody, in every collection; how many there were. They stay on record."""
        user = User(self.people.label(person) or person, Access.ANNOTATOR, id=person, guest=True)
        return sum(self.annotation.take_back_all(user, one.id) for one in self.annotation.collections())

    def remove_rules(self, person: str, title: str) -> None:
        """Take a rule set from the board."""
        self.board.remove(person, title)
        self._changed()

    def hide(self, collection: str, hidden: bool) -> None:
        """Hide a collection from guests, or show it again."""
        self.annotation.hide(collection, hidden)
        self._changed()

    def reset(self) -> None:
        """Begin anew: everybody is signed out, the code is another one, the board, the votes and the waiting runs are gone. Judgements
        and runs that ended stay."""
        self.training.clear_queue()
        self.board.clear()
        self.votes.clear()
        self.people.forget()
        self.state.change(code=new_code(), since=time.time(), revealed=False, question=Place(), show=Show.JOIN)

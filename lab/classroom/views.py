"""What the pages of a class show, as plain values: for the owner, for one guest, for the projector.

A guest sees nobody else's judgements, and no choice of the owner that has not been shown. Shapes: ``docs/routes.md``.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select

from lab.annotation.judgements import current_judgements
from lab.annotation.pairs import Collection
from lab.annotation.queue import queue as queue_of
from lab.annotation.tables import annotators_table, pairs_table
from lab.classroom import votes as voting
from lab.classroom.board import Entry
from lab.classroom.classroom import Classroom
from lab.classroom.training import offered
from lab.compare.selection import MOST_RUNS
from lab.core.access import User
from lab.core.agreement import alpha_interval, krippendorffs_alpha, raw_agreement, votes
from lab.core.algorithms import algorithm_of
from lab.core.preferences import Choice
from lab.runs.progress import summary
from lab.store.runs import Run, RunState

SLOTS = 2
"""Runs of guests at a time, for the times that are told; ``lab/runs/supervisor.py`` decides."""
LATEST = 12
"""Ended runs whose mean time the waiting times are made of."""
MOST_DIVIDED = 4
WALL_RUNS = 8
FRESH_SECONDS = 1.0
Json = dict[str, Any]


class Views:
    """The views of one class. Board and agreement are made once for all who look, at most once in ``FRESH_SECONDS`` (``forget``)."""

    def __init__(self, room: Classroom) -> None:
        self.room = room
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, float, Any]] = {}

    def forget(self) -> None:
        """Make everything anew when it is next asked for: the owner has changed something, and sees that at once."""
        with self._lock:
            self._kept.clear()

    def of_owner(self) -> Json:
        """Everything, for the owner's page."""
        room, state = self.room, self.room.now
        collection = room.collection()
        return {
            "state": state.model_dump(mode="json", exclude={"since"}),
            "does_things": room.does_things,
            "people": self._people(collection),
            "collections": [
                {"id": one.id, "name": one.name, "pairs": one.pairs, "hidden": one.hidden}
                | {"everyone": one.settings.everyone, "judgements": one.judgements}
                for one in room.annotation.collections()
            ],
            "collection": collection.id if collection else None,
            "agreement": self._agreement(collection),
            "question": self._question(revealed=True),
            "board": self._board(),
            "recorded": self._recorded(),
            "queue": self._queue(),
            "runs": [{"id": run.id, "name": run.name} for run in room.store.runs()[:WALL_RUNS]],
        }

    def of_guest(self, user: User) -> Json:
        """What one guest sees: what they may do, how far they are, their rule sets and runs, the question, the board."""
        room, state = self.room, self.room.now
        with room.store.reading() as connection:
            collections = queue_of(connection, user)
        question = self._question(revealed=state.revealed)
        question["mine"] = room.votes.of(room.question())[0].get(user.id)
        if not state.revealed:
            for answer in question["answers"]:
                answer.pop("votes")  # nobody follows the others
        board = self._board()
        return {
            "me": {"id": user.id, "name": room.people.label(user.id) or user.name, "guest": user.guest},
            "paused": state.paused,
            "may": {
                "judge": state.judge,
                "rules": state.rules and room.does_things,
                "train": state.train and room.does_things,
            },
            "steps": state.steps,
            "most_runs": state.runs,
            "collections": collections,
            "question": question,
            "board": board,
            "mine": [entry["title"] for entry in board if entry["person"] == user.id],
            "presets": list(offered()),
            "preset_steps": {name: min(recipe.steps, state.steps) for name, recipe in offered().items()},
            "takes_rules": [name for name, recipe in offered().items() if algorithm_of(recipe).writes_groups],
            "runs": self._runs_of(user),
        }

    def of_wall(self) -> Json:
        """What the projector shows; no choice that the owner keeps to themselves."""
        room, state = self.room, self.room.now
        people = room.people.all()
        view: Json = {
            "show": state.show,
            "open": state.open,
            "paused": state.paused,
            "code": state.code if state.ask_code else None,
            "here": sum(not person.away for person in people),
            "question": self._question(revealed=state.revealed),
            "board": self._board(),
            "agreement": self._agreement(room.collection()),
            "run": self._wall_run(),
        }
        view["table"] = [self._result(run) for run in room.store.runs() if run.state is RunState.FINISHED][:WALL_RUNS]
        return view

    # ---- parts

    def _people(self, collection: Collection | None) -> list[Json]:
        judged: dict[str, int] = {}
        if collection is not None:
            a = annotators_table.c
            with self.room.store.reading() as connection:
                rows = connection.execute(select(a.annotator, a.judged).where(a.collection == collection.id)).all()
            judged = {row.annotator: row.judged for row in rows}
        total = collection.pairs if collection else 0
        active = {
            self.room.training.turns.owners[run.id]: run.state.value
            for run in self.room.store.in_state(RunState.RUNNING, RunState.QUEUED)
            if run.id in self.room.training.turns.owners
        }
        return [
            {"id": one.id, "name": one.label, "place": one.place, "step": one.step, "seen": one.seen, "away": one.away}
            | {"judged": judged.get(one.id, 0), "of": total, "run": active.get(one.id)}
            for one in self.room.people.all()
        ]

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, as it was made last unless somebody has judged or something has changed since."""
        return self._shared(
            name, f"{self.room.mark()} {self.room.supervisor.changes.judgements()}", FRESH_SECONDS, make
        )

    def _queue(self) -> Json:
        """The queue of this second."""
        mark = f"{self.room.mark()} {int(time.monotonic())}"
        return dict(self._shared("queue", mark, 0.0, self._queue_now))

    def _shared(self, name: str, mark: str, fresh: float, make: Callable[[], Any]) -> Any:
        """What ``make`` gave last, for all who look; made anew under another mark, but not within ``fresh`` seconds."""
        with self._lock:
            kept, at, value = self._kept.get(name, ("", 0.0, None))
            if kept != mark and time.monotonic() - at >= fresh:
                value = make()
                self._kept[name] = (mark, time.monotonic(), value)
            return value

    def _agreement(self, collection: Collection | None) -> Json | None:
        return None if collection is None else self._once(f"agreement {collection.id}", lambda: self._agree(collection))

    def _agree(self, collection: Collection) -> Json:
        """α with its interval, and the pairs that divide people most, by their number in the collection's own order."""
        with self.room.store.reading() as connection:
            current = current_judgements(connection, collection.id)
            p = pairs_table.c
            order = select(p.id).where(p.collection == collection.id, p.gold.is_(None)).order_by(p.rank)
            numbers = {pair: number for number, pair in enumerate(connection.execute(order).scalars(), 1)}
        blind = [judgement for judgement in current if not judgement.revealed and judgement.pair_id in numbers]
        choices = votes(blind)
        alpha, raw = krippendorffs_alpha(choices), raw_agreement(choices)
        interval = alpha_interval(choices)
        return {
            "collection": collection.name,
            "pairs": collection.pairs,
            "everyone": collection.settings.everyone,
            "judgements": sum(len(of_pair) for of_pair in choices.values()),
            "alpha": alpha.value,
            "why": alpha.why,
            "interval": interval,
            "raw": raw.value,
            "divided": _divided(choices, numbers),
        }

    def _question(self, *, revealed: bool) -> Json:
        room = self.room
        question = room.question()
        chosen, counts = room.votes.of(question)
        shown = voting.as_json(question, revealed=revealed)
        shown |= {"voted": len(chosen), "revealed": room.now.revealed}
        if revealed or room.now.revealed:
            shown["all_right"] = sum(
                [place in places for place in range(len(question.answers))] == list(question.kept)
                for places in chosen.values()
            )
        for answer, count in zip(shown["answers"], counts, strict=True):
            answer["votes"] = count
        return shown

    def _board(self) -> list[Json]:
        return list(self._once("board", lambda: [self._line(entry) for entry in self.room.board.entries()]))

    def _line(self, entry: Entry) -> Json:
        agree = entry.agree.share if entry.agree.of else None
        return {
            "person": entry.person,
            "name": self.room.people.label(entry.person),
            "title": entry.title,
            "rules": entry.rules,
            "score": entry.score,
            "agree": agree,
            "compared": entry.agree.of,
            "hacked": entry.hacked,
        }

    def _recorded(self) -> Json | None:
        run = self.room.recorded()
        return {"id": run, "name": self.room.store.run(run).name} if run else None

    def _queue_now(self) -> Json:
        """The runs of guests: those that run, those that wait in their order with the time until each starts, how many are done,
        and the newest of these, as many as can be compared."""
        room = self.room
        owners = room.training.turns.owners
        running = [
            summary(run, room.store) | {"person": owners[run.id], "name_of_person": room.people.label(owners[run.id])}
            for run in room.store.in_state(RunState.RUNNING)
            if run.id in owners
        ]
        ended = [run for run in room.store.in_state(RunState.FINISHED) if run.id in owners]
        waiting = [run for run in room.training.turns.order(room.store.queue()) if run.id in owners]
        held = [run for run in room.store.queue() if run.id in owners and run not in waiting]
        mean = _mean_seconds(ended[:LATEST])
        starts = _starts([one["seconds_left"] for one in running], len(waiting), mean)
        return {
            "paused": room.now.queue_paused or room.now.paused,
            "running": [
                {name: one[name] for name in ("id", "name_of_person", "step", "steps", "seconds_left", "stage")}
                for one in running
            ],
            "waiting": [
                {"id": run.id, "name_of_person": room.people.label(owners[run.id]), "starts_in": at}
                for run, at in zip([*waiting, *held], [*starts, *[None] * len(held)], strict=True)
            ],
            "done": len(ended),
            "finished": [run.id for run in ended[:MOST_RUNS]],
            "all_done_in": starts[-1] + mean if starts and starts[-1] is not None and mean else None,
        }

    def _runs_of(self, user: User) -> list[Json]:
        theirs = self.room.training.of(user.id)
        if not theirs:
            return []
        waits = {one["id"]: one["starts_in"] for one in self._queue()["waiting"]}
        names = ("id", "name", "state", "step", "steps", "seconds_left", "stage", "error")
        return [
            {name: value for name, value in summary(run, self.room.store).items() if name in names}
            | {"starts_in": waits.get(run.id)}
            for run in theirs
        ]

    def _wall_run(self) -> Json | None:
        """The run that the owner chose; else the newest with groups, which has curves too; else the newest that began."""
        store, chosen = self.room.store, self.room.now.show_run
        runs = [run for run in store.runs() if run.state is not RunState.QUEUED]
        ways = (lambda run: run.id == chosen, lambda run: store.folder(run.id).has_groups(), lambda run: True)
        run = next((run for way in ways for run in runs if way(run)), None)
        return {"id": run.id, "name": run.name, "algorithm": run.algorithm, "state": run.state} if run else None

    def _result(self, run: Run) -> Json:
        result = self.room.store.folder(run.id).result() or {}
        before, after = result.get("before") or {}, result.get("after") or {}
        return {
            "name": run.name,
            "algorithm": run.algorithm,
            "before": before.get("pass_at_1"),
            "after": after.get("pass_at_1"),
            "seconds": result.get("seconds"),
            "memory": result.get("peak_memory_bytes"),
        }


def _divided(choices: Any, numbers: dict[str, int]) -> list[Json]:
    """The pairs with the smallest majority: ``{"number", "first", "second", "other"}``, votes each."""
    rows = []
    for pair, of_pair in choices.items():
        said = list(of_pair.values())
        counts = [said.count(choice) for choice in (Choice.FIRST, Choice.SECOND)]
        if len(said) > 1 and len(set(said)) > 1:
            largest = max(said.count(choice) for choice in set(said)) / len(said)
            rows.append((largest, numbers[pair], counts, len(said) - sum(counts)))
    return [
        {"number": number, "first": counts[0], "second": counts[1], "other": other}
        for _, number, counts, other in sorted(rows)[:MOST_DIVIDED]
    ]


def _mean_seconds(ended: Sequence[Run]) -> float | None:
    times = [run.ended - run.started for run in ended if run.ended and run.started]
    return statistics.fmean(times) if times else None


def _starts(left: Sequence[float | None], waiting: int, mean: float | None) -> list[float | None]:
    """Seconds until each of the waiting runs starts, two at a time; None where no run has ended yet to tell how long one takes."""
    if mean is None or any(seconds is None for seconds in left):
        return [None] * waiting
    free = sorted([float(seconds or 0.0) for seconds in left] + [0.0] * (SLOTS - len(left)))[:SLOTS]
    starts: list[float | None] = []
    for _ in range(waiting):
        free.sort()
        starts.append(round(free[0], 1))
        free[0] += mean
    return starts

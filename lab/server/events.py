"""Live events of a run: one reader for each watched run, however many watch it, as server-sent events.

A watch looks at its run a few times a second, off the event loop. Watchers stand in *lanes*, by the cursor they have:
a lane's frame is read and written as JSON once, for all in it, and lanes that meet become one; so thirty watchers cost
one read and thirty sends. The watch ends with its last watcher or with its run: a finished run is not polled. What a
frame holds is ``RunFolder.frame`` and the run's summary; ``runs.py`` has the routes.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from starlette.concurrency import run_in_threadpool

from lab.errors import LabError
from lab.runs.progress import with_warnings
from lab.server.answers import HEARTBEAT, QUIET_SECONDS
from lab.store.lines import dump
from lab.store.runs import Store

log = logging.getLogger(__name__)

GLANCE = 0.4  # seconds between two looks: with the worker's own delay, metric → screen stays under a second
BEHIND = 64  # frames that a slow browser may be behind before it is let go, to come back with its cursor
NOTHING_NEW: dict[str, object] = {"metrics": [], "groups": [], "log": "", "reset": False}

Watcher: TypeAlias = "asyncio.Queue[bytes | None]"
"""The events that one browser has yet to be sent; None says that there is no further one."""


class Place(NamedTuple):
    """Where a watcher stands: the cursor it has, and a mark of the summary that it was last told."""

    cursor: str
    told: str = ""


@dataclass(frozen=True)
class Look:
    """What one look at a run found for one place."""

    place: Place
    data: bytes
    nothing: bool
    """Neither lines nor log beyond the cursor."""
    closing: bytes | None
    """Of an ended run: the same object once more, with nothing new in it, for the last frame."""

    def events(self) -> list[bytes | None]:
        """The look as server-sent events; None after the last one."""
        cursor = self.place.cursor.encode()
        events: list[bytes | None] = [b"id: %s\ndata: %s\n\n" % (cursor, self.data)]
        if self.closing is not None:
            events += [b"event: end\nid: %s\ndata: %s\n\n" % (cursor, self.closing), None]
        return events


class Watches:
    """The runs that somebody watches now. Lives on the event loop; reads in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watches: dict[str, _Watch] = {}

    async def look(self, run_id: str, since: str) -> Look:
        """One frame after ``since``, at once. Raises StateError for a run that is not there."""
        place = Place(since)
        return (await run_in_threadpool(_read, self._store, run_id, [place]))[place]

    async def follow(self, run_id: str, since: str) -> AsyncIterator[bytes]:
        """Server-sent events after ``since``, until the run ends, the lab closes, or the caller stops listening."""
        watch = self._watches.get(run_id)
        if watch is None or watch.ended:
            watch = self._watches[run_id] = _Watch(self._store, run_id)
        watcher = watch.enter(since)
        try:
            while True:
                try:
                    event = await asyncio.wait_for(watcher.get(), QUIET_SECONDS)
                except TimeoutError:
                    event = HEARTBEAT
                if event is None:
                    return
                yield event
        finally:
            watch.leave(watcher)
            if watch.ended and self._watches.get(run_id) is watch:
                del self._watches[run_id]

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        for watch in list(self._watches.values()):
            watch.dismiss()

    @property
    def looked_at(self) -> list[str]:
        """The runs that are being read now."""
        return [run_id for run_id, watch in self._watches.items() if not watch.ended]


class _Watch:
    """One watched run, its lanes, and the task that looks."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.ended = False
        self._lanes: dict[Place, set[Watcher]] = {}
        self._new = asyncio.Event()
        self._task = asyncio.create_task(self._work(), name=f"watch {run_id}")

    def enter(self, since: str) -> Watcher:
        """A new watcher; it is served at once, not at the next look."""
        watcher: Watcher = asyncio.Queue()
        self._lanes.setdefault(Place(since), set()).add(watcher)
        self._new.set()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forget a watcher; without any, nobody looks."""
        for place, lane in list(self._lanes.items()):
            lane.discard(watcher)
            if not lane:
                del self._lanes[place]
        if not self._lanes:
            self._end()

    def dismiss(self) -> None:
        """Tell every watcher that there is no more, and look no more."""
        for lane in self._lanes.values():
            _send(lane, None)
        self._end()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self._task.cancel()

    async def _work(self) -> None:
        try:
            while not self.ended:
                self._new.clear()
                self._tell(await run_in_threadpool(_read, self.store, self.run_id, list(self._lanes)))
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._new.wait(), GLANCE)
        except Exception as error:  # deleted meanwhile, or unreadable: the browser comes back and the route says which
            if not isinstance(error, LabError):
                log.exception("run %s can no longer be watched", self.run_id)
            self.dismiss()

    def _tell(self, looks: dict[Place, Look]) -> None:
        lanes: dict[Place, set[Watcher]] = {}
        for place, lane in self._lanes.items():
            look = looks.get(place)
            if look is None:  # came in while we looked
                lanes.setdefault(place, set()).update(lane)
                continue
            if look.place != place or look.closing:
                _send(lane, *look.events())
            self.ended = self.ended or look.closing is not None
            lanes.setdefault(look.place, set()).update(lane)
        self._lanes = lanes


def _send(lane: set[Watcher], *events: bytes | None) -> None:
    for watcher in list(lane):
        if watcher.qsize() >= BEHIND:  # it comes back, with the cursor of what it did read
            lane.discard(watcher)
            while not watcher.empty():
                watcher.get_nowait()
            watcher.put_nowait(None)
            continue
        for event in events:
            watcher.put_nowait(event)


def _read(store: Store, run_id: str, places: Iterable[Place]) -> dict[Place, Look]:
    """Look at a run once, for each of the places. The state is read first: what an ended run wrote is then all there."""
    run = store.run(run_id)
    about = with_warnings(run, store)
    mark = hashlib.sha1(dump({**about, "seconds_left": None}), usedforsecurity=False).hexdigest()
    looks = {}
    for place in places:
        frame = store.folder(run_id).frame(place.cursor)
        head = {"cursor": frame.cursor, "run": about}
        data = {"metrics": frame.metrics, "groups": frame.groups, "log": frame.log, "reset": frame.reset}
        closing = dump({**head, **NOTHING_NEW}) if run.state.ended else None
        looks[place] = Look(Place(frame.cursor, mark), dump({**head, **data}), frame.empty(), closing)
    return looks

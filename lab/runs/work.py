"""One life for everything that a worker process does: queued, running, ended. A run and a job are the two kinds of ``Work``.

Starts a worker, watches it, carries a stop through, finds it again after a restart, and says how it ended. The supervisor, the
page and the command line use the same code. Not here: where the state is kept, which is the row of a run in the database
(``run_work.py``) and the folder of a job (``job_work.py``).
"""

from __future__ import annotations

import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from lab.errors import LabError, MachineError, StateError, last_line
from lab.runs.launcher import Launcher, Worker, is_worker_of
from lab.runs.processes import Identity, identity_of
from lab.runs.slots import BESIDE, MACHINE, slot_path, work_slots
from lab.store.locks import Lock, try_lock
from lab.store.runs import RunState
from lab.store.worker_folder import WorkerFolder
from lab.words import size_text

GLANCE = 0.3
"""Seconds between two polls of a worker."""
KILL_AFTER = 20.0
"""Seconds from SIGTERM to SIGKILL."""
LINGER = 60.0
"""Seconds that a worker may take to exit once its result is written."""
EXIT_STOPPED = 3
"""The exit status of a run's worker that stopped because it was asked to."""
FULL_BELOW = 1 << 20
FULL_SIGNS = ("No space left on device", "Errno 28", "Disk quota exceeded", "disk_full")


@dataclass(frozen=True)
class Ending:
    """How a piece of work ended."""

    state: RunState
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class ErrorKeys:
    """The keys of the errors of one kind of work."""

    not_running: str
    """A stop that comes too late."""
    not_started: str
    lost: str
    """Its worker was gone while nobody watched."""
    disk_full: str
    out_of_memory: str
    signalled: str
    crashed: str
    terminated: str | None = None
    """After SIGTERM; None where it is told like any other signal."""
    no_result: str | None = None
    """After exit status 0 without a result; None where it is told like any other status."""


class Work(ABC):
    """One run or one job: its folder, and the changes of its state. Each change happens once, whichever process makes it first."""

    keys: ClassVar[ErrorKeys]
    stops_at_step: ClassVar[bool]
    """Whether it can be stopped at the end of a step; else a stop ends its worker at once."""
    slot: int = MACHINE
    """The slot that its worker holds (``slots.py``)."""

    def __init__(self, work_id: str, folder: WorkerFolder, named: dict[str, str]) -> None:
        """``named`` is the parameter by which errors name it."""
        self.id, self.folder, self._named = work_id, folder, named

    # ---- its state, which each kind keeps in its own place

    @abstractmethod
    def state(self) -> RunState:
        """The present state, read anew."""

    @abstractmethod
    def begin(self) -> bool:
        """From queued to running; False where it does not wait any more."""

    @abstractmethod
    def leave_queue(self) -> bool:
        """From queued to stopped; False where it does not wait any more."""

    @abstractmethod
    def return_to_queue(self) -> None:
        """From running back to queued: it was begun, and no worker came to be."""

    @abstractmethod
    def identity(self) -> Identity | None:
        """The identity of its worker, where it was noted."""

    @abstractmethod
    def note(self, identity: Identity) -> bool:
        """Note the worker of work that runs without one; False where somebody else did."""

    @abstractmethod
    def end(self, ending: Ending, *, of: Identity | None, certain: bool = True) -> None:
        """Write the ending of the attempt that the worker ``of`` made (None: one whose worker was never noted), once.

        ``certain``: the exit code is known, so that this corrects a *lost* that others wrote.
        """

    def stop_step(self) -> int | None:
        """The step at whose end a stop that is asked for now will be; None where that is not known."""
        return None

    def lost_params(self) -> dict[str, Any]:
        """The parameters of the error of a lost worker."""
        return {}

    # ---- the same for both

    def stop(self, *, now: bool) -> None:
        """Ask for a stop, from any process: whoever watches the worker carries it through. Queued work leaves the queue.

        Raises StateError where it has ended.
        """
        if self.state() is RunState.QUEUED and self.leave_queue():
            return
        state = self.state()
        if state is not RunState.RUNNING:
            raise StateError(self.keys.not_running, **self._named, state=state)
        self.folder.request_stop(now=now, step=self.stop_step())

    def stopped_now(self) -> bool:
        """Whether somebody asked for an end at once."""
        return bool((self.folder.stop_request() or {}).get("now"))

    def ending(self, exit_code: int | None, peak: int | None = None) -> Ending:
        """How it ended, once its process is gone: its own word first (result.json), then the exit code; ``peak`` in bytes."""
        result = self.folder.result()
        if isinstance(result, dict) and result.get("state") in ("finished", "stopped", "failed"):
            error = result.get("error")
            if (error or {}).get("key") == "worker_failed" and disk_is_full(self.folder):
                error = self._disk_full().as_dict()  # a library worded it in its own way
            return Ending(RunState(result["state"]), error)
        if self.stopped_now() or (self.stops_at_step and exit_code == EXIT_STOPPED):
            return Ending(RunState.STOPPED)
        if exit_code is None:
            return Ending(RunState.LOST, StateError(self.keys.lost, **self.lost_params()).as_dict())
        return Ending(RunState.FAILED, self._failure(exit_code, peak).as_dict())

    def failed_start(self, error: OSError) -> Ending:
        """The ending of work whose worker could not be started."""
        reason = StateError(self.keys.not_started, **self._named, reason=error.strerror or error)
        return Ending(RunState.FAILED, reason.as_dict())

    def _failure(self, exit_code: int, peak: int | None) -> LabError:
        if disk_is_full(self.folder):
            return self._disk_full()
        if self.keys.terminated and exit_code == -signal.SIGTERM:
            return StateError(self.keys.terminated, signal="SIGTERM")
        if exit_code == -9:
            return MachineError(self.keys.out_of_memory, peak=size_text(peak))
        if self.keys.no_result and exit_code == 0:
            return StateError(self.keys.no_result)
        line = last_line(self.folder.log().text[-4000:])[-300:]
        if exit_code < 0:
            name = signal.Signals(-exit_code).name if -exit_code in list(signal.Signals) else str(-exit_code)
            return StateError(self.keys.signalled, signal=name, line=line)
        return StateError(self.keys.crashed, code=exit_code, line=line)

    def _disk_full(self) -> MachineError:
        return MachineError(self.keys.disk_full, path=self.folder.path)


class Watched:
    """Running work and its worker."""

    def __init__(self, work: Work, worker: Worker) -> None:
        self.work, self.worker = work, worker
        self.peak: int | None = None
        """The most memory that the worker was seen to hold, in bytes."""
        self._terminated: float | None = None
        self._result_seen: float | None = None

    def poll(self) -> Ending | None:
        """Check the worker, a few times a second: carry a stop through, and say how it ended once it has; None before."""
        if memory := self.worker.memory():
            self.peak = max(memory, self.peak or 0)
        if self.worker.ended():
            self.worker.end(gently=False)  # whatever it started and left behind
            return self.work.ending(self.worker.exit_code, self.peak)
        if self.work.stopped_now() or self._lingers():
            self._end()
        return None

    def settle(self, ending: Ending) -> None:
        """Write how it ended."""
        self.work.end(ending, of=self.worker.identity, certain=self.worker.exit_code is not None)

    def wait(self, each: Callable[[], None] = lambda: None) -> None:
        """Poll until it has ended, and write how; ``each`` is called after each poll."""
        while (ending := self.poll()) is None:
            each()
            time.sleep(GLANCE)
        self.settle(ending)

    def _lingers(self) -> bool:
        if self.work.folder.result() is None:
            return False
        now = time.monotonic()
        self._result_seen = self._result_seen or now
        return now - self._result_seen > LINGER

    def _end(self) -> None:
        now = time.monotonic()
        if self._terminated is None:
            self._terminated = now
            self.worker.end(gently=True)
        elif now - self._terminated > KILL_AFTER:
            self.worker.end(gently=False)


class Queue(Protocol):
    """All work of one kind in a home."""

    def running(self) -> Iterable[Work]:
        """The work that runs, with its worker noted or not."""

    def next(self) -> Work | None:
        """The work whose turn it is."""


class WatchList:
    """The running work of one kind. For the supervisor's thread alone."""

    def __init__(self, queue: Queue, launcher: Launcher, home: Path) -> None:
        self.queue = queue
        self._launcher, self._home = launcher, home
        self._watched: dict[str, Watched] = {}

    @property
    def busy(self) -> bool:
        """Whether a worker is watched."""
        return bool(self._watched)

    def adopt(self) -> None:
        """Watch the workers that others started: an earlier life of the app, or a command."""
        for work in self.queue.running():
            if work.id in self._watched:
                continue
            identity = work.identity() or find_worker(work, self._home)
            if identity is not None:
                self._watched[work.id] = Watched(work, self._launcher.attach(identity))

    def watch(self) -> None:
        """Poll each worker; settle those that have ended."""
        for work_id, watched in list(self._watched.items()):
            if (ending := watched.poll()) is not None:
                watched.settle(ending)
                del self._watched[work_id]

    @property
    def watched(self) -> tuple[Work, ...]:
        """The work whose workers are watched."""
        return tuple(watched.work for watched in self._watched.values())

    def start(self, work: Work, slot: Lock, threads: int | None = None) -> None:
        """Start the work in the slot; ``threads`` as in ``launch``."""
        watched = launch(work, self._launcher, slot, threads)
        if watched is not None:
            self._watched[work.id] = watched


def launch(work: Work, launcher: Launcher, slot: Lock, threads: int | None = None) -> Watched | None:
    """Start the worker of queued work in the slot, on so many threads, or on as many as the launcher gives where none are named.
    None where it was cancelled meanwhile, or could not be started.

    Work says *running* before there is a process, so that a crash in between never starts it twice; ``find_worker`` sorts that case
    out. The slot is released whatever happens: from then on the worker alone holds it.
    """
    try:
        try:
            if not work.begin():
                return None
            worker = launcher.launch(work.folder, slot, **({"threads": threads} if threads else {}))
        except OSError as error:
            work.end(work.failed_start(error), of=None)
            return None
        work.note(worker.identity)
    finally:
        slot.release()
    return Watched(work, worker)


def find_worker(work: Work, home: Path) -> Identity | None:
    """The worker of running work whose starter was killed before it could note it; None where there is none to be found.

    Where nobody holds the slot there is no worker: the work has ended if it left a result, and else goes back to the queue.
    """
    if not any_slot_taken(home, beside=work.slot == BESIDE):
        if work.folder.result() is not None:
            work.end(work.ending(None), of=None)
        else:
            work.return_to_queue()
        return None
    identity = identity_of(int((work.folder.heartbeat() or {}).get("pid") or 0))
    if identity is None or not is_worker_of(identity, work.folder):
        return None  # it has not come so far yet, or belongs to a command, which will note the pid itself
    return identity if work.note(identity) else None


def any_slot_taken(home: Path, *, beside: bool) -> bool:
    """Whether a worker, ours or not, holds one of the home's slots; ``beside``: that of a chat, else those of runs and jobs."""
    for path in [slot_path(home, BESIDE)] if beside else work_slots(home):
        lock = try_lock(path)
        if lock is None:
            return True
        lock.release()
    return False


def disk_is_full(folder: WorkerFolder) -> bool:
    """Whether the end of the worker's log, or the disk itself, says so."""
    tail = folder.log().text[-4000:]
    return any(sign in tail for sign in FULL_SIGNS) or shutil.disk_usage(folder.path).free < FULL_BELOW

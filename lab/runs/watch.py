"""One worker, watched: how a stop is carried through, and what became of the run when the process is gone.

Not here: the queue (``supervisor.py``). The supervisor and ``python -m lab train`` watch by the same code.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lab.core.recipes import parse
from lab.errors import LabError, MachineError, StateError
from lab.runs.estimate import keep_with_run
from lab.runs.launcher import Launcher, Worker, is_worker_of
from lab.runs.processes import Identity, identity_of
from lab.runs.slots import slot_path
from lab.store.locks import Lock, try_lock
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState, Store
from lab.store.worker_folder import WorkerFolder
from lab.words import size_text

KILL_AFTER = 20.0  # seconds from SIGTERM to SIGKILL
LINGER = 60.0  # seconds that a worker may take to exit once its result is written
EXIT_STOPPED = 3
FULL_BELOW = 1 << 20
NO_WORKER: dict[str, Any] = {"pid": None, "pid_started": None, "boot_id": None}
"""The columns that name a run's worker, while none is noted."""
FULL_SIGNS = ("No space left on device", "Errno 28", "Disk quota exceeded", "disk_full")


@dataclass(frozen=True)
class Ending:
    """What became of a run."""

    state: RunState
    error: dict[str, Any] | None = None


class Watched:
    """A running run, or job, and its worker. ``how_ended`` says what became of it (``ending``, for a run)."""

    def __init__(
        self, run_id: str, worker: Worker, folder: WorkerFolder, how_ended: Callable[..., Ending] | None = None
    ) -> None:
        self.run_id = run_id
        self.worker = worker
        self.folder = folder
        self.how_ended: Callable[..., Ending] = how_ended or ending
        self.peak: int | None = None
        self._asked_to_end: float | None = None
        self._result_seen: float | None = None

    def look(self) -> Ending | None:
        """One glance, a few times a second: carry a stop through, and say how it ended once it has."""
        if memory := self.worker.memory():
            self.peak = max(memory, self.peak or 0)
        if self.worker.ended():
            self.worker.end(gently=False)  # whoever it left behind
            return self.how_ended(self.folder, self.worker.exit_code, ended_by_us=self._stop_now(), peak=self.peak)
        if self._stop_now() or self._lingers():
            self._end()
        return None

    def _stop_now(self) -> bool:
        request = self.folder.stop_request()
        return bool(request and request.get("now"))

    def _lingers(self) -> bool:
        if self.folder.result() is None:
            return False
        now = time.monotonic()
        self._result_seen = self._result_seen or now
        return now - self._result_seen > LINGER

    def _end(self) -> None:
        now = time.monotonic()
        if self._asked_to_end is None:
            self._asked_to_end = now
            self.worker.end(gently=True)
        elif now - self._asked_to_end > KILL_AFTER:
            self.worker.end(gently=False)


def launch(store: Store, launcher: Launcher, run: Run, slot: Lock) -> Watched | None:
    """Start a queued run's worker in the slot. None where it was cancelled meanwhile, or could not be started.

    The row says *running* before there is a process, so that a crash in between never starts a run twice; the
    supervisor sorts that case out (``unnoted_worker``). The slot is let go whatever happens: from then on the worker
    alone holds it.
    """
    began = time.time()
    values: dict[str, Any] = {"state": RunState.RUNNING, "started": run.started or began, "ended": None, "error": None}
    folder = store.folder(run.id)
    try:
        if not store.change(run.id, only_if=[RunState.QUEUED], **values, **NO_WORKER):
            return None
        try:
            worker = launcher.launch(folder, slot)
        except OSError as error:
            reason = StateError("worker_did_not_start", run=run.name, reason=error.strerror or error)
            settle(store, run.id, Ending(RunState.FAILED, reason.as_dict()), of=None)
            return None
        store.change(run.id, **noted(worker.identity))
    finally:
        slot.release()
    with suppress(LabError):  # a recipe of another version of the lab
        keep_with_run(parse(run.recipe, run.name), store.home, folder)
    return Watched(run.id, worker, folder)


def settle(store: Store, run_id: str, ending: Ending, *, of: Identity | None, certain: bool = True) -> None:
    """Write the ending of the attempt that the worker ``of`` made (None: one whose worker was never noted), once.

    Who saw the exit code (``certain``) corrects a *lost* of others. An attempt that has been resumed meanwhile is left alone.
    """
    from_states = [RunState.RUNNING, RunState.LOST] if certain else [RunState.RUNNING]
    values: dict[str, Any] = {"state": ending.state, "ended": time.time(), "error": ending.error}
    store.change(run_id, only_if=from_states, where=NO_WORKER if of is None else noted(of), **values)


def noted(identity: Identity) -> dict[str, Any]:
    """The columns of a run's row that name its worker."""
    return {"pid": identity.pid, "pid_started": identity.started, "boot_id": identity.boot_id}


def run_identity(run: Run) -> Identity | None:
    """The identity of the run's worker, where it was noted."""
    if run.pid is None or run.pid_started is None or run.boot_id is None:
        return None
    return Identity(run.pid, run.pid_started, run.boot_id)


def unnoted_worker(store: Store, run: Run) -> Identity | None:
    """The worker of a running run whose starter was killed before it could note it; None where there is none to be found.

    Where nobody holds the slot there is no worker: the run has ended if it left a result, and else goes back to the queue.
    """
    folder = store.folder(run.id)
    with try_lock(slot_path(store.home)) or Lock(None) as slot:
        if slot.file is not None:
            if folder.result() is not None:
                settle(store, run.id, ending(folder, None, ended_by_us=False), of=None)
            else:
                store.change(run.id, only_if=[RunState.RUNNING], where=NO_WORKER, state=RunState.QUEUED)
            return None
    identity = identity_of(int((folder.heartbeat() or {}).get("pid") or 0))
    if identity is None or not is_worker_of(identity, folder):
        return None  # it has not come so far yet, or belongs to `train`, which will note the pid itself
    found = store.change(run.id, only_if=[RunState.RUNNING], where=NO_WORKER, **noted(identity))
    return identity if found else None


def ending(folder: RunFolder, exit_code: int | None, *, ended_by_us: bool, peak: int | None = None) -> Ending:
    """What became of a run whose process is gone: its own word first (result.json), then how it went."""
    result = folder.result()
    if isinstance(result, dict) and result.get("state") in ("finished", "stopped", "failed"):
        error = result.get("error")
        if (error or {}).get("key") == "worker_failed" and disk_is_full(folder):
            error = MachineError("disk_full", path=folder.path).as_dict()  # a library worded it in its own way
        return Ending(RunState(result["state"]), error)
    if ended_by_us or exit_code == EXIT_STOPPED:
        return Ending(RunState.STOPPED)
    if exit_code is None:
        return Ending(RunState.LOST, _lost(folder).as_dict())
    return Ending(RunState.FAILED, _failure(folder, exit_code, peak).as_dict())


def _lost(folder: RunFolder) -> LabError:
    checkpoint = folder.last_checkpoint()
    return StateError("worker_lost", step=checkpoint[0] if checkpoint else 0)


def _failure(folder: RunFolder, exit_code: int, peak: int | None) -> LabError:
    tail = folder.log().text[-4000:]
    if disk_is_full(folder):
        return MachineError("disk_full", path=folder.path)
    if exit_code == -signal.SIGTERM:
        return StateError("worker_was_ended", signal="SIGTERM")
    if exit_code == -9:
        return MachineError("probably_out_of_memory", peak=size_text(peak))
    if exit_code < 0:
        return StateError("worker_crashed_by_signal", signal=signal_name(-exit_code), line=last_line(tail))
    if exit_code == 0:
        return StateError("worker_left_no_result")
    return StateError("worker_crashed", code=exit_code, line=last_line(tail))


def disk_is_full(folder: WorkerFolder) -> bool:
    """Whether the worker's last words, or the disk itself, say so."""
    tail = folder.log().text[-4000:]
    return any(sign in tail for sign in FULL_SIGNS) or shutil.disk_usage(folder.path).free < FULL_BELOW


def last_line(text: str) -> str:
    """The last line of a log that says anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "—"


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)

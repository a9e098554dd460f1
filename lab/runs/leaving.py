"""A run that leaves the lab, as page and command line ask for it: checked, written by a job, put where it shall lie, sent to the Hub.

Not here: what is written (``lab/training/out``, ``lab/training/eject``).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.core.out_jobs import EjectSpec, OutSpec
from lab.errors import InputError, MachineError, StateError
from lab.runs import checks
from lab.store.hub import hub_client, send_folder
from lab.store.models import resolve
from lab.store.runs import Store, valid_run_id

OUT = "out"
"""The folder within a job's that holds what was written."""


def check_leaving(spec: OutSpec | EjectSpec, store: Store) -> None:
    """Raise the LabError of the first thing that would make the job fail."""
    run_id = spec.run.partition("@")[0]
    run = store.run(run_id)
    if isinstance(spec, EjectSpec):
        return
    if not run.state.ended:
        raise StateError("out_run_goes_on", run=run.name, state=run.state.value)
    checks.check_model(spec.model, store)
    resolve(spec.model, store.home)


def run_named(text: str) -> str:
    """``ID`` or ``ID@STEP`` of what somebody typed, with or without ``run:``. Raises StateError where it is no run's."""
    run = text.removeprefix("run:")
    if not valid_run_id(run.partition("@")[0]):
        raise StateError("no_such_run", run=run[:64])
    return run


def check_target(folder: str) -> Path:
    """The folder to write to, made absolute. Raises InputError where it is not empty, or where its parent cannot be written."""
    target = Path(folder).expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("export_not_empty", folder=target)
    return target


def put(written: Path, target: Path) -> Path:
    """Move what a job has written to its place. Raises MachineError where the disk does not let it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()
        shutil.move(written, target)
    except OSError as error:
        raise MachineError("export_cannot_write", folder=target, why=error.strerror or type(error).__name__) from error
    return target


def push(folder: Path, repository: str, *, private: bool = True) -> str:
    """Send a folder to the Hub as a model; its address there.

    Raises InputError without a token, MachineError where the Hub refuses it or does not answer.
    """
    hub = hub_client()
    send_folder(
        hub, folder, repository, "A model from the Alignment Lab", unreachable="out_push_unreachable", private=private
    )
    return f"{hub.endpoint}/{repository}"

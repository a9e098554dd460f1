"""Estimates that outlive the app, in ``LAB_HOME/cache/estimates``: opening the page anew need not measure a preset anew.

One file an estimate. Its name is a hash of all that the estimate rests on, the lab's own code and the libraries' versions among it,
so one that holds no longer is never found. What is free on a GPU is known to a worker alone: of an estimate for one, the cost
holds later and the memory does not.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import ValidationError

from lab.core.budget import Estimate
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.launcher import ROOT
from lab.runs.worker_query import mark
from lab.store.lines import read_json, write_json
from lab.store.models import resolve

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes")
ROOMS = ("core", "data", "store", "tasks", "training")
"""Of the lab, those that a measurement runs."""
KEPT = 256
"""Files; beyond, the oldest go."""
GPU = Path("/dev/nvidiactl")


class KeptEstimates:
    """The estimates of a home. Whatever the disk does, a page is only slower for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "cache" / "estimates"

    def find(self, recipe: Recipe, key: str) -> Estimate | None:
        """What was kept under this key, if the model and all else are as they were."""
        path = self._path(recipe, key)
        if path is None:
            return None
        try:
            return Estimate.model_validate(read_json(path))
        except ValidationError:
            return None

    def keep(self, recipe: Recipe, key: str, found: Estimate) -> None:
        """Keep an estimate, where the model is one that can be told from another."""
        path = self._path(recipe, key)
        if path is None:
            return
        with suppress(OSError, LabError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(path, found.model_dump(mode="json"), durable=False)
            oldest_first = sorted(self.folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
            for file in oldest_first[:-KEPT]:
                file.unlink()

    def _path(self, recipe: Recipe, key: str) -> Path | None:
        """None where the model is not in a folder here, so that nothing says whether it has changed."""
        try:
            found = resolve(recipe.model, self.home)
        except LabError:
            return None
        files = [Path(found.base, "config.json"), Path(found.base, "tokenizer.json")]
        files += [Path(found.adapter, "adapter_config.json")] if found.adapter else []
        model = [mark(str(file)) for file in files]
        if not model[0]:
            return None
        gpu = [GPU.exists(), os.environ.get("CUDA_VISIBLE_DEVICES")]
        whole = json.dumps([key, model, gpu, _code()])
        return self.folder / f"{hashlib.sha256(whole.encode()).hexdigest()[:32]}.json"


@cache
def _code() -> str:
    """The lab that measures and the libraries that it measures with."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (ROOT / "lab" / room).rglob("*.py")):
        digest.update(path.read_bytes())
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            digest.update(f"{name} {version(name)}".encode())
    return digest.hexdigest()

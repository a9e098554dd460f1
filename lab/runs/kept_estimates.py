"""Estimates that outlive the app, in ``LAB_HOME/cache/estimates``: opening the page anew need not measure a preset anew.

One file an estimate. Its name is a hash of all that the estimate rests on, the lab's own code and the libraries' versions among it,
so that an outdated one is never found. Only a worker knows what is free on a GPU: of an estimate for a GPU, the cost stays true and
the free memory does not.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from lab.core.budget import Estimate
from lab.core.recipes import Recipe
from lab.errors import LabError
from lab.runs.launcher import ROOT
from lab.runs.worker_query import mark
from lab.store.lines import read_json, write_json
from lab.store.models import resolve
from lab.store.runs import versions

ROOMS = ("core", "data", "store", "tasks", "training")
"""The rooms whose code a measurement runs."""
KEPT = 256
"""Files; beyond, the oldest go."""
GPU = Path("/dev/nvidiactl")


Kept = TypeVar("Kept", bound=BaseModel)


class KeptAnswers(Generic[Kept]):
    """Measurements of the recipes of a home. Disk errors are ignored: the measurement is then made again."""

    def __init__(self, home: Path, name: str, model: type[Kept]) -> None:
        self.home, self._model = home, model
        self.folder = home / "cache" / name

    def find(self, recipe: Recipe, key: str) -> Kept | None:
        """The measurement under this key, if the model, the code and the libraries are unchanged."""
        path = self._path(recipe, key)
        if path is None:
            return None
        try:
            return self._model.model_validate(read_json(path))
        except ValidationError:
            return None

    def keep(self, recipe: Recipe, key: str, answer: Kept) -> None:
        """Save a measurement, where the model is in a folder here."""
        path = self._path(recipe, key)
        if path is None:
            return
        with suppress(OSError, LabError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(path, answer.model_dump(mode="json"), durable=False)
            oldest_first = sorted(self.folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
            for file in oldest_first[:-KEPT]:
                file.unlink()

    def _path(self, recipe: Recipe, key: str) -> Path | None:
        """None where the model is not in a folder here, so that nothing says whether it has changed."""
        try:
            place = resolve(recipe.model, self.home)
        except LabError:
            return None
        files = [Path(place.base, "config.json"), Path(place.base, "tokenizer.json")]
        files += [Path(place.adapter, "adapter_config.json")] if place.adapter else []
        model = [mark(str(file)) for file in files]
        if not model[0]:
            return None
        gpu = [GPU.exists(), os.environ.get("CUDA_VISIBLE_DEVICES")]
        text = json.dumps([key, model, gpu, _code()])
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


class KeptEstimates(KeptAnswers[Estimate]):
    """The estimates of a home."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "estimates", Estimate)


@cache
def _code() -> str:
    """A hash of the lab's code and of the versions of its libraries."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (ROOT / "lab" / room).rglob("*.py")):
        digest.update(path.read_bytes())
    digest.update(json.dumps(versions()).encode())
    return digest.hexdigest()

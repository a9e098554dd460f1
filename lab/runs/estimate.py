"""What a recipe will cost in memory, asked of a process of its own: only that room may load torch. Answers are kept.

Not here: how it is measured (``lab/training/estimate.py``), and what it means (``lab/core/budget.py``).
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from lab.core.budget import Estimate, Memory
from lab.core.recipes import Device, Recipe
from lab.errors import InputError, LabError, MachineError
from lab.runs.launcher import ALWAYS, ROOT
from lab.store.machine import machine_memory

PATIENCE = 600.0
REMEMBERED = 64
NO_MATTER = frozenset(
    {"name", "about_en", "about_zh", "seed", "steps", "learning_rate", "schedule", "warmup_steps", "weight_decay"}
    | {"max_grad_norm", "save_every", "measure_every", "lora_alpha", "epsilon_low", "epsilon_high", "temperature"}
    | {"threshold", "scale_rewards", "skip_no_spread", "kl_coefficient", "discount", "gae_lambda", "value_clip"}
    | {"value_coefficient", "rules", "rules_weight", "reward_model_weight", "loss_type", "iterations"}
)
"""Settings that change no tensor's size."""


def estimate(recipe: Recipe, home: Path, *, shape: Path | None = None) -> Estimate:
    """Measure a recipe's memory on the meta device; takes seconds. ``shape`` is a ``config.json`` that stands for the model.

    Raises the LabError of a model, data or device that is not there, MachineError where the measuring itself failed.
    """
    command = [sys.executable, "-m", "lab.training", "--measure", "-", "--home", str(home)]
    command += ["--shape", str(shape.absolute())] if shape is not None else []
    try:
        code, answer, complaint = _ask(command, recipe.model_dump_json())
    except subprocess.TimeoutExpired:
        raise MachineError("estimate_late", seconds=round(PATIENCE)) from None
    except OSError as error:
        raise MachineError("estimate_failed", why=str(error)) from None
    try:
        if code:
            raise _error(json.loads(answer))
        return Estimate.model_validate_json(answer)
    except (KeyError, TypeError, ValueError):
        raise MachineError("estimate_failed", why=(complaint or "?")[:300]) from None


def _ask(command: list[str], given: str) -> tuple[int, str, str]:
    """Exit status, last line of the output, last line of the complaints. The page goes first, and its end is this process's too."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | ALWAYS | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    try:
        with suppress(psutil.Error, OSError):
            psutil.Process(process.pid).nice(19 if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)  # type: ignore[attr-defined]
        answer, complaint = process.communicate(given, timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
        atexit.unregister(process.kill)
    return process.returncode, _last_line(answer), _last_line(complaint)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _error(found: Mapping[str, Any]) -> LabError:
    return InputError(str(found["key"]), **found["params"])


class Estimator:
    """Estimates for a page: asked again and again while somebody types, measured one at a time, the latest first.

    ``look`` never waits. Free memory is read anew each time where the machine's own counts.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._known: OrderedDict[str, Estimate | LabError] = OrderedDict()
        self._wanted: tuple[str, Recipe] | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self, recipe: Recipe) -> Estimate | LabError | None:
        """What is known of this recipe; None while it is measured, which this call has then asked for."""
        key = _key(recipe)
        with self._lock:
            if (found := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return with_memory_now(found) if isinstance(found, Estimate) else found
            self._wanted = (key, recipe)
            if self._thread is None:
                self._thread = threading.Thread(target=self._measure, name="estimate", daemon=True)
                self._thread.start()
        return None

    def known(self, recipe: Recipe) -> Estimate | None:
        """What was measured already, if anything; asks for nothing."""
        with self._lock:
            found = self._known.get(_key(recipe))
        return with_memory_now(found) if isinstance(found, Estimate) else None

    def _measure(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._thread = None
                    return
            key, recipe = wanted
            try:
                found: Estimate | LabError = estimate(recipe, self._home)
            except LabError as error:
                found = error
            with self._lock:
                self._known[key] = found
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)


def with_memory_now(found: Estimate) -> Estimate:
    """The estimate against what is free at this moment; a GPU's memory stays as the worker found it."""
    if found.memory.device == Device.CUDA:
        return found
    free, total = machine_memory()
    memory = Memory(device=found.memory.device, free=free, total=total, libraries=found.memory.libraries)
    return found.model_copy(update={"memory": memory})


def _key(recipe: Recipe) -> str:
    """What a recipe's memory depends on; a data file counts with its time and size."""
    values = {name: value for name, value in recipe.model_dump(mode="json").items() if name not in NO_MATTER}
    return json.dumps([values, _mark(recipe.dataset)], sort_keys=True)


def _mark(dataset: str) -> list[int]:
    """Time and size of a file of rows; nothing for what is no file."""
    with suppress(OSError, ValueError):
        found = Path(dataset).expanduser().stat()
        return [found.st_mtime_ns, found.st_size]
    return []

"""What a Ray cluster has room for: the slots of runs that go there, and what is free, as the page shows it.

The figures come from a process of its own (``status.py``), started with the first question and ended with the app. A run that was started and has not
got its resources yet is counted as if it had. Not here: how a run gets there (``launcher.py``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from lab.core.recipes import Device, Recipe, parse
from lab.errors import MachineError, StartError, StateError
from lab.runs import checks
from lab.runs.launcher import ROOT, worker_environment
from lab.runs.ray.launcher import QUIET, RayLauncher
from lab.runs.ray.note import noted
from lab.runs.slots import free_cluster_slot
from lab.settings import RaySettings
from lab.store.locks import Lock
from lab.store.runs import Run, RunState, Store

SETTLES = 3.0
"""Seconds after which what a run was given is missing from the figures."""
STALE = 10.0
"""Seconds after which figures say nothing: the cluster may be gone."""


@dataclass(frozen=True)
class Share:
    """CPUs and GPUs: what a run needs, or what there is."""

    cpus: float
    gpus: float

    def holds(self, other: Share) -> bool:
        """Whether the other fits into it."""
        return self.cpus >= other.cpus and self.gpus >= other.gpus

    def without(self, others: Iterable[Share]) -> Share:
        """What is left when others have taken theirs."""
        taken = list(others)
        return Share(self.cpus - sum(each.cpus for each in taken), self.gpus - sum(each.gpus for each in taken))


@dataclass(frozen=True)
class Figures:
    """What a cluster has, and what of it is free; or the error of one that does not answer."""

    time: float
    nodes: int = 0
    total: Share = Share(0, 0)
    free: Share = Share(0, 0)
    error: dict[str, Any] | None = None

    @classmethod
    def of(cls, line: dict[str, Any]) -> Figures:
        """Of a line of ``status.py``."""
        if "error" in line:
            return cls(line["time"], error=line["error"])
        total, free = (Share(line[name]["CPU"], line[name]["GPU"]) for name in ("total", "free"))
        return cls(line["time"], line["nodes"], total, free)


def share_of(recipe: Recipe, cpus: int, total: Share) -> Share:
    """What a recipe takes: so many CPUs a process, and a GPU each where the cluster has any and the recipe may use it."""
    gpus = int(recipe.device in (Device.AUTO, Device.CUDA) and total.gpus >= 1)
    return Share(recipe.processes * cpus, recipe.processes * gpus)


class RayCluster:
    """The cluster that ``LAB_RAY_ADDRESS`` names."""

    def __init__(self, settings: RaySettings, store: Store) -> None:
        """Raises StartError ``ray_missing`` where the package is not installed."""
        require_ray(settings)
        self.settings, self.address = settings, settings.address
        self.launcher = RayLauncher(settings)
        self._store = store
        self._figures: Figures | None = None
        self._process: subprocess.Popen[str] | None = None

    # ---- slots

    def slot(self, run: Run) -> Lock | None:
        """A slot for a run, where the cluster has room for it now; None where it has to wait."""
        figures = self.figures()
        if figures is None or figures.error or time.time() - figures.time > STALE:
            return None
        need = self._share(run, figures)
        if noted(self._store.folder(run.id)).get("attempt"):  # its job may go on there, and hold what it needs
            return free_cluster_slot(self._store.home)
        if not figures.free.without(self._coming(figures)).holds(need):
            return None
        return free_cluster_slot(self._store.home)

    def check(self, recipe: Recipe, store: Store) -> str:
        """As ``checks.check``. Raises MachineError ``ray_too_small`` where all of the cluster would not hold the run; its size may not be known yet."""
        figures = self.figures()
        if figures is not None and not figures.error:
            need = share_of(recipe, self.settings.cpus, figures.total)
            if not figures.total.holds(need):
                there, wanted = said(figures.total), said(need)
                raise MachineError("ray_too_small", value=self.settings.address, there=there, wanted=wanted)
        return checks.check(recipe, store, here=False)

    def _coming(self, figures: Figures) -> Iterator[Share]:
        """The shares of runs that were started, and are not yet missing from the figures."""
        for run in self._store.in_state(RunState.RUNNING):
            placed = noted(self._store.folder(run.id)).get("placed")
            if placed is None or placed > figures.time - SETTLES:
                yield self._share(run, figures)

    def _share(self, run: Run, figures: Figures) -> Share:
        return share_of(parse(run.recipe, run.name), self.settings.cpus, figures.total)

    # ---- figures

    def figures(self) -> Figures | None:
        """The latest figures; None until there are any."""
        if self._process is None or self._process.poll() is not None:
            self._ask()
        return self._figures

    def shown(self) -> dict[str, Any] | None:
        """The figures as ``lab/words/cluster.py`` words them; None until there are any."""
        figures = self.figures()
        if figures is None:
            return None
        if figures.error:
            return {"error": figures.error}
        total, free = figures.total, figures.free
        gpus = {"gpus": total.gpus, "gpus_free": free.gpus}
        return {"nodes": figures.nodes, "cpus": total.cpus, "cpus_free": free.cpus, **gpus}

    def close(self) -> None:
        """End the process that tells the figures. Runs go on."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process = None

    def _ask(self) -> None:
        environment = worker_environment(self._store.home, os.environ, 1) | QUIET
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.runs.ray.status", self.settings.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self._process,), name="ray status", daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                self._figures = Figures.of(json.loads(line))
        process.wait()


def require_ray(settings: RaySettings) -> None:
    """Raise StartError ``ray_missing`` where the package is not installed. It is looked for, not imported."""
    if find_spec("ray") is None:
        raise StartError("ray_missing", value=settings.address)


@contextmanager
def take_cluster_slot(store: Store) -> Iterator[Lock]:
    """A slot for a run that a command starts; Ray itself keeps it waiting until there is room. Raises StateError ``ray_slots``."""
    slot = free_cluster_slot(store.home)
    if slot is None:
        raise StateError("ray_slots")
    with slot:
        yield slot


def said(share: Share) -> str:
    """``2 CPU + 1 GPU``."""
    return f"{share.cpus:g} CPU" + (f" + {share.gpus:g} GPU" if share.gpus else "")

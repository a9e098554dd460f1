"""Starts the processes of a run with ``processes = N``, through torchrun's agent, and says how the run ended.

The agent lives in the worker that the lab has started, so that a stop, a kill and a restart of the app find one process as ever. Where one
of the processes dies, the agent ends the others. Not here: what the processes do together (``team.py``).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.errors import LabError, MachineError
from lab.store.run_folder import RunFolder

EXITS = {"finished": 0, "failed": 1, "stopped": 3}
"""The exit status of a worker, by the state in its result.json."""
LOOPBACK = "127.0.0.1"
GRACE = 10
"""Seconds that the processes get to end, before they are killed: fewer than whoever stops the run waits for the agent."""


def run_processes(path: Path, recipe: Recipe) -> int:
    """Execute the run in ``path`` in as many processes as its recipe says; returns the exit status of a worker."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    folder = RunFolder(path)
    (path / "result.json").unlink(missing_ok=True)  # an earlier attempt's would be taken for this one's
    try:
        check_devices(recipe)
    except LabError as error:
        print(f"failed: {error}", flush=True)
        folder.write("result.json", {"state": "failed", "error": error.as_dict(), **_spent(folder)})
        return EXITS["failed"]
    share_threads(recipe.processes)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=recipe.processes,
        run_id=path.name,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOOPBACK}:0",
        local_addr=LOOPBACK,
        max_restarts=0,
        shutdown_timeout=GRACE,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "lab.training", str(path))
    except ChildFailedError as error:
        if (died := death(error.failures, recipe.processes)) is not None:
            print(f"failed: {died}", flush=True)
            folder.write("result.json", {"state": "failed", "error": died.as_dict(), **_spent(folder)})
    except SignalException as ended:
        signal.signal(ended.sigval, signal.SIG_DFL)
        os.kill(os.getpid(), ended.sigval)
    return EXITS.get(str((folder.result() or {}).get("state")), 1)


def death(failures: dict[int, Any], processes: int) -> LabError | None:
    """The error of a process that was killed, rather than one that failed and said so itself; None where there is none.

    Those that torchrun ended afterwards got SIGTERM.
    """
    for number, failure in sorted(failures.items()):
        if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM:
            name = signal.Signals(-failure.exitcode).name
            return MachineError("process_died", number=number + 1, processes=processes, signal=name)
    return None


def check_devices(recipe: Recipe) -> None:
    """Raise MachineError where the processes of a recipe have no device each. How many cores there are is known before (``runs/checks.py``)."""
    import torch

    from lab.training.models.base import choose_device

    kind = choose_device(recipe.device).type
    if kind == "mps":
        raise MachineError("processes_on_mps", value=recipe.processes)
    if kind == "cuda" and recipe.processes > (there := torch.cuda.device_count()):
        raise MachineError("processes_gpus", value=recipe.processes, there=there)


def share_threads(processes: int) -> None:
    """Give each process its part of the threads that the worker was given."""
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    os.environ["OMP_NUM_THREADS"] = str(max(1, threads // processes))


def _spent(folder: RunFolder) -> dict[str, Any]:
    """What the last heartbeat says of the run."""
    beat = folder.heartbeat() or {}
    known = {"steps": beat.get("step") or 0, "before": None, "after": None, "kl_from_start": None}
    return known | {name: beat.get(name) or 0 for name in ("seconds", "tokens_generated", "tokens_trained")}

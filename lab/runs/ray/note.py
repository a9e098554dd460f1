"""``ray.json`` in a run's folder: on which cluster a run is, as which job, and on which nodes. Written by its proxy, read by the page.

``{"version": 1, "address", "attempt": the job's name or null once it has ended, "number": of the attempt, "processes", "cpus" and "gpus" of
each, "nodes": [{"host", "address"}…], "placed": when it got its resources or null, "log": bytes of the node's log that are here, "exit":
the status that the proxy ends with, or null}``.
"""

from __future__ import annotations

from typing import Any

from lab.store.lines import read_json, write_json
from lab.store.worker_folder import WorkerFolder

NOTED = "ray.json"


def noted(folder: WorkerFolder) -> dict[str, Any]:
    """What ray.json says; empty where the run was never on a cluster."""
    values = read_json(folder.path / NOTED)
    return values if isinstance(values, dict) else {}


def write_note(folder: WorkerFolder, *, durable: bool = True, **values: Any) -> dict[str, Any]:
    """Change ray.json; returns what it says now."""
    note = {**noted(folder), **values}
    write_json(folder.path / NOTED, note, durable=durable)
    return note


def forget_place(folder: WorkerFolder) -> None:
    """A new attempt has no resources yet."""
    if noted(folder):
        write_note(folder, placed=None, nodes=[], exit=None)

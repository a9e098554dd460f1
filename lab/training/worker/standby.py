"""A worker that waits for its run with everything loaded. The lab's side is ``lab/runs/standby.py``.

One message comes over the socket: the folder, the open log and, where the system has such locks, the open slot, which is held from
then on. The socket's end before that is the end of the lab, and of this process.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

from lab.loading import loading

LONGEST = 65_536
"""Bytes of a message."""
FILES = 2


def wait_and_work(channel: int) -> int:
    """Load the libraries, wait for a folder, and execute the run or job in it. Returns the worker's exit status."""
    folders: list[Path] = []
    listening = threading.Thread(target=_listen, args=(channel, folders), name="waiting", daemon=True)
    listening.start()
    with loading():
        _load()
    listening.join()
    (folder,) = folders
    if (folder / "job.json").exists():
        from lab.training.worker.jobs import work_job

        return work_job(folder)
    from lab.training.worker.main import work

    return work(folder)


def _listen(channel: int, folders: list[Path]) -> None:
    """In a thread of its own: the lab may end while the libraries are being loaded."""
    with socket.socket(fileno=channel) as asking:
        message, files, _, _ = socket.recv_fds(asking, LONGEST, FILES)
        if not message:
            os._exit(0)
    log, *_slot = files  # the slot stays open
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    folders.append(Path(json.loads(message)["folder"]))


def _load() -> None:
    """What every run needs, whatever its algorithm."""
    from lab.core.algorithms import ALGORITHMS
    from lab.training.worker.tracking import hide_trackers

    hide_trackers()  # a run that reports to one gets a worker of its own
    from lab.training.worker import preflight  # noqa: F401
    from lab.training.worker.library_notes import listen
    from lab.training.worker.main import algorithm_file

    listen()
    for name in ALGORITHMS:
        algorithm_file(name)

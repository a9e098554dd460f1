"""Tells every few seconds what a Ray cluster has and what of it is free: ``python -m lab.runs.ray.status ADDRESS``, a JSON line each.

``{"time", "nodes", "total": {"CPU", "GPU"}, "free": {"CPU", "GPU"}}``, or ``{"time", "error": {"key", "params"}}`` where it does not answer. A process of
its own, so that the page imports no ray; it ends when its standard input does (``cluster.py`` holds the other end).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from lab.errors import LabError
from lab.runs.ray.connection import Connection

EVERY = 1.0
"""Seconds between two lines."""
AGAIN = 3.0
"""Seconds until a cluster that did not answer is asked again."""
KINDS = ("CPU", "GPU")


def main(address: str) -> None:
    """Print lines until standard input ends."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    while True:
        try:
            with Connection(address) as connection:
                while True:
                    total, free, nodes = connection.resources()
                    tell(nodes=nodes, total=counted(total), free=counted(free))
                    time.sleep(EVERY)
        except LabError as error:
            tell(error=error.as_dict())
            time.sleep(AGAIN)


def counted(resources: dict[str, float]) -> dict[str, float]:
    """The kinds of resources that runs are given."""
    return {kind: resources.get(kind, 0.0) for kind in KINDS}


def tell(**values: Any) -> None:
    """Print one line."""
    print(json.dumps({"time": time.time(), **values}), flush=True)


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

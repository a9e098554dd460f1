"""Ends the job of a run whose proxy was killed before it could: ``python -m lab.runs.ray.withdraw ADDRESS ATTEMPT``.

Started by ``launcher.py`` where a run was to stop at once and its proxy did not manage in time. It tries for as long as a head may be busy.
"""

from __future__ import annotations

import sys
import time

from lab.errors import LabError
from lab.runs.ray.connection import Connection

PATIENCE = 600.0
"""Seconds in which the head must answer."""


def main(address: str, attempt: str) -> int:
    """Exit status 0 where the job has ended, 1 where the cluster did not answer."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with Connection(address) as connection:
                connection.stop_job(attempt)
            return 0
        except LabError as error:
            if time.monotonic() > deadline:
                print(error, file=sys.stderr)
                return 1
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))

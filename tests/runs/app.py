"""An app that is nothing but its supervisor, for the tests that kill it: ``python -m tests.runs.app HOME [submit]``."""

from __future__ import annotations

import sys
import time

from lab.runs.launcher import LocalLauncher
from lab.runs.supervisor import Supervisor
from lab.store.runs import Store
from tests.runs.conftest import fake_command, recipe


def main(home: str, steps: int) -> None:
    store = Store(home)
    supervisor = Supervisor(store, launcher=LocalLauncher(fake_command))
    supervisor.start()
    if steps:
        supervisor.submit(recipe(steps, seconds=0.05, child=True))
        supervisor.submit(recipe(3))
    print("ready", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

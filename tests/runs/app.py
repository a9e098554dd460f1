"""An app that is nothing but its supervisor, for the tests that kill it.

``python -m tests.runs.app HOME STEPS`` starts a fake run of that many steps and a short one after it (0: none);
``python -m tests.runs.app HOME real`` starts no run, and its workers are real ones.
"""

from __future__ import annotations

import sys
import time

from lab.runs.launcher import LocalLauncher
from lab.runs.supervisor import Supervisor
from lab.store.runs import Store
from tests.runs.conftest import fake_command, recipe


def main(home: str, what: str) -> None:
    store = Store(home)
    supervisor = Supervisor(store, launcher=LocalLauncher() if what == "real" else LocalLauncher(fake_command))
    supervisor.start()
    if what not in ("real", "0"):
        supervisor.submit(recipe(int(what), seconds=0.05, child=True))
        supervisor.submit(recipe(3))
    print("ready", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

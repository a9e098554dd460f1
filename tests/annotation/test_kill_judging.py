"""kill -9 amid sixteen writers: every judgement that was acknowledged is there, none twice, and the counters are right.

Three rounds here; ``LAB_KILL_ROUNDS=20`` for as many as one likes. With the whole app around it: ``python -m tests.bench kills``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from lab.annotation.collections import Annotation
from lab.annotation.judgements import current_judgements
from lab.annotation.tables import current_table, judgements_table
from lab.store.runs import Store
from tests.annotation.annotating import sums

ROUNDS = int(os.environ.get("LAB_KILL_ROUNDS", "3"))


def test_nothing_acknowledged_is_lost(lab_home: Path) -> None:
    store = Store(lab_home, allow_unsafe_disk=True)
    collection = sums(Annotation(store), 3000, overlap=8)
    store.close()
    acknowledged: list[str] = []
    draw = random.Random(7)
    for _ in range(ROUNDS):
        said = killed_amid_writing(lab_home, collection, draw.uniform(0.05, 0.8))
        assert said, "it was killed before it wrote anything"
        acknowledged += said
        store = Store(lab_home, allow_unsafe_disk=True)  # what the next start does
        with store.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            events = Counter(connection.execute(select(judgements_table.c.id)).scalars())
            current = {
                (one.pair_id, one.annotator): str(one.uuid) for one in current_judgements(connection, collection)
            }
            kept = {(row.pair, row.annotator): row.judgement for row in connection.execute(select(current_table))}
        store.close()
        assert set(acknowledged) <= set(events)
        assert set(events.values()) == {1}
        assert current == kept and len(current) == len(events)
        assert max(Counter(pair for pair, _ in current).values()) <= 8


def killed_amid_writing(home: Path, collection: str, after: float) -> list[str]:
    """What was acknowledged before the process was killed, so many seconds after its first word."""
    command = [sys.executable, "-m", "tests.annotation.judging_process", str(home), collection]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    killer = subprocess.Popen(
        [sys.executable, "-c", f"import time, os; time.sleep({after}); os.kill({process.pid}, {int(signal.SIGKILL)})"]
    )
    lines += process.stdout.readlines()
    assert process.wait() == -signal.SIGKILL
    killer.wait()
    time.sleep(0.01)
    return [line.decode().strip() for line in lines if line.endswith(b"\n") and line.strip()]

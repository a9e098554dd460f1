"""``python -m tests.annotation.judging_process HOME COLLECTION``: sixteen people judge as fast as they can, until they are killed.

Each judgement that was acknowledged is written to standard output, a line each, so that whoever kills this process knows what
must be on disk.
"""

from __future__ import annotations

import os
import sys
import threading

from lab.annotation.collections import Annotation
from lab.core.access import Access, User
from lab.core.preferences import Place
from lab.store.runs import Store
from tests.annotation.annotating import given, says

WRITERS = 16


def main(home: str, collection: str) -> None:
    annotation = Annotation(Store(home, allow_unsafe_disk=True))

    def work(person: User) -> None:
        while pairs := given(annotation, person, collection, 4):
            for pair in pairs:
                says(annotation, person, collection, pair, Place.LEFT)
                os.write(1, f"{pair['shown']}\n".encode())  # one write, and short: lines of threads never mix

    threads = [
        threading.Thread(target=work, args=(User(f"n{n}", Access.ANNOTATOR, id=f"u{n}"),), daemon=True)
        for n in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Keeps the lab's work on the Hub too: ``LAB_BACKUP=org/name``, a private dataset. A Space without persistent storage loses its disk at each
restart.

What is new is sent every few minutes and when the lab closes, each time as one commit of files that are never changed
(``lab/store/outside.py``). A start with an empty home takes all of them in. A commit that fails is sent again, with growing pauses; what
was sent twice counts once. *Saved* means on this disk; *backed up* means that the Hub has answered.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.annotation.rebuild import rebuild
from lab.errors import LabError, MachineError, StartError, first_line
from lab.store import outside
from lab.store.hub import hub_client
from lab.store.runs import Store

log = logging.getLogger(__name__)

EVERY_SECONDS = 120.0
"""Between two commits. The Hub takes about a hundred an hour of one dataset."""
LONGEST_PAUSE = 900.0
TRIES = 4
"""Of reading at a start, before the start is refused."""
PAUSE = 2.0
ANSWER_SECONDS = "30"
"""How long the Hub may be silent."""


@dataclass(frozen=True)
class Standing:
    """How far the backup is."""

    dataset: str
    last: float | None
    """When the Hub last answered that all was there, seconds since 1970."""
    waiting: int
    """Judgements that are saved here only."""
    error: dict[str, Any] | None
    """Why the last attempt failed, as ``LabError.as_dict``; None where it did not."""


class HubBackup:
    """Backs up one home. ``restore`` before anything is done in it, then ``start``; ``close`` sends what is left."""

    def __init__(
        self, store: Store, dataset: str, *, every: float = EVERY_SECONDS, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._store, self._dataset, self._every, self._changed = store, dataset, every, changed
        self._sent = outside.progress(store)
        self._error: dict[str, Any] | None = None
        self._wake = threading.Event()
        self._closing = False
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None

    def standing(self) -> Standing:
        """How far it is now."""
        return Standing(self._dataset, self._sent.last, outside.waiting(self._store, self._sent), self._error)

    def restore(self) -> tuple[int, int]:
        """Take in what the Hub has, where this home is empty; the numbers of judgements and of runs that came.

        Raises StartError where the Hub does not answer or has files that are broken: to begin with nothing would hide all that was done.
        """
        if not outside.is_new(self._store):
            return 0, 0
        for attempt in range(TRIES):
            try:
                return self._take_in()
            except LabError:
                raise
            except Exception as error:
                if attempt == TRIES - 1:
                    raise StartError("backup_not_read", dataset=self._dataset, why=first_line(error)) from error
                time.sleep(PAUSE * 2**attempt)
        raise AssertionError("a try ends the loop")

    def start(self) -> None:
        """Send what is new from time to time, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="lab-backup", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what is left, once, and end."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(60)

    def send(self) -> bool:
        """Send what is new now; whether the Hub has everything. Raises nothing for what the Hub does: ``standing`` says it."""
        with self._sending:
            try:
                with tempfile.TemporaryDirectory(prefix="lab-backup-") as made:
                    sending = outside.gather(self._store, self._sent, Path(made))
                    if sending is not None:
                        # Before it goes: it may arrive though its answer is lost, and what is sent next has to come after it.
                        self._sent = replace(self._sent, parcels=sending.then.parcels)
                        outside.note(self._store, self._sent)
                        self._commit(sending.files)
                        self._sent = sending.then
                        outside.note(self._store, self._sent)
                self._error = None
            except LabError as error:
                self._error = error.as_dict()
            except Exception as error:
                self._error = MachineError("backup_not_sent", dataset=self._dataset, why=first_line(error)).as_dict()
                log.warning("the backup to %s failed: %s", self._dataset, first_line(error))
            self._changed()
            return self._error is None

    # ---- inside

    def _run(self) -> None:
        pause = self._every
        while not self._closing:
            self._wake.wait(pause)
            pause = self._every if self.send() else min(pause * 2, LONGEST_PAUSE)
        self.send()  # what came while the last commit was on its way

    def _hub(self) -> Any:
        os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", ANSWER_SECONDS)
        return hub_client()

    def _commit(self, files: dict[str, Path]) -> None:
        from huggingface_hub import CommitOperationAdd

        hub = self._hub()
        hub.create_repo(self._dataset, repo_type="dataset", private=True, exist_ok=True)
        if not hub.dataset_info(self._dataset).private:
            raise MachineError("backup_public", dataset=self._dataset)
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()]
        hub.create_commit(
            self._dataset, repo_type="dataset", operations=operations, commit_message=f"Backup of {len(files)} files"
        )

    def _take_in(self) -> tuple[int, int]:
        from huggingface_hub.errors import RepositoryNotFoundError

        hub = self._hub()
        try:
            about = hub.dataset_info(self._dataset)
        except RepositoryNotFoundError:
            return 0, 0  # the first start: there is nothing yet
        names = [each.rfilename for each in about.siblings or [] if outside.NAME.fullmatch(each.rfilename)]
        if not names:
            return 0, 0
        with tempfile.TemporaryDirectory(prefix="lab-backup-") as made:
            how = {"repo_type": "dataset", "revision": about.sha, "local_dir": made}
            files = [(name, Path(hub.hf_hub_download(self._dataset, name, **how))) for name in names]
            counts = outside.take_in(self._store, files)
        rebuild(self._store)
        self._begin_life(names)
        return counts

    def _begin_life(self, names: list[str]) -> None:
        """What was taken in is on the Hub already: only what comes from now on is new."""
        with tempfile.TemporaryDirectory(prefix="lab-backup-") as made, suppress(OSError):
            everything = outside.gather(self._store, self._sent, Path(made))
            if everything is not None:
                self._sent = outside.after_taking_in(everything.then, names)
                outside.note(self._store, self._sent)

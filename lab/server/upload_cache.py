"""Gradio's cache of uploaded files, emptied: all of it at a start, later what is old, and the oldest where it has grown too large.

What the lab keeps of an upload it has copied (``lab/store/uploads.py``); without this a copy of every file stayed for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

import psutil
from anyio import to_thread

from lab.sandbox.files import MOST_FILE_BYTES

log = logging.getLogger(__name__)

EVERY_SECONDS = 300.0
OLDEST_SECONDS = 3600.0
"""Somebody may look at a file for so long before they import it."""
MOST_BYTES = 4 * MOST_FILE_BYTES


class UploadCache:
    """The folder that Gradio puts uploads in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        started = psutil.Process().create_time()
        for path in self._files():
            with suppress(OSError):
                if path.stat().st_ctime < started:  # no page of an earlier start is open
                    path.unlink()
        self._own = frozenset(self._files())
        """What Gradio itself put there while it built the page."""

    def _files(self) -> list[Path]:
        return [path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink()]

    def sweep(self, now: float | None = None) -> int:
        """Delete what is old, then the oldest while there is too much; the number of files that went."""
        now = time.time() if now is None else now
        files = []
        for path in self._files():
            if path in self._own:
                continue
            with suppress(OSError):
                status = path.stat()
                files.append((max(status.st_mtime, status.st_ctime), status.st_size, path))
        files.sort()
        total, gone = sum(size for _, size, _ in files), 0
        for when, size, path in files:
            # A time that lies ahead (the clock was set back) counts as old after as long.
            if abs(now - when) <= OLDEST_SECONDS and total <= MOST_BYTES:
                continue
            with suppress(OSError):
                path.unlink()
                gone += 1
                total -= size
            with suppress(OSError):
                path.parent.rmdir()  # each upload has a folder of its own
        return gone

    async def sweep_for_ever(self) -> None:
        """From time to time, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await to_thread.run_sync(self.sweep)
            except OSError as error:
                log.warning("the upload cache could not be looked through: %s", error)

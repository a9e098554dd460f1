"""What a job's worker writes while it works: lines, heartbeat, result. The formats stand in docs/formats.md. It decides nothing."""

from __future__ import annotations

import os
import time
from typing import Any

from lab.errors import LabError
from lab.store.jobs import JobFolder
from lab.training.worker.heartbeat import Heartbeat
from lab.training.worker.reporter import peak_memory_bytes


class JobReporter(Heartbeat):
    """Writes one job's folder. A thread beats the heart, so that a long load does not look like a dead worker."""

    def __init__(self, folder: JobFolder, total: int) -> None:
        super().__init__(self._write_heartbeat)
        self.folder, self.total = folder, total
        self.stage = "loading"
        self.done = self.tokens = 0
        self.started = time.time()
        self._sampling_since: float | None = None

    def enter_stage(self, stage: str) -> None:
        """One of loading, sampling, scoring; of a chat also ready and answering."""
        self.stage = stage
        if stage == "sampling":
            self._sampling_since = time.perf_counter()
        print(f"[{time.strftime('%H:%M:%S')}] {stage}", flush=True)
        self._write_heartbeat()

    def line(self, line: dict[str, Any]) -> None:
        """Append what is done: a completion, or a pair that was scored."""
        self.folder.append("result", line)
        self.done += 1
        self.tokens += int(line.get("tokens", 0))

    def result(self, state: str, *, error: LabError | None = None, **values: Any) -> None:
        """Write result.json, whatever the job came to."""
        content = {
            "state": state,
            "error": error.as_dict() if error else None,
            "seconds": time.time() - self.started,
            "completions": self.done,
            "tokens_generated": self.tokens,
            "peak_memory_bytes": peak_memory_bytes(),
            **values,
        }
        self.folder.write("result.json", content)

    def _write_heartbeat(self) -> None:
        since = self._sampling_since
        pace = self.tokens / (time.perf_counter() - since) if since is not None and self.tokens else None
        beat = {"pid": os.getpid(), "time": time.time(), "stage": self.stage, "done": self.done, "total": self.total}
        self.folder.write("heartbeat", {**beat, "tokens_per_second": pace}, durable=False)

"""What a worker writes while it works: metrics, groups, heartbeat, result. The formats stand in docs/formats.md.

It decides nothing: stopping, saving and measuring are the callers' (``watch.py``, ``worker/main.py``).
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lab.core.step_time import Part
from lab.errors import LabError, MachineError, first_line
from lab.store.run_folder import RunFolder
from lab.training.worker import team
from lab.training.worker.heartbeat import Heartbeat
from lab.training.worker.step_progress import StepProgress
from lab.training.worker.step_timer import StepTimer


class Reporter(Heartbeat):
    """Writes one run's folder. A thread beats the heart, so that a long step does not look like a dead worker."""

    def __init__(self, folder: RunFolder, steps: int) -> None:
        super().__init__(self._write_heartbeat)
        self.folder = folder
        self.steps = steps
        self.step = 0
        self.stage = "loading"
        self.stage_fraction: float | None = None
        self.peak_of_all = 0
        """The peak of all processes together, or of the one before what is no part of its work; 0 until it is known."""
        self.libraries_bytes = 0
        """What the process held before it loaded anything, of ``peak_memory_bytes``."""
        self.tokens_generated = 0
        self.tokens_trained = 0
        self.tokens_per_second: float | None = None
        self.started = time.time()
        self._before = folder.spent_before()
        self.timer = StepTimer()
        """Where the time of a step goes; the trainer charges its parts (``Task.run``)."""
        self._tokens_seen = 0
        self.step_progress = StepProgress()

    def enter_stage(self, stage: str) -> None:
        """One of loading, measuring_before, training, measuring_after, saving."""
        self.stage, self.stage_fraction = stage, None
        self._begin_step()
        print(f"[{time.strftime('%H:%M:%S')}] {stage.replace('_', ' ')}", flush=True)
        self._write_heartbeat()
        give_back()

    @contextmanager
    def stage_in_step(self, stage: str) -> Iterator[None]:
        """A stage in the middle of a step, whose time and tokens are not the step's."""
        outer, tokens_seen = self.stage, self._tokens_seen
        with self.timer.stopped():
            self.enter_stage(stage)
            yield
            self.enter_stage(outer)
        self._tokens_seen = tokens_seen

    def metrics(self, step: int, values: dict[str, Any]) -> None:
        """Append one line for an optimiser step; numbers that are not finite become null."""
        parts = {part: round(spent, 6) for part, spent in self.timer.take().items()}
        seconds, tokens = sum(parts.values()), self._tokens - self._tokens_seen
        self._tokens_seen = self._tokens
        self.step = step
        if seconds > 0 and tokens:
            self.tokens_per_second = tokens / seconds
        line = {
            "step": step,
            "time": time.time(),
            "seconds": seconds,
            "tokens_per_second": self.tokens_per_second,
            **self._tokens_spent(),
            **values,
            **{part.metric: spent for part, spent in parts.items() if spent or part is Part.WAITING},
        }
        if "reward_seconds" in values and seconds > 0:
            line["reward_share"] = values["reward_seconds"] / seconds
        self.append("metrics", {name: _finite(value) for name, value in line.items()})
        print(_journal(step, self.steps, values), flush=True)

    def held_out(self, step: int, measured: dict[str, Any]) -> None:
        """Append a held-out measurement as a line of its own. The start has taken no tokens, even where a rollout of it is there already."""
        seconds = sum(self.timer.take().values())
        spent = self._tokens_spent() if step else dict.fromkeys(self._tokens_spent(), 0)
        line = {"step": step, "time": time.time(), "seconds": seconds, **spent, "held_out": measured}
        self.append("metrics", line)
        self._begin_step()
        parts = [f"{name} {value:.3f}" for name, value in measured.items() if isinstance(value, float)]
        print(f"held out: {', '.join(parts)}", flush=True)

    def _begin_step(self) -> None:
        self.timer.restart()
        self._tokens_seen = self._tokens

    def append(self, kind: str, line: dict[str, Any]) -> None:
        """Append a line of metrics, groups, tokens or pairs; of several processes the leader's alone."""
        if team.is_leader():
            self.folder.append(kind, line)

    def settle_peak(self) -> None:
        """What is done from here on does not count towards the run's memory."""
        self.peak_of_all = self.peak_of_all or peak_memory_bytes()

    def result(self, state: str, *, error: dict[str, object] | None = None, **values: Any) -> None:
        """Write result.json, whatever the run came to. Of several processes the leader says that it ended, and the first that failed says why:
        the others fail for want of it."""
        if state == "failed" and team.size() > 1 and self.folder.result() is not None:
            return
        if state != "failed" and not team.is_leader():
            return
        content = {
            "state": state,
            "error": error,
            "before": None,
            "after": None,
            "kl_from_start": None,
            "steps": self.step,
            "peak_memory_bytes": self.peak_of_all or peak_memory_bytes(),
            "libraries_bytes": self.libraries_bytes,
            **self.spent(),
            **values,
        }
        self.folder.write("result.json", content)

    def spent(self) -> dict[str, float]:
        """What the run has taken, its earlier attempts included, as ``steps`` includes theirs."""
        return {"seconds": self._before["seconds"] + time.time() - self.started, **self._tokens_spent()}

    def _tokens_spent(self) -> dict[str, float]:
        """The tokens among it."""
        now = {"tokens_generated": self.tokens_generated, "tokens_trained": self.tokens_trained}
        return {name: self._before[name] + value for name, value in now.items()}

    @property
    def _tokens(self) -> int:
        """Tokens handled: generated ones where the run generates, else trained ones."""
        return self.tokens_generated or self.tokens_trained

    def _write_heartbeat(self) -> None:
        if not team.is_leader():
            return
        beat = {
            "pid": os.getpid() if team.size() == 1 else os.getppid(),  # that of torchrun's agent, which the lab started
            "time": time.time(),
            "stage": self.stage,
            "stage_fraction": self.stage_fraction,
            "step": self.step,
            "steps": self.steps,
            "tokens_per_second": self.tokens_per_second,
            **self.step_progress.told(),
            **self.spent(),
        }
        self.folder.write("heartbeat", beat, durable=False)


def peak_memory_bytes() -> int:
    """The most memory this process has held: on CUDA the allocator's peak, else the resident set's."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_bytes() -> int:
    """What this process holds now: on CUDA of the device, else of the machine."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.memory_allocated()) if torch.cuda.is_initialized() else 0
    import psutil

    return int(psutil.Process().memory_info().rss)


def give_back() -> None:
    """Let glibc return the pages that it keeps in holes: after loading a 4-bit base, twice its size. Nothing elsewhere."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def unexpected(error: Exception, failed: str, memory: MachineError, **params: object) -> LabError:
    """Names out of memory as such; any other error keeps its message, and its traceback is in log.txt."""
    if type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower():
        return memory
    return LabError(failed, **params, kind=type(error).__name__, why=first_line(error, 300))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _journal(step: int, steps: int, values: dict[str, Any]) -> str:
    shown = ("reward", "kept_share", "loss", "accuracy", "margin", "token_accuracy", "learning_rate")
    parts = [f"{name} {values[name]:.4g}" for name in shown if isinstance(values.get(name), (int, float))]
    note = "" if values.get("optimizer_step", 1) else "  nothing kept: no optimiser step"
    if thrown_away := values.get("groups_thrown_away"):
        note += f"  {values['groups_drawn']} groups drawn, {thrown_away} without spread thrown away"
    return f"step {step}/{steps}  " + "  ".join(parts) + note

"""How far a run is, from what its worker wrote: the summary object of ``docs/routes.md``, for page, route and CLI.

Not here: the curves themselves. Every estimate is made of measured times of this attempt (of the first steps' micro-batches until a few
steps are done, which is told as rough); where there are none, it is None and not a guess.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

from lab.core.roofline import roofline
from lab.core.step_time import step_time
from lab.runs.estimate import measured_and_estimated
from lab.runs.warnings import warnings_of
from lab.store.lines import Line
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState, Store

WINDOW = 20  # the latest steps that the rate is made from
LEAST = 3  # fewer, and the first slow step would be the estimate
SLEEP = 20.0  # a step that took so many times the median was a sleeping laptop, not work
BEFORE_TRAINING = ("loading", "measuring_before")

Summary = dict[str, Any]


def summary(run: Run, store: Store) -> Summary:
    """The public summary of a run."""
    folder = store.folder(run.id)
    running = run.state is RunState.RUNNING
    heartbeat: dict[str, Any] = (folder.heartbeat() or {}) if running else {}
    result = folder.result() if run.state.ended else None
    request = folder.stop_request() if running else None
    steps = int(heartbeat.get("steps") or run.recipe.get("steps") or 0)
    step = _step(run, folder, heartbeat, result)
    return {
        "id": run.id,
        "name": run.name,
        "algorithm": run.algorithm,
        "state": run.state.value,
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "step": step,
        "steps": steps,
        "stage": heartbeat.get("stage") or ("loading" if running else None),
        "seconds_left": seconds_left(folder, heartbeat, step, steps) if running and not request else None,
        "seconds_left_rough": running and seconds_a_step(folder.recent_metrics()) is None,
        "step_part": heartbeat.get("step_part"),
        "step_fraction": heartbeat.get("step_fraction"),
        "tokens_per_second": heartbeat.get("tokens_per_second"),
        "error": run.error,
        "result": result,
        "queue_position": _queue_position(run, store),
        "has_groups": folder.has_groups(),
        "notes": folder.notes(),
        "parent": run.parent,
        "stop_at_step": _stop_at_step(request, step, steps) if request else None,
        "memory": measured_and_estimated(folder) if run.state is RunState.FINISHED else None,
    }


def with_warnings(run: Run, store: Store) -> Summary:
    """The summary of a run that somebody looks at, with the warnings that it gives rise to, and where its steps' time goes."""
    folder = store.folder(run.id)
    lines = folder.recent_metrics()
    time_parts = step_time(lines)
    if time_parts is not None:
        time_parts["roofline"] = roofline(lines, folder.machine_speed())
    return {**summary(run, store), "warnings": warnings_of(run, store), "step_time": time_parts}


def stop_step(run: Run, folder: RunFolder) -> int | None:
    """The step at whose end a stop asked for now will be: the one that is being worked on."""
    heartbeat = folder.heartbeat() or {}
    if not heartbeat:
        return None
    step = _step(run, folder, heartbeat, None)
    if heartbeat.get("stage") == "training" or heartbeat.get("stage") in BEFORE_TRAINING:
        step += 1
    return min(step, int(heartbeat.get("steps") or run.recipe.get("steps") or step))


def seconds_left(folder: RunFolder, heartbeat: dict[str, Any], step: int, steps: int) -> float | None:
    """The seconds until the end at the pace of the latest steps, with the final measurement where one was timed."""
    lines = folder.recent_metrics()
    measuring = _measuring_seconds(folder)
    stage = heartbeat.get("stage")
    if stage == "measuring_after":
        share = heartbeat.get("stage_fraction")
        return None if measuring is None or share is None else round(measuring * (1 - float(share)), 1)
    if stage != "training":
        return None
    pace = seconds_a_step(lines) or heartbeat.get(
        "step_seconds"
    )  # before a few steps: by the first one's micro-batches
    if pace is None:
        return None
    last = next((line["time"] for line in reversed(lines) if "time" in line), None)
    since = max(0.0, time.time() - last) if last else 0.0
    # What has passed of the present step is already done; a step that hangs must not count the rest away.
    left = max(0, steps - step) * pace - min(since, pace)
    return round(max(0.0, left) + (measuring or 0.0), 1)


def seconds_a_step(lines: list[Line]) -> float | None:
    """The mean time of the latest steps, without the gaps of a sleeping machine. None before there are a few."""
    timed = [line for line in lines if "time" in line and "step" in line and "held_out" not in line][-WINDOW - 1 :]
    paces, weights = [], []
    for earlier, later in pairwise(timed):
        done = later["step"] - earlier["step"]
        if done > 0 and later["time"] >= earlier["time"]:
            paces.append((later["time"] - earlier["time"]) / done)
            weights.append(done)
    if len(paces) < LEAST:
        return None
    usual = sorted(paces)[len(paces) // 2] * SLEEP
    counted = [(pace, weight) for pace, weight in zip(paces, weights, strict=True) if pace <= usual or usual == 0]
    return sum(pace * weight for pace, weight in counted) / sum(weight for _, weight in counted)


def _measuring_seconds(folder: RunFolder) -> float | None:
    """How long a held-out measurement takes, where the worker timed one in this attempt."""
    for line in reversed(folder.recent_metrics()):
        seconds = line.get("seconds") if "held_out" in line else None
        if isinstance(seconds, (int, float)):
            return float(seconds)
    return None


def _step(run: Run, folder: RunFolder, heartbeat: dict[str, Any], result: Any) -> int:
    if "step" in heartbeat:  # a heartbeat comes once a second, metrics at each step
        written = [line["step"] for line in folder.recent_metrics()[-3:] if "step" in line]
        return int(max([heartbeat["step"] or 0, *written]))
    if isinstance(result, dict) and result.get("steps") is not None:
        return int(result["steps"])
    lines = folder.recent_metrics()
    steps = [line["step"] for line in lines if "step" in line]
    if steps:
        return int(max(steps))
    return 0 if run.started is None else folder.last_step()


def _queue_position(run: Run, store: Store) -> int | None:
    if run.state is not RunState.QUEUED:
        return None
    ids = [queued.id for queued in store.queue()]
    return ids.index(run.id) + 1 if run.id in ids else None


def _stop_at_step(request: Line, step: int, steps: int) -> int | None:
    promised = request.get("step")
    return None if promised is None else min(max(int(promised), step), steps)

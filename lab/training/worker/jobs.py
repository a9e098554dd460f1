"""Executes one job: anything but a run that needs a model. One function a kind, registered in ``work_job``; runs: ``worker/main.py``.

Whatever happens ends as ``result.json`` and an exit status: 0 finished, 1 failed. A job that is cancelled is ended from outside.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.core.chats import ChatSpec
from lab.core.jobs import Kind, PreflightSpec, SampleSpec, ScoreSpec
from lab.core.out_jobs import EjectSpec, OutSpec
from lab.data.prompts import asked_prompts
from lab.errors import LabError, MachineError
from lab.store.jobs import JobFolder
from lab.training.worker.job_reporter import JobReporter
from lab.training.worker.library_notes import listen
from lab.training.worker.speaker import load_speaker

FINISHED, FAILED = 0, 1


def work_job(path: Path) -> int:
    """Do the job in ``path``; returns the exit status."""
    listen()
    folder = JobFolder(path)
    spec = folder.spec()
    kinds: dict[Kind, Callable[[Any, Path, JobReporter], dict[str, Any]]] = {
        Kind.SAMPLE: _sample,
        Kind.PREFLIGHT: _preflight,
        Kind.SCORE: _score,
        Kind.OUT: _out,
        Kind.EJECT: _eject,
        Kind.CHAT: _chat,
    }
    with JobReporter(folder, spec.total) as reporter:
        try:
            done = kinds[Kind(folder.asked()["kind"])](spec, path.parents[1], reporter)
            reporter.result("finished", **done)
            return FINISHED
        except LabError as error:
            print(f"failed: {error}", flush=True)
            full = error.key == "disk_full"
            reporter.result("failed", error=MachineError("job_disk_full", path=path) if full else error)
        except OSError as error:
            if error.errno != 28:
                raise
            reporter.result("failed", error=MachineError("job_disk_full", path=path))
        except Exception as error:
            traceback.print_exc()
            reporter.result("failed", error=_unexpected(error))
    return FAILED


def _sample(spec: SampleSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    prompts = asked_prompts(spec, home)
    reporter.total = len(prompts) * spec.completions
    speaker = load_speaker(spec, home)
    reporter.enter_stage("sampling")
    for completion in speaker.sample(
        prompts,
        spec.completions,
        temperature=spec.temperature,
        max_new_tokens=spec.max_completion_length,
        seed=spec.seed,
        batch_size=spec.batch_size,
    ):
        reporter.line(completion.as_line(prompts))
    return {}


def _preflight(spec: PreflightSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    from lab.training.worker.preflight import preflight

    return preflight(spec, home, reporter)


def _score(spec: ScoreSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    from lab.training.worker.score_job import score_pairs

    listen()
    return score_pairs(spec, home, reporter)


def _out(spec: OutSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    from lab.training.out.writing import write_out

    listen()
    return write_out(spec, home, reporter)


def _eject(spec: EjectSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    from lab.training.eject.writing import write_script

    listen()
    return write_script(spec, home, reporter)


def _chat(spec: ChatSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    from lab.training.worker.chat_job import chat

    return chat(spec, home, reporter)


def _unexpected(error: Exception) -> LabError:
    """Names out of memory as such; any other error keeps its message, and its traceback is in log.txt."""
    if type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error).lower():
        return MachineError("job_out_of_memory", peak="?")
    message = str(error).strip().splitlines()
    return LabError("job_failed", kind=type(error).__name__, why=(message[0] if message else "")[:300])

"""Executes one job: anything but a run that needs a model. One function a kind, registered in ``ELSEWHERE``; runs: ``worker/main.py``.

Whatever happens ends as ``result.json`` and an exit status: 0 finished, 1 failed. A job that is cancelled is ended from outside.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from lab.core.jobs import Kind, SampleSpec
from lab.data.prompts import asked_prompts
from lab.errors import LabError, MachineError
from lab.store.jobs import JobFolder
from lab.training.worker.job_reporter import JobReporter
from lab.training.worker.library_notes import listen
from lab.training.worker.reporter import unexpected
from lab.training.worker.speaker import load_speaker

FINISHED, FAILED = 0, 1
Work = Callable[[Any, Path, JobReporter], dict[str, Any]]
ELSEWHERE = {
    Kind.PREFLIGHT: ("worker.preflight", "preflight"),
    Kind.SCORE: ("worker.score_job", "score_pairs"),
    Kind.OUT: ("out.writing", "write_out"),
    Kind.EJECT: ("eject.writing", "write_script"),
    Kind.CHAT: ("worker.chat_job", "chat"),
}
"""The module and the function of each kind of job that is not done here."""


def work_job(path: Path) -> int:
    """Do the job in ``path``; returns the exit status."""
    listen()
    folder = JobFolder(path)
    spec = folder.spec()
    with JobReporter(folder, spec.total) as reporter:
        try:
            work = _work_of(Kind(folder.asked()["kind"]))
            reporter.result("finished", **work(spec, path.parents[1], reporter))
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
            failure = unexpected(error, "job_failed", MachineError("job_out_of_memory", peak="?"))
            reporter.result("failed", error=failure)
    return FAILED


def _work_of(kind: Kind) -> Work:
    """What does a job of a kind. It is loaded only for one of its kind, and the libraries that it loads are listened to."""
    if kind is Kind.SAMPLE:
        return _sample
    module, name = ELSEWHERE[kind]
    work: Work = getattr(import_module(f"lab.training.{module}"), name)
    listen()
    return work


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

"""What the lab has done on the cluster's head: keep its code there, and ask Ray's Jobs API.

Ray sends these functions by value (the head has no lab), so they use nothing but each other, the standard library and ray. They are called
by ``connection.py``.
"""

from __future__ import annotations

from typing import Any


def has_code(name: str) -> bool:
    """Whether the head has the code of this hash."""
    return _place(name).is_file()


def keep_code(name: str, content: bytes) -> None:
    """Keep a zip file of the code under its hash."""
    import os

    place = _place(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(f".{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(place)


def submit(attempt: str, module: str, code: str) -> bool:
    """Submit a job under the attempt's name: a module and its arguments, run by the interpreter that runs Ray.

    Ray shares the code out to the nodes, once for each content. False where the head has just started, and takes no jobs yet.
    """
    import shlex
    import sys

    command = f"{shlex.quote(sys.executable)} -m {module}"
    try:
        _client().submit_job(entrypoint=command, submission_id=attempt, runtime_env={"working_dir": str(_place(code))})
    except RuntimeError as error:
        if "No available agent" in str(error):
            return False
        raise
    return True


def job_state(attempt: str) -> tuple[str, str]:
    """The state and the message of a job; empty where there is none of that name."""
    try:
        job: Any = _client().get_job_info(attempt)
    except RuntimeError as error:
        if "does not exist" in str(error) or "404" in str(error):
            return "", ""
        raise
    return str(job.status.value), str(job.message or "")


def stop(attempt: str) -> None:
    """Stop a job; nothing where there is none, or it has ended."""
    if job_state(attempt)[0] in ("PENDING", "RUNNING"):
        _client().stop_job(attempt)


def _client() -> Any:
    import ray
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(ray.get_runtime_context().gcs_address)


def _place(name: str) -> Any:
    import os
    from pathlib import Path

    root = Path(os.environ.get("LAB_RAY_CACHE") or Path.home() / ".cache" / "alignment-lab")
    return root / "code" / f"{name}.zip"

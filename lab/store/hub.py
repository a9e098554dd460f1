"""The Hugging Face Hub as this lab's owner has it: the client with their token, and a folder sent there. What is fetched: ``lab/runs/fetch``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lab.errors import InputError, MachineError, first_line


def hub_client(token: str | None = None) -> Any:
    """The Hub's own client. Raises InputError where there is no token, which is better known before than after the work."""
    from huggingface_hub import HfApi, get_token

    token = token or os.environ.get("HF_TOKEN") or get_token()
    if not token:
        raise InputError("hub_no_token")
    return HfApi(token=token, endpoint=os.environ.get("HF_ENDPOINT"))


def send_folder(hub: Any, folder: Path, repository: str, message: str, *, unreachable: str, **how: Any) -> None:
    """Send a folder to a repository, which is made where it is not there; ``how`` is its ``private`` and ``repo_type``.

    Raises MachineError where the Hub refuses it, and ``unreachable`` where it does not answer.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        hub.create_repo(repository, exist_ok=True, **how)
        how.pop("private", None)
        hub.upload_folder(repo_id=repository, folder_path=folder, commit_message=message, **how)
    except Exception as error:  # its client lets through whatever its HTTP library raises
        key = "hub_push_refused" if isinstance(error, HfHubHTTPError | HFValidationError) else unreachable
        raise MachineError(key, value=repository, why=first_line(error)) from error

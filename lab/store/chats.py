"""The two files of a chat in its job's folder: what it is asked (``asked.jsonl``) and what it answers (``chat.jsonl``).

Who asks appends to the first, the worker to the second. Unlike ``result.jsonl`` they are not among what every viewer may read: a
conversation is its owner's. The lines stand in docs/formats.md.
"""

from __future__ import annotations

from typing import Any

from lab.core.chats import Ask
from lab.store.jobs import JobFolder
from lab.store.lines import Line
from lab.store.worker_folder import LinesPage, lines_after, page_after, size_of

ASKED, ANSWERED = "asked", "chat"


class ChatFolder:
    """The conversation side of a job's folder."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder

    # ---- who asks

    def ask(self, ask: Ask) -> None:
        """Put a question at the end. Raises MachineError ``disk_full``."""
        self.folder.append(ASKED, {"ask": ask.model_dump(mode="json")})

    def stop(self, ask_id: str) -> None:
        """Ask for an end of one answer, whether it goes on or still waits."""
        self.folder.append(ASKED, {"stop": ask_id})

    def answers(self, since: int = 0) -> LinesPage:
        """What the worker has written from byte ``since`` on."""
        return page_after(self.folder.path / f"{ANSWERED}.jsonl", since)

    def size(self) -> int:
        """Bytes of what the worker has written; cheap."""
        return size_of(self.folder.path / f"{ANSWERED}.jsonl")

    # ---- the worker

    def asked(self, since: int) -> tuple[list[Line], int]:
        """The questions and stops from byte ``since`` on, and the cursor after them. Cheap while there is nothing new."""
        if size_of(self.folder.path / f"{ASKED}.jsonl") <= since:
            return [], since
        return lines_after(self.folder.path / f"{ASKED}.jsonl", since)

    def tell(self, line: dict[str, Any]) -> None:
        """Append one line of an answer."""
        self.folder.append(ANSWERED, line)

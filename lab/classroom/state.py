"""What the owner of a class has chosen: open or paused, the code, what guests may do, what the projector shows.

One small file, ``class.json`` in LAB_HOME, so that it survives a restart. Not here: what the guests did (``people.py``, ``board.py``,
``training.py``, ``votes.py``).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.errors import InputError
from lab.store.backup import CLASS_FILE

CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that are mistaken for each other
CODE_LENGTH = 4


class Show(StrEnum):
    """What the projector shows."""

    JOIN = "join"
    VOTES = "votes"
    BOARD = "board"
    CURVES = "curves"
    GROUP = "group"
    TABLES = "tables"
    AGREEMENT = "agreement"


class Place(BaseModel):
    """A recorded group: the run, the step, and which one of the step. Without a run, the worked example of the course."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str = Field("", max_length=32)
    step: int = Field(0, ge=0, le=10**9)
    group: int = Field(0, ge=0, le=10**6)


def new_code() -> str:
    """A code of four letters to type on a phone."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


class ClassState(BaseModel):
    """The choices of the owner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open: bool = True
    """Whether new guests may come in."""
    paused: bool = False
    """Whether everything that guests do waits."""
    ask_code: bool = False
    """Whether who comes in has to type the code."""
    code: str = Field(default_factory=new_code, min_length=CODE_LENGTH, max_length=CODE_LENGTH)
    judge: bool = True
    rules: bool = True
    train: bool = True
    """What guests may do; rules and training only where the lab was started with LAB_OPEN=class."""
    steps: int = Field(60, ge=1, le=1000)
    """The most steps of a guest's run."""
    runs: int = Field(1, ge=1, le=20)
    """The runs that a guest may have made; one of them waits or runs at a time."""
    queue_paused: bool = False
    """Whether the guests' runs that wait stay where they are."""
    recorded: str = Field("", max_length=32)
    """The run whose completions rule sets are scored on; empty: the newest one with groups."""
    collection: str = Field("", max_length=32)
    """The collection of the class; empty: the newest one that is not hidden."""
    show: Show = Show.JOIN
    show_run: str = Field("", max_length=32)
    """The run of the projector's curves and group; empty: the newest."""
    question: Place = Place()
    revealed: bool = False
    since: float = 0.0
    """Seconds since 1970: guests who came in before are strangers (a reset)."""


class StateFile:
    """Reads and changes the file. Thread-safe; one for the life of the app."""

    def __init__(self, home: Path) -> None:
        self.path = home / CLASS_FILE
        self._lock = threading.Lock()
        self._state = self._read()
        self._number = 0

    @property
    def now(self) -> ClassState:
        """The present choices."""
        return self._state

    @property
    def number(self) -> int:
        """How often it was changed since the start of the app."""
        return self._number

    def change(self, **values: Any) -> ClassState:
        """Change some of the choices. Raises InputError ``class_setting`` that names the value."""
        return self.update(lambda _: values)

    def update(self, values_of: Callable[[ClassState], dict[str, Any]]) -> ClassState:
        """The same, of values that follow from the present ones."""
        with self._lock:
            state = _validated(self._state.model_dump() | values_of(self._state))
            partial = self.path.with_suffix(".partial")
            partial.write_text(state.model_dump_json(indent=1), "utf-8")
            partial.replace(self.path)
            self._state = state
            self._number += 1
            return state

    def _read(self) -> ClassState:
        try:
            return ClassState.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):  # none yet, or of another version of the lab
            return ClassState()


def _validated(values: dict[str, Any]) -> ClassState:
    try:
        return ClassState.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError("class_setting", field=field, value=str(first["input"])[:40], why=first["msg"]) from None

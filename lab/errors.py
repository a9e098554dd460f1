"""The errors that a person may see, and nothing else.

    LabError
    ├── InputError          something that was given cannot be used
    │   ├── RecipeError     a recipe or preset: wrong key, value out of bounds, K that does not divide the batch
    │   ├── DatasetError    rows: missing file, broken JSON at line N, missing columns, empty rows
    │   ├── ModelError      a model folder or id that is no model
    │   └── RuleError       a rule or a rule set
    ├── ToldError           what another process ended with, told by key and parameters
    ├── StateError          right in itself, but not now: no such run, a run that has already ended, a busy slot
    ├── MachineError        the machine cannot: full disk, unsafe file system, no such device
    ├── AccessError         not signed in, or not allowed
    └── StartError          the app refuses to start

An error carries a *key* and its *parameters*. The words, in both languages, live in ``lab/words``; they say what, the
value, and the mend. Anything that is not a LabError is a bug and keeps its traceback.
"""

from __future__ import annotations


class LabError(Exception):
    """Something a person did or has that can be mended; ``key`` names the sentence, ``params`` fill it."""

    def __init__(self, key: str, **params: object) -> None:
        super().__init__(key, params)
        self.key = key
        self.params = params

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.key}({values})"

    def as_dict(self) -> dict[str, object]:
        """The form that is stored and sent: ``{"key": …, "params": {…}}``, values as text, numbers, or lists and tables of them."""
        params = {k: v if isinstance(v, (int, float, str, list, dict)) else str(v) for k, v in self.params.items()}
        return {"key": self.key, "params": params}


class InputError(LabError):
    """Something that was given cannot be used."""


class RecipeError(InputError):
    """A recipe or a preset that does not validate."""


class DatasetError(InputError):
    """Rows that cannot be read or do not fit."""


class ModelError(InputError):
    """A model folder or id that cannot be loaded."""


class RuleError(InputError):
    """A rule or a rule set that cannot be used."""


class ToldError(LabError):
    """What another process ended with, as it told it: what it was asked for was in order, and failed there."""


class StateError(LabError):
    """Right in itself, but not now."""


class MachineError(LabError):
    """The machine cannot do it."""


class AccessError(LabError):
    """Not signed in, or not allowed."""


class StartError(LabError):
    """The app refuses to start."""


def first_line(error: Exception, most: int = 200) -> str:
    """What a library's error says, in one line; the name of its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]


def last_line(text: str, otherwise: str = "—") -> str:
    """The last line that is not empty of what a process wrote."""
    return ([line.strip() for line in text.splitlines() if line.strip()] or [otherwise])[-1]


def exit_status(error: LabError) -> int:
    """What a command ends with: 2 where what was typed is wrong (a flag, a setting of a recipe), 1 where it failed.

    A file of rows, a model or a rule that was named and is not fit has failed: that is seen only once it is opened or fetched.
    """
    failed = isinstance(error, (DatasetError, ModelError, RuleError)) or not isinstance(error, InputError)
    return 1 if failed else 2

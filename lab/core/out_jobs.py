"""What is asked for when a run leaves the lab: its weights in the forms of others (``out``), or a script of its own (``eject``)."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from lab.core.recipes.fields import Strict

LONGEST_RUN = 80


class Gguf(StrEnum):
    """The number format of a GGUF file; empty where none is written."""

    NONE = ""
    F16 = "f16"
    Q8_0 = "q8_0"
    Q4_K_M = "q4_k_m"


class LeavingSpec(Strict):
    """Write something of a run into the job's folder ``out``."""

    run: str

    @property
    def model(self) -> str:
        """The model that the run left, as a recipe names it."""
        return f"run:{self.run}"

    @property
    def total(self) -> int:
        """Nothing that is counted."""
        return 0


class OutSpec(LeavingSpec):
    """Write a run's model as others read it. ``run`` is ``ID`` or ``ID@STEP``."""

    run: str = Field(min_length=1, max_length=LONGEST_RUN, pattern=r"^[A-Za-z0-9][\w-]*(@\d{1,12})?$")
    merge: bool = False
    gguf: Gguf = Gguf.NONE


class EjectSpec(LeavingSpec):
    """Write a run as a script that needs no lab, with its data."""

    run: str = Field(min_length=1, max_length=LONGEST_RUN, pattern=r"^[A-Za-z0-9][\w-]*$")

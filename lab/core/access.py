"""What a person may do: the levels, and the mark that a handler carries. Enforcement is ``lab/server/access.py``."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


class Access(IntEnum):
    """Ordered: each level may do all that the ones below it may."""

    NOBODY = 0
    VIEWER = 1
    ANNOTATOR = 2
    OWNER = 3


def requires(level: Access) -> Callable[[F], F]:
    """Declare beside a handler the least access that may call it; start-up fails where a handler has none."""

    def mark(function: F) -> F:
        function.access = level  # type: ignore[attr-defined]
        return function

    return mark

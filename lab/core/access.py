"""What a person may do, and who asks: the levels, the mark that a handler carries, the user that a request came from.

Enforcement is ``lab/server/access.py``, and how somebody proves who they are ``lab/server/session.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])
USER = "lab.user"
"""Where the gate notes the user in a request's scope."""


class Access(IntEnum):
    """Ordered: each level may do all that the ones below it may."""

    NOBODY = 0
    VIEWER = 1
    ANNOTATOR = 2
    OWNER = 3

    @property
    def word(self) -> str:
        """As people write it: ``annotator``."""
        return self.name.lower()


@dataclass(frozen=True)
class User:
    """Somebody at the lab, as the server knows them: never from an argument or a browser's own state."""

    name: str
    """For showing: two people may share it, and it may change."""
    access: Access
    session: str = ""
    """Tells two browsers of one user apart; for limits, not for rights."""
    id: str = ""
    """The key under which their work is stored; no two people ever have the same."""
    guest: bool = False
    """Came in without a password, under a name of their own choice."""


NOBODY = User("", Access.NOBODY)


def requires(level: Access) -> Callable[[F], F]:
    """Declare beside a handler the least access that may call it; start-up fails where a handler has none."""

    def mark(function: F) -> F:
        function.access = level  # type: ignore[attr-defined]
        return function

    return mark


def user_of(request: Any) -> User:
    """Who sent a request (FastAPI's, or Gradio's around it); nobody where it did not come through the gate."""
    inner = getattr(request, "request", None) or request
    scope = getattr(inner, "scope", None)
    user = scope.get(USER) if isinstance(scope, dict) else None
    return user if isinstance(user, User) else NOBODY

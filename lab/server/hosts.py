"""The names that a lab answers under: its own, and those that ``LAB_HOSTS`` lists. Any other is refused, on every address.

A page of another site can make its own name point at this machine (DNS rebinding) and then speaks to the lab from its own origin;
the request carries that name in ``Host``. An address written in digits cannot be rebound, so a lab that others reach takes any.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import cache

from lab.settings import Settings

HERE = frozenset({"127.0.0.1", "localhost", "[::1]"})
_PORT = re.compile(r":\d*$")


class Hosts:
    """The names of one lab."""

    def __init__(self, settings: Settings) -> None:
        self._digits = not settings.loopback
        own = f"[{settings.host}]" if ":" in settings.host else settings.host.lower()
        names = {own, *HERE, *settings.hosts, *({settings.space_host} - {None, ""})}
        if not settings.loopback:
            names |= machine_names()
        self._names = frozenset(name for name in names if name and not name.startswith("*."))
        self._below = tuple(name[1:] for name in settings.hosts if name.startswith("*."))

    def holds(self, host: str, *, forwarded: bool = False) -> bool:
        """Whether a request's ``Host`` is one of them, with any port. ``forwarded``: a trusted proxy says so."""
        name = _PORT.sub("", host.lower()).rstrip(".")
        return name in self._names or name.endswith(self._below) or ((self._digits or forwarded) and _is_address(name))


@cache
def machine_names() -> frozenset[str]:
    """What this machine calls itself: its host name, the first part of it, and that in the local network (mDNS)."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return frozenset({name, short, f"{short}.local", f"{short}.lan"} - {"", ".local", ".lan"})


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True

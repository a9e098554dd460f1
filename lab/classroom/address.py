"""The address under which others reach the lab, and its QR code. Nothing is sent to find it.

Not here: where the lab listens (``lab/server/serve.py``).
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
from contextlib import suppress

import segno

from lab.settings import Settings

NOWHERE = ("10.255.255.255", 1)
"""The system is asked by which of its addresses it would reach this one; a datagram socket sends nothing when it connects."""
HERE = frozenset({"127.0.0.1", "localhost", "::1"})


def address_of(settings: Settings, asked_host: str = "", scheme: str = "http") -> str:
    """The address to share: where a Space stands, else the name by which the owner came unless that is this machine's own, else its
    address in the local network. ``asked_host`` is the Host of the owner's request."""
    if settings.space_host:
        return f"https://{settings.space_host}"
    name = re.sub(r":\d*$", "", asked_host).strip("[]").lower()
    if name and name not in HERE:
        return f"{scheme}://{asked_host}"
    host = lan_host(settings)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def reachable(settings: Settings) -> bool:
    """Whether a phone can reach the lab at all: it listens on more than this machine."""
    return settings.on_space or not settings.loopback


def lan_host(settings: Settings) -> str:
    """The host part: what the lab listens on, or of all addresses the one that the local network sees; 127.0.0.1 where there is none."""
    with suppress(ValueError):
        if not ipaddress.ip_address(settings.host).is_unspecified:
            return settings.host
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(NOWHERE)
            return str(probe.getsockname()[0])
        return "127.0.0.1"
    return settings.host


def qr_svg(address: str) -> bytes:
    """The address as a QR code, an SVG of dark squares on white: a camera needs the contrast on a dark page, too."""
    code, buffer = segno.make(address, error="m", micro=False), io.BytesIO()
    code.save(buffer, kind="svg", scale=8, border=3, dark="#1f2328", light="#ffffff", xmldecl=False)
    return buffer.getvalue()

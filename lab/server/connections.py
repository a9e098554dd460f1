"""Connections that take their time: deadlines for a request's head, a cap an address, and an end to bodies that nobody reads.

Without them one machine that opens a thousand connections and sends half a header on each keeps everybody out. A body's deadline is
``limits.py``'s, which reads it. Proxies in ``LAB_TRUSTED_PROXIES`` stand for many people and have no cap.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.server.forwarded import is_trusted
from lab.settings import Settings

MOST_CONNECTIONS = 1000
"""Thirty people take about a hundred."""
MOST_OF_AN_ADDRESS = 300
"""A class behind one address takes about a hundred; well below the whole."""
HEAD_SECONDS = 10.0
"""From the first byte of a request, or from connecting, to the end of its head."""
LINGER_SECONDS, LINGER_BYTES = 0.5, 1 << 20
"""For so long, or so much, is the rest of a refused body passed over, so that the refusal arrives before the connection ends."""
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 10\r\n\r\n"


def protocol(settings: Settings) -> type[H11Protocol]:
    """uvicorn's protocol with the limits above, counted for one server."""
    counted: Counter[str] = Counter()

    class Patient(_Patient):
        held = counted
        lab = settings

    return Patient


class _Patient(H11Protocol):
    held: Counter[str]
    lab: Settings
    _head: asyncio.TimerHandle | None = None
    _counted: str | None = None
    _lingering = False
    _passed_over = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = str(self.client[0]) if self.client else ""
        if not is_trusted(address, self.lab):
            if self.held[address] >= MOST_OF_AN_ADDRESS:
                self._lingering = True  # nothing of it is read
                transport.write(TOO_MANY)
                transport.close()
                return
            self.held[address] += 1
            self._counted = address
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._counted is not None:
            self.held[self._counted] -= 1
            if self.held[self._counted] <= 0:
                del self.held[self._counted]
            self._counted = None
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._passed_over += len(data)
            if self._passed_over > LINGER_BYTES:
                self.transport.abort()
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_head()
        else:
            self._head_is_here()

    def on_response_complete(self) -> None:
        """A request that was answered before its body was read to the end takes its connection along."""
        unread = self.conn.their_state is h11.SEND_BODY
        super().on_response_complete()
        if unread and not self.transport.is_closing():
            self._lingering = True
            self._unset_keepalive_if_required()
            if self.transport.can_write_eof():
                self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _wait_for_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self._no_head)

    def _head_is_here(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _no_head(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self.transport.abort()

"""Who may have rules run just now: how often, how many at once, and for how long. Everything that runs what somebody sent passes here.

Guests come in by a name of their choice, and as somebody else a moment later. So they count by person and by address both, and have
places of their own: however many they are, the owner and the users of the password file find theirs free.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
from fastapi import Request
from starlette.responses import Response

from lab.core.access import User, user_of
from lab.sandbox.worker import OF_GUEST
from lab.server.answers import json_answer, refusal
from lab.server.limits import Rate, caller, person_of

MOST_OF_AN_ADDRESS = 8
"""Requests of guests from one address that are worked on or wait."""


class Scoring:
    """Each person one thing at a time and at a bounded rate, the guests of one address together a few times that.

    ``at_once`` requests are worked on at the same time, and ``of_guests`` besides: a rule that runs into its limits holds one place for
    some seconds.
    """

    def __init__(self, at_once: int, of_guests: int) -> None:
        self.rate, self.address_rate = Rate(burst=40, per_second=12), Rate(burst=160, per_second=48)
        self.places, self.guest_places = anyio.CapacityLimiter(at_once), anyio.CapacityLimiter(of_guests)
        self.busy: Counter[str] = Counter()

    async def answer(self, request: Request, seconds: float, work: Callable[[float], dict[str, Any]]) -> Response:
        """What ``work(until)`` gives, made in a thread; it has ``seconds`` from when it begins. 429 where this person or address
        has asked too much: the page asks again."""
        user = user_of(request)
        counted = self._counted(user, request)
        if any(self.busy[key] >= most for key, most, _ in counted) or not all(
            rate.allows(key) for key, _, rate in counted
        ):
            return refusal(429, "too_many_requests")
        keys = [key for key, *_ in counted]
        self.busy.update(keys)
        guests = OF_GUEST.set(user.guest)  # the thread below takes it over
        try:
            result = await anyio.to_thread.run_sync(
                lambda: work(time.monotonic() + seconds), limiter=self.guest_places if user.guest else self.places
            )
        finally:
            OF_GUEST.reset(guests)
            self.busy.subtract(keys)
            self.busy += Counter()  # drops those that are at zero
        return json_answer(result)

    def _counted(self, user: User, request: Request) -> list[tuple[str, int, Rate]]:
        """What this request is counted by: a key, how much of it may go on at once, and how often it may come."""
        person = (person_of(user), 1, self.rate)
        if not user.guest:
            return [person]
        return [person, (f"address {caller(request.scope)}", MOST_OF_AN_ADDRESS, self.address_rate)]

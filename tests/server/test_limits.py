"""Bodies are capped as they stream, and nobody writes without end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from starlette.types import Message

from lab.core.access import NOBODY, Access, User
from lab.server.limits import BODY_BYTES, SIGN_IN_BYTES, UPLOAD_PATH, Limits, Rate, Writes, writes
from lab.server.session import OWNER_HERE
from tests.server.conftest import Lab

JOIN = "/gradio_api/queue/join"


def endless(counter: list[int]) -> Iterator[bytes]:
    """A body without Content-Length that stops only when nobody listens."""
    for _ in range(40):
        counter.append(1)
        yield b" " * 65536


def test_a_declared_body_over_the_cap_is_refused(lab: Lab) -> None:
    answer = lab.client().post(JOIN, content=b"x" * (BODY_BYTES + 1))
    assert answer.status_code == 413
    assert answer.json()["error"] == {"key": "body_too_large", "params": {"limit": BODY_BYTES}}


def test_a_streamed_body_is_stopped_at_the_cap(lab: Lab) -> None:
    for path in (JOIN, "/gradio_api/component_server", "/gradio_api/cancel"):
        answer = lab.client().post(path, content=endless([]), headers={"content-type": "application/json"})
        assert answer.status_code == 413


def test_a_stream_is_not_read_beyond_the_cap() -> None:
    """Below the test client, which collects a body first: the application asks for no more than the cap."""
    asked: list[int] = []
    sent: list[Message] = []

    async def reads_all(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        while (await receive()).get("more_body"):
            pass

    async def receive() -> Message:
        asked.append(1)
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": JOIN, "headers": [], "lab.user": OWNER_HERE}
    asyncio.run(Limits(reads_all, writes())(scope, receive, send))
    assert sent[0]["status"] == 413
    assert len(asked) == BODY_BYTES // 65536 + 1


def test_an_upload_may_be_larger(lab: Lab) -> None:
    files = {"files": ("rows.jsonl", b"x" * (2 * BODY_BYTES))}
    assert lab.client().post(UPLOAD_PATH, files=files).status_code == 200


def test_a_stranger_may_send_a_password_and_no_more(shared_lab: Lab) -> None:
    answer = shared_lab.client().post("/sign-in", content=b"password=" + b"x" * SIGN_IN_BYTES)
    assert answer.status_code == 413
    assert shared_lab.client().post(UPLOAD_PATH, content=endless([])).status_code == 401


def status(limits: Limits, user: User, method: str = "POST", address: str = "10.0.0.1") -> int:
    """What a small request of this user is answered."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": JOIN, "headers": [], "lab.user": user, "client": (address, 1)}
    asyncio.run(limits(scope, None, send))  # type: ignore[arg-type]
    return int(sent[0]["status"])


async def answers(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 200, "headers": []})


def test_writes_are_limited_for_each_person() -> None:
    limits = Limits(answers, Writes(guests=Rate(1, 0), others=Rate(burst=2, per_second=0)))
    busy, calm = User("a", Access.VIEWER, "one", "u-1"), User("a", Access.VIEWER, "one", "u-2")
    assert [status(limits, busy) for _ in range(3)] == [200, 200, 429]
    assert status(limits, replace(busy, session="another browser")) == 429  # no person is two
    assert status(limits, busy, "GET") == 200  # reading goes on
    assert status(limits, calm) == 200  # behind the same address, of the same name
    guest = User("g", Access.ANNOTATOR, "s", "g-1", guest=True)
    assert [status(limits, guest) for _ in range(2)] == [200, 429]
    owner = User("owner", Access.OWNER, "one", "owner")
    assert [status(limits, owner) for _ in range(3)] == [200, 200, 429]
    assert status(limits, replace(owner, session="two")) == 200  # LAB_PASSWORD may be known to several
    assert [status(limits, NOBODY) for _ in range(3)] == [200, 200, 429]
    assert status(limits, NOBODY, address="10.0.0.2") == 200


def test_thirty_guests_of_one_address_may_save_without_a_pause() -> None:
    """Fifteen saves a second each for a minute: 450 a second together, where a workshop wants 150."""
    now = [0.0]
    clock = lambda: now[0]  # noqa: E731
    allowed = writes()
    limits = Limits(
        answers, Writes(*(Rate(r.burst, r.per_second, clock=clock) for r in (allowed.guests, allowed.others)))
    )
    guests = [User("Mei", Access.ANNOTATOR, "", f"g-{number}", guest=True) for number in range(30)]
    refused = 0
    for tick in range(60 * 15):
        now[0] = tick / 15
        if tick % 45 == 0:  # the whole way through the middleware now and then, the count itself always
            assert [status(limits, guest) for guest in guests] == [200] * 30
        else:
            scopes = [{"lab.user": guest, "client": ("10.0.0.1", 1)} for guest in guests]
            refused += sum(not limits.writes.allows(scope) for scope in scopes)
    assert refused == 0
    # One of them who floods is held, and only that one.
    assert [limits.writes.allows({"lab.user": guests[0]}) for _ in range(400)].count(False) >= 90
    assert limits.writes.allows({"lab.user": guests[1]})


def test_a_rate_refills_and_forgets() -> None:
    now = [0.0]
    rate = Rate(burst=2, per_second=1, keys=2, clock=lambda: now[0])
    assert all(rate.has("a") for _ in range(9))  # asking takes nothing
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    assert rate.allows("b")
    now[0] = 1.0
    assert [rate.allows("a") for _ in range(2)] == [True, False]
    assert rate.allows("c")
    assert len(rate._left) == 2
    now[0] = 100.0
    assert [rate.allows("c") for _ in range(3)] == [True, True, False], "who waits long has no more than a burst"

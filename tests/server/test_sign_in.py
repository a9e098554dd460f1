"""Signing in as a user, as a guest, by the link; and how long each lasts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from lab.core.access import NOBODY, Access
from lab.server import access as access_module
from lab.server import changes as changes_module
from lab.server.access import Gate
from lab.server.gradio_access import declared_doors
from lab.server.session import COOKIE
from lab.store.users import USERS_FILE
from tests.server.conftest import AWAY, PASSWORD, USERS_PASSWORD, Lab, Make


@pytest.fixture(scope="module")
def open_lab(make_module_lab: Make) -> Lab:
    """Open to annotators, with registered users besides."""
    lab = make_module_lab(host="0.0.0.0", guests=True)
    lab.registered(Access.ANNOTATOR, "Mei")
    lab.registered(Access.OWNER, "Lin")
    return lab


@pytest.fixture
def user(make_lab: Make) -> Iterator[tuple[Lab, TestClient]]:
    """A lab with one annotator, who has just signed in."""
    lab = make_lab(host="0.0.0.0", password=PASSWORD)
    lab.registered(Access.ANNOTATOR, "Mei")
    client = lab.client(origin=AWAY)
    assert sign_in(client, "mei").status_code == 303
    yield lab, client


def sign_in(client: TestClient, name: str, password: str = USERS_PASSWORD):  # type: ignore[no-untyped-def]
    return client.post("/sign-in", data={"name": name, "password": password})


def enter(lab: Lab, name: str) -> TestClient:
    client = lab.client(origin=AWAY)
    assert client.post("/sign-in/guest", data={"name": name}).status_code == 303
    return client


def me(client: TestClient) -> dict[str, object]:
    return dict(client.get("/api/me").json())


# ---- users


def test_a_user_signs_in_by_name_and_password(user: tuple[Lab, TestClient]) -> None:
    lab, client = user
    said = me(client)
    assert (said["name"], said["access"], said["guest"], said["sign_in"]) == ("Mei", "annotator", False, True)
    assert str(said["id"]).startswith("u-")
    other = lab.client(origin=AWAY)
    for name, password in (("Mei", PASSWORD), ("Mei", ""), ("Lin", USERS_PASSWORD), ("", USERS_PASSWORD)):
        assert sign_in(other, name, password).status_code == 401
    assert "do not fit" in sign_in(other, "Mei", "x").text
    for name in ("", "owner"):  # with the lab's own password
        assert sign_in(lab.client(origin=AWAY), name, PASSWORD).status_code == 303


def test_a_removed_user_is_out_at_the_next_request(user: tuple[Lab, TestClient]) -> None:
    lab, client = user
    users = lab.application.state.sessions.users
    users.remove("Mei")
    assert client.get("/api/me").status_code == 401
    users.add("Mei", Access.OWNER, USERS_PASSWORD)  # a namesake does not inherit the session
    assert client.get("/api/me").status_code == 401


def test_another_access_holds_at_the_next_request(user: tuple[Lab, TestClient]) -> None:
    lab, client = user
    users, before = lab.application.state.sessions.users, me(client)["id"]
    for level in (Access.OWNER, Access.VIEWER):
        users.change("Mei", access=level)
        assert (me(client)["access"], me(client)["id"]) == (level.word, before)


def test_another_password_ends_the_sessions(user: tuple[Lab, TestClient]) -> None:
    lab, client = user
    lab.application.state.sessions.users.change("Mei", password="a new password")
    assert client.get("/api/me").status_code == 401
    assert sign_in(client, "Mei").status_code == 401
    assert sign_in(client, "Mei", "a new password").status_code == 303


def test_a_broken_password_file_lets_nobody_in_by_it(user: tuple[Lab, TestClient]) -> None:
    lab, client = user
    (lab.settings.home / USERS_FILE).write_text("[[users]")
    assert client.get("/api/me").status_code == 401
    assert lab.client(Access.OWNER).get("/api/me").status_code == 200
    assert lab.client().get("/sign-in").status_code == 200


def cookie_header(cookie: str) -> dict[str, str]:
    """A cookie that is sent whatever its age: a browser would drop an old one by itself, a thief would not."""
    return {"cookie": f"{COOKIE}={cookie}"}


@pytest.mark.parametrize("access", [Access.VIEWER, Access.ANNOTATOR, Access.OWNER])
def test_a_session_ends_after_two_weeks(make_lab: Make, monkeypatch: pytest.MonkeyPatch, access: Access) -> None:
    lab = make_lab(host="0.0.0.0", password=PASSWORD)
    headers, now = cookie_header(lab.cookie(access)), time.time()
    for days, status in ((13, 200), (15, 401), (181, 401)):
        monkeypatch.setattr("time.time", lambda days=days: now + days * 86_400)
        assert lab.client().get("/api/me", headers=headers).status_code == status, days


def test_a_guest_is_known_for_half_a_year(open_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, now = cookie_header(enter(open_lab, "Noor").cookies[COOKIE]), time.time()
    for days, status in ((15, 200), (179, 200), (181, 401)):
        monkeypatch.setattr("time.time", lambda days=days: now + days * 86_400)
        assert open_lab.client().get("/api/me", headers=headers).status_code == status, days


def test_a_cookie_is_kept_no_longer_than_it_holds(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", password=PASSWORD, guests=True)
    lab.registered(Access.ANNOTATOR, "Mei")
    user = sign_in(lab.client(origin=AWAY), "Mei").headers["set-cookie"]
    guest = lab.client(origin=AWAY).post("/sign-in/guest", data={"name": "Noor"}).headers["set-cookie"]
    assert f"Max-Age={14 * 86_400};" in user and f"Max-Age={180 * 86_400};" in guest


def test_a_class_behind_one_address_signs_in_together(user: tuple[Lab, TestClient]) -> None:
    lab, _ = user
    assert [sign_in(lab.client(origin=AWAY), "Mei").status_code for _ in range(15)] == [303] * 15
    stranger = lab.client(origin=AWAY)
    began, guesses = time.monotonic(), 0
    while (answer := sign_in(stranger, "Mei", f"guess {guesses}").status_code) == 401:
        guesses += 1
    assert answer == 429
    assert 10 <= guesses <= 10 + (time.monotonic() - began) / 6 + 1, "ten at once, then ten a minute"


# ---- guests


def test_two_guests_of_one_name_are_two_people(open_lab: Lab) -> None:
    one, two = me(enter(open_lab, "Ana")), me(enter(open_lab, "Ana"))
    assert one["name"] == two["name"] == "Ana"
    assert one["access"] == two["access"] == "annotator"
    assert one["guest"] is True
    assert one["id"] != two["id"]
    assert {str(one["id"])[:2], str(two["id"])[:2]} == {"g-"}


@pytest.mark.parametrize("name", ["Mei", "MEI", "mei.", "Меі", "owner", "0wner", "", "a\u202eb", "x" * 50, "<script>"])
def test_a_name_that_a_guest_cannot_have(open_lab: Lab, name: str) -> None:
    client = open_lab.client(origin=AWAY)
    answer = client.post("/sign-in/guest", data={"name": name})
    assert answer.status_code == 422
    assert 'role="alert"></div>' in answer.text  # one of the two problems is empty, the other is not
    assert answer.text.count('role="alert"></div>') == 1
    assert "<script>" not in answer.text
    assert client.get("/api/me").status_code == 401


def test_a_name_that_is_registered_later_shows_who_is_the_guest(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", guests=True)
    guest = enter(lab, "Mei")
    before = me(guest)
    lab.registered(Access.OWNER, "mei")
    after = me(guest)
    assert after["name"] == "Mei (guest)"
    assert (after["id"], after["access"]) == (before["id"], "annotator")


def test_a_guest_is_the_same_after_a_restart_and_nobody_where_the_lab_is_closed(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", guests=True)
    cookie = enter(lab, "Ana").cookies[COOKIE]
    who = me(lab.client(cookie=f"{COOKIE}={cookie}"))
    again = make_lab(host="0.0.0.0", guests=True, password="now there is one")
    assert me(again.client(cookie=f"{COOKIE}={cookie}")) == who
    closed = make_lab(host="0.0.0.0", password=PASSWORD)
    assert closed.client(cookie=f"{COOKIE}={cookie}").get("/api/me").status_code == 401
    assert closed.client(origin=AWAY).post("/sign-in/guest", data={"name": "Ana"}).status_code == 403


def test_guests_come_in_no_faster_than_a_class_does(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", guests=True)
    client = lab.client(origin=AWAY)
    answers = [client.post("/sign-in/guest", data={"name": "Ana"}).status_code for _ in range(110)]
    assert answers[:100] == [303] * 100
    assert 429 in answers[100:]


def test_a_foreign_page_makes_nobody_a_guest(open_lab: Lab) -> None:
    answer = open_lab.client(origin="https://evil.example").post("/sign-in/guest", data={"name": "Ana"})
    assert answer.status_code == 403


def test_the_owner_of_an_open_lab_comes_by_the_link_or_by_a_password(open_lab: Lab) -> None:
    client = open_lab.client(origin=AWAY)
    assert client.get(open_lab.application.state.sessions.owner_link()).status_code == 303
    assert (me(client)["access"], me(client)["id"]) == ("owner", "owner")
    lin = open_lab.client(origin=AWAY)
    assert sign_in(lin, "Lin").status_code == 303
    assert me(lin)["access"] == "owner"


def test_the_page_offers_what_there_is(make_lab: Make, tmp_path) -> None:  # type: ignore[no-untyped-def]
    def offered(lab: Lab) -> str:
        page = lab.client().get("/sign-in").text
        assert "{{" not in page
        return page

    closed = offered(make_lab(host="0.0.0.0", password=PASSWORD))
    assert '<form method="post" action="/sign-in/guest?lang=en" hidden>' in closed
    assert "<div hidden>" in closed  # nobody is registered: no name to ask for
    lab = make_lab(host="0.0.0.0", guests=True, home=tmp_path / "open")
    assert "by the link" in offered(lab)
    assert "<details  hidden>" in offered(lab)
    lab.registered(Access.ANNOTATOR, "Mei")
    assert "<details  >" in offered(lab)  # there, and folded


# ---- who is known, and for how long a stream goes on


def test_on_this_machine_alone_the_one_user_is_the_owner(lab: Lab) -> None:
    assert me(lab.client()) == {"id": "owner", "name": "owner", "access": "owner", "guest": False, "sign_in": False}


@pytest.mark.parametrize(
    ("happens", "ends"),
    [
        (lambda users: users.change("Mei", access=Access.VIEWER), True),
        (lambda users: users.remove("Mei"), True),
        (lambda users: users.change("Mei", password="another one 7"), True),
        (lambda users: users.change("Mei", access=Access.OWNER), False),
        (lambda users: users.add("Ana", Access.VIEWER, USERS_PASSWORD), False),
    ],
    ids=["less", "removed", "password", "more", "another"],
)
def test_a_stream_ends_with_its_readers_access(
    user: tuple[Lab, TestClient], monkeypatch: pytest.MonkeyPatch, happens: Any, ends: bool
) -> None:
    assert access_module.LOOK_AGAIN <= 5
    monkeypatch.setattr(access_module, "LOOK_AGAIN", 0.0)
    lab, client = user
    sessions, sent, pieces = lab.application.state.sessions, [], []

    async def streams(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(6):
            if number == 3:
                happens(sessions.users)
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})

    async def send(message: Message) -> None:
        sent.append(message)
        pieces.append(message.get("body"))

    gate = Gate(streams, lab.settings, sessions, declared_doors(lab.application))
    headers = [(b"host", b"lab.example:7860"), (b"cookie", f"{COOKIE}={client.cookies[COOKIE]}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/api/me", "headers": headers}
    asyncio.run(gate(scope, None, send))  # type: ignore[arg-type]
    assert pieces == [None, b"0", b"1", b"2", *([b""] if ends else [b"3", b"4", b"5"])]
    assert sent[-1]["more_body"] is not ends


def test_a_quiet_stream_of_a_removed_reader_ends_too(
    user: tuple[Lab, TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes by it: the look is at the comment that keeps it open."""
    monkeypatch.setattr(access_module, "LOOK_AGAIN", 0.0)
    monkeypatch.setattr(changes_module, "QUIET_SECONDS", 0.01)
    lab, client = user
    pieces: list[bytes] = []
    ended = asyncio.Event()

    async def receive() -> Message:
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pieces.append(message.get("body", b""))
        if message.get("body", b"").startswith(b":") and len(pieces) < 6:
            lab.application.state.sessions.users.remove("Mei")
        if message["type"] == "http.response.body" and not message.get("more_body"):
            ended.set()

    headers = [(b"host", b"lab.example:7860"), (b"cookie", f"{COOKIE}={client.cookies[COOKIE]}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/api/changes", "headers": headers, "query_string": b""}
    asyncio.run(asyncio.wait_for(lab.application({**scope, "asgi": {"spec_version": "2.3"}}, receive, send), 20))
    assert pieces[1].startswith(b"data: ") and pieces[-1] == b"" and ended.is_set()
    assert not lab.application.state.streams._listeners


def test_cookies_say_nothing_of_access(open_lab: Lab) -> None:
    """Signed by the lab's own key, and still only a name for somebody whom the lab looks up."""
    sessions = open_lab.application.state.sessions
    for said in (
        {"id": "owner", "session": "s", "stamp": ""},
        {"id": "owner", "session": "s", "stamp": "x", "access": 3},
        {"id": "u-0000", "session": "s", "stamp": "", "access": 3},
        {"id": "Mei", "session": "s", "stamp": ""},
        {"name": "owner", "access": 3, "session": "s"},
        ["owner"],
    ):
        assert sessions.user(sessions._signer.dumps(said)) == NOBODY

"""What is sent: bodies that are no JSON, wrong types in every field, floods, senders that take their time, and full disks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from lab.annotation.collections import Annotation
from lab.annotation.judgements import MOST_OF_A_PAIR
from lab.core.access import Access
from lab.server import connections
from lab.server.serve import _Server, listen, server_config
from lab.store import space
from tests.annotation.annotating import sums
from tests.server.conftest import AWAY, Lab, Make

GRADIO = ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/call/say", "/gradio_api/cancel", "/gradio_api/reset",
    "/gradio_api/component_server")  # fmt: skip
BODIES = {
    "nan": b'{"data": [NaN], "fn_index": 0, "session_hash": "s"}',
    "infinity": b'{"data": [Infinity], "fn_index": 0}',
    "minus infinity": b'{"data": [-Infinity]}',
    "too large a number": b'{"data": [1e999]}',
    "endless digits": b'{"data": [' + b"9" * 10_000 + b"]}",
    "half a character": b'{"data": ["\\ud800"], "fn_index": 0}',
    "half a character as a key": b'{"\\udfff": 1}',
    "no function": b'{"data": [], "fn_index": 999999}',
    "a negative function": b'{"data": [], "fn_index": -1}',
    "a function that is text": b'{"data": [], "fn_index": "0"}',
    "a function that is true": b'{"data": [], "fn_index": true}',
    "a function that is a fraction": b'{"data": [], "fn_index": 0.5}',
    "deep": b"[" * 100_000,
    "deep and closed": b'{"data": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"a":' * 50_000,
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "empty": b"",
    "no json": b"data=1",
    "bytes": bytes(range(256)),
    "a session that is a list": b'{"session_hash": ["s"]}',
    "a session with a path": b'{"session_hash": "../x"}',
    "a long session": b'{"session_hash": "' + b"a" * 1000 + b'"}',
    "an event that is a number": b'{"event_id": 5}',
    "data that is a text": b'{"data": "x", "fn_index": 0}',
}


@pytest.mark.parametrize("path", GRADIO)
@pytest.mark.parametrize("kind", BODIES)
def test_a_body_of_gradio_s_that_cannot_be_used_is_one_sentence(lab: Lab, path: str, kind: str) -> None:
    answer = lab.client().post(path, content=BODIES[kind], headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text[:300]
    assert answer.json()["error"]["key"] == "request_value" and "Traceback" not in answer.text


VALUES: tuple[Any, ...] = (None, True, -1, 1.5, "", "x" * 300_000, [], {}, [[]], "\ud800", "\x00", 2**70)
FIELDS = ("id", "pair", "collection", "choice", "strength", "reason", "milliseconds", "edited", "revealed")
MAY_BE = {
    "strength": (None,),
    "reason": ("", "\x00"),
    "milliseconds": (None,),
    "edited": (None, "\x00"),
    "revealed": (True,),
}


@dataclass
class Shown:
    """A collection, and a guest's client."""

    lab: Lab
    collection: str


@pytest.fixture(scope="module")
def shown(make_module_lab: Make, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    lab = make_module_lab(host="0.0.0.0", guests=True, home=tmp_path_factory.mktemp("open"))
    return Shown(lab, sums(Annotation(lab.store), 400, overlap=50))


def guest(shown: Shown, name: str = "Eve"):  # type: ignore[no-untyped-def]
    address = ".".join(str(each) for each in (10, *uuid4().bytes[:3]))  # one address lets few guests in at a time
    client = shown.lab.client(address=address, origin=AWAY)
    assert client.post("/sign-in/guest", data={"name": name}).status_code == 303
    return client


def a_pair(client: Any, shown: Shown) -> dict[str, Any]:
    pair = client.get(f"/api/annotate/collections/{shown.collection}/pairs", params={"count": 1}).json()["pairs"][0]
    return {"id": pair["shown"], "pair": pair["pair"], "collection": shown.collection, "choice": "a"}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_wrong_value_in_each_field_of_a_judgement(shown: Shown, field: str, number: int) -> None:
    value = VALUES[number]
    if value in MAY_BE.get(field, ()) and type(value) in {type(each) for each in MAY_BE.get(field, ())}:
        pytest.skip("that is a right value there")
    client = guest(shown)
    sent = json.dumps(a_pair(client, shown) | {field: value}).encode()
    answer = client.post("/api/annotate/judgements", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code in (409, 422), (field, value if len(str(value)) < 50 else "…", answer.text[:200])
    assert "Traceback" not in answer.text and answer.json()["error"]["key"]


@pytest.mark.parametrize(
    "extra", [{"annotator": "u-1"}, {"access": "owner"}, {"left": "first"}, {"time": 0}, {"__proto__": {}}]
)
def test_a_field_that_nobody_asked_for(shown: Shown, extra: dict[str, Any]) -> None:
    client = guest(shown)
    assert client.post("/api/annotate/judgements", json=a_pair(client, shown) | extra).status_code == 422


RULES = "/api/rules/bench"
RULE = {"rules": [{"name": "equals_answer"}], "rows": [{"prompt": "p", "completion": "c", "answer": "a"}]}
WRONG_RULES = (
    {"rules": []}, {"rules": "x"}, {"rules": [{}]}, {"rules": [{"name": 5}]}, {"rules": [{"name": "equals_answer", "weight": 1e9}]},
    {"rules": [{"name": "equals_answer"}] * 500}, {"rows": []}, {"rows": [{"completion": 5}]}, {"rows": [{"completion": "x"}] * 500},
    {"fraction": 0}, {"fraction": 2}, {"fraction": "x"}, {"fraction": None}, {"more": 1}, {"rules": [{"name": "x" * 500}]},
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(WRONG_RULES)))
def test_a_wrong_value_on_the_bench(shown: Shown, number: int) -> None:
    assert guest(shown).post(RULES, json=RULE | WRONG_RULES[number]).status_code == 422


# ---- floods


def test_an_edit_is_no_longer_than_the_responses_allow(shown: Shown) -> None:
    client = guest(shown)
    answer = client.post("/api/annotate/judgements", json=a_pair(client, shown) | {"edited": "x" * 50_000})
    assert (answer.status_code, answer.json()["error"]["key"]) == (422, "judgement_edit_long")


def test_judging_and_undoing_does_not_fill_the_disk(shown: Shown) -> None:
    client = guest(shown)
    said, keys = a_pair(client, shown), []
    for _ in range(MOST_OF_A_PAIR):
        judged = client.post("/api/annotate/judgements", json=said)
        keys.append(judged.json().get("error", {}).get("key"))
        if judged.status_code != 200:
            break
        undone = client.post("/api/annotate/undo", json={"id": str(uuid4()), "judgement": said["id"]})
        keys.append(undone.json().get("error", {}).get("key"))
        if undone.status_code != 200:
            break
        said["id"] = undone.json()["pair"]["shown"]
    assert keys[-1] == "judgement_too_often" and len(keys) <= MOST_OF_A_PAIR + 2
    assert client.post("/api/annotate/judgements", json=a_pair(client, shown)).status_code == 200, (
        "another pair is taken"
    )


def test_a_guest_s_text_has_a_budget_and_clicks_do_not(shown: Shown) -> None:
    client, answers = guest(shown), []
    for _ in range(300):  # as fast as the limit of writing lets them
        answers.append(
            client.post(
                "/api/annotate/judgements", json=a_pair(client, shown) | {"edited": "漢" * 1900, "reason": "理" * 500}
            )
        )
        if answers[-1].status_code == 429:
            break
    assert answers[-1].json()["error"]["key"] in ("too_much_text", "too_many_requests")
    time.sleep(0.2)
    assert client.post("/api/annotate/judgements", json=a_pair(client, shown)).status_code == 200


def test_below_the_floor_only_plain_judgements_are_taken(make_lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(host="0.0.0.0", guests=True, password="correct horse")
    shown = Shown(lab, sums(Annotation(lab.store), 10))
    monkeypatch.setattr(space, "FLOOR_BYTES", 1 << 60)
    client, owner = guest(shown), lab.client(Access.OWNER, origin=AWAY)
    assert client.post("/api/annotate/judgements", json=a_pair(client, shown)).status_code == 200
    for text in ({"edited": "another"}, {"reason": "because"}):
        answer = client.post("/api/annotate/judgements", json=a_pair(client, shown) | text)
        assert (answer.status_code, answer.json()["error"]["key"]) == (503, "disk_floor_text")
    assert owner.post("/gradio_api/upload", files={"files": ("rows.jsonl", b"{}")}).status_code == 507
    rules = {"name": "short", "rules": [{"name": "equals_answer"}]}
    assert owner.post("/api/rules/sets", json=rules).json()["error"]["key"] == "disk_floor"
    annotation = Annotation(lab.store)
    from lab.core.recipes import parse
    from lab.errors import MachineError

    for act in (
        lambda: annotation.import_rows([{"prompt": "p", "first": "a", "second": "b"}], name="more"),
        lambda: annotation.freeze(shown.collection),
        lambda: lab.store.create_run(parse({"algorithm": "grpo"})),
    ):
        with pytest.raises(MachineError, match="disk_floor"):
            act()


# ---- senders that take their time


@pytest.fixture
def served(make_lab: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(connections, "MOST_OF_AN_ADDRESS", 40)
    lab = make_lab()
    listener = listen(replace(lab.settings, port=0))
    port = listener.getsockname()[1]
    server = _Server(server_config(lab.application, lab.settings), lab.application, replace(lab.settings, port=port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield port
    server.should_exit = True
    thread.join(20)


def told(wire: socket.socket) -> bytes:
    """What comes until the other side closes."""
    wire.settimeout(15)
    content = b""
    try:
        while more := wire.recv(65536):
            content += more
    except ConnectionResetError:
        pass
    return content


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"POST /sign-in HTTP/1.1\r\nHo"],
)
def test_half_a_head_is_not_waited_for(served: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served)) as wire:
        wire.sendall(sent)
        began = time.monotonic()
        assert told(wire) == b""
        assert time.monotonic() - began < 10


def test_many_half_heads_keep_nobody_out(served: int) -> None:
    wires = [socket.create_connection(("127.0.0.1", served)) for _ in range(80)]
    try:
        for wire in wires:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                wire.sendall(b"GET / HTTP/1.1\r\nHost: ")
        deadline = time.monotonic() + 20
        while True:
            with socket.create_connection(("127.0.0.1", served)) as wire:
                wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if told(wire).startswith(b"HTTP/1.1 200"):
                    return
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        for wire in wires:
            wire.close()


def test_a_refused_body_is_not_read_to_its_end(served: int) -> None:
    head = f"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1:{served}\r\nContent-Length: {4 << 30}\r\n\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", served)) as wire:
        wire.sendall(head.encode())
        wire.settimeout(10)
        try:
            while sent < 256 << 20:
                sent += wire.send(b" " * 65536)
        except OSError:
            pass
    assert sent < 64 << 20, "the connection ends"


def test_a_request_on_a_kept_connection_does_not_wait(served: int) -> None:
    """44 ms each without TCP_NODELAY; the best of some, since the machine may be busy."""
    with socket.create_connection(("127.0.0.1", served)) as wire:
        taken = []
        for _ in range(20):
            began = time.perf_counter()
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            wire.recv(65536)
            taken.append(time.perf_counter() - began)
        assert min(taken) < 0.03


@pytest.mark.skipif(os.name != "posix", reason="the number of open files is POSIX's")
def test_connections_are_counted_down_again(served: int) -> None:
    for _ in range(3):
        wires = [socket.create_connection(("127.0.0.1", served)) for _ in range(39)]
        for wire in wires:
            wire.close()
        time.sleep(0.3)
    with socket.create_connection(("127.0.0.1", served)) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert told(wire).startswith(b"HTTP/1.1 200")

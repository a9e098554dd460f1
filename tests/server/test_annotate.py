"""The annotation routes: the server knows who judges and what stood where, and answers "saved" only for what is on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from lab.annotation.collections import Annotation
from lab.annotation.tables import judgements_table
from lab.core.access import Access
from lab.core.preferences import LONGEST_REASON
from lab.server.limits import Rate, Writes
from tests.annotation.annotating import sums
from tests.server.conftest import Lab, Make

JUDGE, UNDO = "/api/annotate/judgements", "/api/annotate/undo"


@pytest.fixture(scope="module")
def open_lab(make_module_lab: Make) -> Lab:
    """On an address that others reach, open to guests."""
    return make_module_lab(host="0.0.0.0", guests=True)


@pytest.fixture
def guests(open_lab: Lab) -> Iterator[tuple[TestClient, TestClient]]:
    """Two browsers of two guests, who chose names that look nothing like ids."""
    clients = [open_lab.client() for _ in range(2)]
    for client, name in zip(clients, ("小明", "Zoë"), strict=True):
        assert client.post("/sign-in/guest", data={"name": name}).status_code == 303
    yield clients[0], clients[1]


def pairs_of(client: TestClient, collection: str, count: int = 1, holding: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/annotate/collections/{collection}/pairs", params={"count": count, "holding": holding})
    assert answer.status_code == 200, answer.text
    return answer.json()["pairs"]


def body(pair: dict[str, Any], collection: str, choice: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "id": pair["shown"],
        "pair": pair["pair"],
        "collection": collection,
        "choice": choice,
        "milliseconds": 1200,
    } | more


def rows(lab: Lab, collection: str) -> list[Any]:
    with lab.store.reading() as connection:
        return list(connection.execute(select(judgements_table).where(judgements_table.c.collection == collection)))


def key_of(answer: Any) -> str:
    return answer.json()["error"]["key"]


def test_a_pair_is_shown_judged_and_undone(open_lab: Lab, guests: tuple[TestClient, TestClient]) -> None:
    collection, (client, _) = sums(Annotation(open_lab.store), 4, strength=True), guests
    mine = next(one for one in client.get("/api/annotate/collections").json()["collections"] if one["id"] == collection)
    assert mine == {"id": collection, "name": "sums", "pairs": 4, "overlap": 1, "judged": 0, "left": 4}
    shown = client.get(f"/api/annotate/collections/{collection}/pairs", params={"count": 2}).json()
    assert shown["settings"] == {"strength": True, "reason": False}
    assert shown["progress"] == {"judged": 0, "left": 4, "total": 4, "per_hour": None}
    pair = shown["pairs"][0]
    assert set(pair) == {"pair", "prompt", "a", "b", "shown"}
    answer = client.post(JUDGE, json=body(pair, collection, "b", strength=2)).json()
    assert answer["saved"] is True and answer["id"] == pair["shown"] and answer["progress"]["judged"] == 1
    (row,) = rows(open_lab, collection)
    text = {item.id: item for item in Annotation(open_lab.store).pairs(collection)}[pair["pair"]]
    chosen = text.first if row.choice == "first" else text.second
    assert chosen.text == pair["b"] and row.choice != row.left and row.seconds == 1.2 and row.strength == 2
    assert answer["sources"]["b"] == chosen.source
    undone = client.post(UNDO, json={"id": str(uuid4()), "judgement": pair["shown"]}).json()
    assert undone["saved"] is True and {**undone["pair"], "shown": 0} == {**pair, "shown": 0}
    assert client.post(JUDGE, json=body(undone["pair"], collection)).json()["progress"]["judged"] == 1


def test_a_retry_a_double_click_and_a_thousand_of_them(open_lab: Lab, guests: tuple[TestClient, TestClient]) -> None:
    collection, (client, _) = sums(Annotation(open_lab.store)), guests
    said = body(pairs_of(client, collection)[0], collection)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post(JUDGE, json=said), range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(rows(open_lab, collection)) == 1


def test_two_open_the_same_pair(open_lab: Lab, guests: tuple[TestClient, TestClient]) -> None:
    collection, (one, other) = sums(Annotation(open_lab.store), 1, overlap=2), guests
    mine, theirs = pairs_of(one, collection)[0], pairs_of(other, collection)[0]
    assert mine["pair"] == theirs["pair"] and mine["shown"] != theirs["shown"]
    for client, pair in ((one, mine), (other, theirs)):
        assert client.post(JUDGE, json=body(pair, collection)).status_code == 200
    people = {row.annotator for row in rows(open_lab, collection)}
    assert len(people) == 2 and all(person.startswith("g-") for person in people)
    stolen = pairs_of(one, sums(Annotation(open_lab.store), 1))[0]
    answer = other.post(JUDGE, json=body(stolen, collection))
    assert (answer.status_code, key_of(answer)) == (409, "judgement_not_shown")


@pytest.mark.parametrize(
    "change",
    [
        {"choice": ""},
        {"choice": "first"},
        {"choice": None},
        {"strength": 0},
        {"strength": 4},
        {"strength": 1.5},
        {"strength": True},
        {"strength": "2"},
        {"milliseconds": -1},
        {"milliseconds": 10**15},
        {"reason": "x" * (LONGEST_REASON + 1)},
        {"reason": "\ud800"},
        {"edited": 7},
        {"id": "1"},
        {"pair": ""},
        {"pair": "x" * 65},
        {"annotator": "owner"},
        {"user": "somebody else"},
        {"revealed": "yes"},
    ],
)
def test_bad_values_are_refused_in_one_sentence(
    open_lab: Lab, guests: tuple[TestClient, TestClient], change: dict[str, Any]
) -> None:
    collection, (client, _) = sums(Annotation(open_lab.store), 1), guests
    said = body(pairs_of(client, collection)[0], collection) | change
    answer = client.post(JUDGE, content=json.dumps(said), headers={"content-type": "application/json"})
    assert (answer.status_code, key_of(answer)) == (422, "request_value"), answer.text
    assert len(answer.text) < 400 and rows(open_lab, collection) == []


def test_nan_nothing_and_a_megabyte(open_lab: Lab, guests: tuple[TestClient, TestClient]) -> None:
    collection, (client, _) = sums(Annotation(open_lab.store), 1), guests
    said = body(pairs_of(client, collection)[0], collection)
    json_type = {"content-type": "application/json"}
    for content, status in (
        (json.dumps(said | {"strength": float("nan")}), 422),
        (json.dumps(said | {"milliseconds": float("inf")}), 422),
        ("", 422),
        ("{}", 422),
        ("[]", 422),
        ("{", 422),
        (json.dumps(said | {"reason": "x" * 2**20}), 413),
    ):
        answer = client.post(JUDGE, content=content, headers=json_type)
        assert answer.status_code == status, (content[:60], answer.text[:300])
        assert set(answer.json()["error"]) == {"key", "params"}
    empty = client.post(JUDGE, json=said | {"choice": "a", "edited": " \n"})
    assert (empty.status_code, key_of(empty)) == (422, "judgement_edit_empty")
    assert rows(open_lab, collection) == []


def test_a_judgement_after_the_sources_were_shown_says_so(open_lab: Lab, guests: tuple[TestClient, TestClient]) -> None:
    collection, (client, _) = sums(Annotation(open_lab.store), 2), guests
    for pair, more in zip(pairs_of(client, collection, 2), ({}, {"revealed": True}), strict=True):
        assert client.post(JUDGE, json=body(pair, collection, **more)).status_code == 200
    assert [row.revealed for row in rows(open_lab, collection)] == [False, True]


def test_a_reason_with_scripts_is_text(open_lab: Lab, guests: tuple[TestClient, TestClient]) -> None:
    collection, (client, _) = sums(Annotation(open_lab.store), 1), guests
    reason = "<script>alert(1)</script> '; DROP TABLE pairs; -- \x00 好"
    said = body(pairs_of(client, collection)[0], collection, reason=reason)
    assert client.post(JUDGE, json=said).status_code == 200
    assert [row.reason for row in rows(open_lab, collection)] == [reason]


def test_asking_for_pairs(open_lab: Lab, guests: tuple[TestClient, TestClient]) -> None:
    collection, (client, _) = sums(Annotation(open_lab.store), 9), guests
    first = pairs_of(client, collection, 3)
    held = ",".join(pair["pair"] for pair in first)
    more = pairs_of(client, collection, 3, held)
    assert {pair["pair"] for pair in first}.isdisjoint(pair["pair"] for pair in more)
    path = f"/api/annotate/collections/{collection}/pairs"
    answer = client.get(path, params={"count": 0, "holding": held + ",nonsense"}).json()
    assert (answer["pairs"], answer["gone"]) == ([], ["nonsense"])
    for bad in ({"count": -1}, {"count": 21}, {"count": "nan"}, {"holding": "x" * 9000}):
        assert client.get(path, params=bad).status_code == 422
    for missing in ("20260101-000000-aaaa", "..%2f..", "x" * 300):
        answer = client.get(f"/api/annotate/collections/{missing}/pairs")
        assert (answer.status_code, key_of(answer)) in ((404, "no_such_collection"), (404, "request_path"))


def test_asking_for_pairs_is_counted_as_the_writing_that_it_is(make_lab: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claims; by person, so nobody else waits for somebody who floods."""
    allowed = Writes(guests=Rate(burst=4, per_second=0), others=Rate(burst=9, per_second=0))
    monkeypatch.setattr("lab.server.application.writes", lambda: allowed)
    lab = make_lab(host="0.0.0.0", guests=True)
    collection, clients = sums(Annotation(lab.store), 9), [lab.client() for _ in range(2)]
    for client in clients:
        assert client.post("/sign-in/guest", data={"name": "Li"}).status_code == 303
    paths = [f"/api/annotate/collections/{collection}/pairs", "/judge"]
    answers = [clients[0].get(paths[number % 2]) for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    assert key_of(answers[-1]) == "too_many_requests"
    assert clients[0].get("/api/annotate/collections").status_code == 200  # reading alone goes on
    assert [clients[1].get(path).status_code for path in paths] == [200, 200]


def test_viewers_look_and_do_not_judge(open_lab: Lab) -> None:
    client = open_lab.client(Access.VIEWER)
    for answer in (client.get("/api/annotate/collections"), client.post(JUDGE, json={}), client.post(UNDO, json={})):
        assert (answer.status_code, key_of(answer)) == (403, "access_needed")


def test_the_one_user_of_a_plain_lab_judges_as_the_owner(lab: Lab) -> None:
    collection, client = sums(Annotation(lab.store), 1), lab.client()
    assert client.post(JUDGE, json=body(pairs_of(client, collection)[0], collection)).status_code == 200
    assert [row.annotator for row in rows(lab, collection)] == ["owner"]

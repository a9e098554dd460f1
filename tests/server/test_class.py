"""A class over HTTP: who may what, what a pause and a reset hold, and that nobody sees another's judgements."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from lab.annotation.collections import Annotation
from lab.compare.selection import MOST_RUNS
from lab.core.access import Access
from lab.core.recipes import parse
from lab.store.runs import RunState
from tests.annotation.annotating import sums
from tests.server.conftest import AWAY, PASSWORD, Lab, Make


@pytest.fixture
def room(make_lab: Make) -> Lab:
    return make_lab(host="0.0.0.0", password=PASSWORD, guests=True, classroom=True)


@pytest.fixture(scope="module")
def standing_room(make_module_lab: Make) -> Lab:
    """The same for tests that leave it as it was, but for who came in."""
    return make_module_lab(host="0.0.0.0", password=PASSWORD, guests=True, classroom=True)


def guest(lab: Lab, name: str = "Ana", **fields: str) -> TestClient:
    client = lab.client(origin=AWAY)
    answer = client.post("/sign-in/guest", data={"name": name, **fields})
    assert answer.status_code == 303, answer.text
    return client


def owner(lab: Lab) -> TestClient:
    return lab.client(Access.OWNER, origin=AWAY)


def change(lab: Lab, **values: object) -> dict[str, object]:
    answer = owner(lab).post("/api/class/change", json=values)
    assert answer.status_code == 200, answer.text
    return answer.json()


OWNERS = ["change", "next-question", "clear-votes", "reset", "take-back", "collection", "remove-rules", "stop-run"]
GUESTS = ["here", "rules", "runs", "runs/stop", "votes"]


@pytest.mark.parametrize("path", OWNERS)
def test_what_the_owner_chooses_is_no_guests(standing_room: Lab, path: str) -> None:
    assert guest(standing_room).post(f"/api/class/{path}", json={}).status_code == 403
    assert standing_room.client(Access.ANNOTATOR, origin=AWAY).post(f"/api/class/{path}", json={}).status_code == 403
    assert standing_room.client(origin=AWAY).post(f"/api/class/{path}", json={}).status_code == 401


@pytest.mark.parametrize("path", GUESTS)
def test_what_guests_do_is_no_viewers(standing_room: Lab, path: str) -> None:
    assert standing_room.client(Access.VIEWER, origin=AWAY).post(f"/api/class/{path}", json={}).status_code == 403
    assert standing_room.client(origin=AWAY).post(f"/api/class/{path}", json={}).status_code == 401
    assert (
        guest(standing_room).post(f"/api/class/{path}", json={}).status_code == 422
    )  # theirs; only the values are missing


def test_a_lab_that_is_only_open_to_annotate_lets_nobody_submit_or_train(make_lab: Make) -> None:
    lab = make_lab(host="0.0.0.0", password=PASSWORD, guests=True)
    client = guest(lab)
    rules = {"title": "t", "rules": [{"name": "equals_answer"}]}
    assert client.post("/api/class/rules", json=rules).json()["error"]["key"] == "class_not_allowed"
    answer = client.post("/api/class/runs", json={"preset": "tiny/sft"})
    assert (answer.status_code, answer.json()["error"]["key"]) == (403, "class_not_allowed")
    assert client.get("/api/class/me").json()["may"] == {"judge": True, "rules": False, "train": False}


def test_a_closed_lab_has_no_class(shared_lab: Lab) -> None:
    assert shared_lab.client(Access.OWNER).get("/api/class").status_code == 404


def test_two_of_one_name_are_told_apart_by_a_number(standing_room: Lab) -> None:
    one, other = guest(standing_room, "李明"), guest(standing_room, "李明")
    names = [client.get("/api/class/me").json()["me"]["name"] for client in (one, other)]
    assert names == ["李明", "李明 2"]
    one.post("/api/class/here", json={"tab": "learn", "step": 5})
    people = {person["name"]: person for person in owner(standing_room).get("/api/class").json()["people"]}
    assert (people["李明"]["place"], people["李明"]["step"]) == ("learn", 5)


def test_a_guest_sees_nobody_elses_judgements_and_no_answer_before_it_is_revealed(room: Lab) -> None:
    collection = sums(Annotation(room.store), 3, everyone=True)
    ana, ben = guest(room), guest(room, "Ben")
    for pair in ana.get(f"/api/annotate/collections/{collection}/pairs?count=3").json()["pairs"]:
        body = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "a"}
        assert ana.post("/api/annotate/judgements", json={**body, "reason": "because of Ana"}).status_code == 200
    assert ana.post("/api/class/votes", json={"question": "worked", "chosen": [1]}).status_code == 200
    seen = ben.get("/api/class/me").text
    assert "because" not in seen and ana.get("/api/class/me").json()["me"]["id"] not in seen
    question = json.loads(seen)["question"]
    assert question["mine"] is None and "mean" not in question
    assert all(answer.keys() == {"text", "reward"} for answer in question["answers"])
    assert all("kept" not in answer for answer in ben.get("/api/class/wall").json()["question"]["answers"])
    change(room, revealed=True)
    kept = [answer["kept"] for answer in ben.get("/api/class/me").json()["question"]["answers"]]
    assert kept == [True, True, True, False, True]
    late = ben.post("/api/class/votes", json={"question": "worked", "chosen": [0]})
    assert (late.status_code, late.json()["error"]["key"]) == (409, "class_vote_over")


def test_a_pause_holds_guests_and_loses_nothing(room: Lab) -> None:
    collection = sums(Annotation(room.store), 2, everyone=True)
    ana = guest(room)
    (pair,) = ana.get(f"/api/annotate/collections/{collection}/pairs?count=1").json()["pairs"]
    body = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "b"}
    change(room, paused=True)
    held = ana.post("/api/annotate/judgements", json=body)
    assert (held.status_code, held.json()["error"]["key"]) == (503, "class_paused")  # the page sends it again
    assert ana.get(f"/api/annotate/collections/{collection}/pairs?count=1").status_code == 503
    assert ana.get("/api/class/me").json()["paused"] is True
    assert ana.post("/api/class/here", json={"tab": "judge"}).json() == {"paused": True}
    change(room, paused=False)
    assert ana.post("/api/annotate/judgements", json=body).json()["saved"]


def test_a_closed_class_and_the_code(room: Lab) -> None:
    code = change(room, ask_code=True)["state"]["code"]  # type: ignore[index]
    stranger = room.client(origin=AWAY)
    refused = stranger.post("/sign-in/guest", data={"name": "Ana", "code": "0000"})
    assert refused.status_code == 403 and 'value="Ana"' in refused.text
    inside = guest(room, "Ana", code=code.lower())
    change(room, open=False)
    assert stranger.post("/sign-in/guest", data={"name": "Ben", "code": code}).status_code == 403
    assert inside.get("/api/class/me").status_code == 200  # who is in stays


def test_a_reset_signs_guests_out_and_empties_the_board_but_keeps_judgements(room: Lab) -> None:
    collection = sums(Annotation(room.store), 2, everyone=True)
    ana = guest(room)
    (pair,) = ana.get(f"/api/annotate/collections/{collection}/pairs?count=1").json()["pairs"]
    body = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "b"}
    ana.post("/api/annotate/judgements", json=body)
    ana.post("/api/class/rules", json={"title": "t", "rules": [{"name": "equals_answer"}]})
    ana.post("/api/class/runs", json={"preset": "tiny/sft"})
    before = owner(room).get("/api/class").json()
    assert (len(before["board"]), len(before["queue"]["waiting"]), len(before["people"])) == (1, 1, 1)
    room.application.state.room.state.change(since=0.0)
    after = owner(room).post("/api/class/reset", json={}).json()
    assert (after["board"], after["queue"]["waiting"], after["people"]) == ([], [], [])
    assert after["state"]["code"] != before["state"]["code"]
    assert after["agreement"]["judgements"] == 1


def test_a_guest_of_before_a_reset_is_a_stranger(room: Lab) -> None:
    ana = guest(room)
    room.application.state.room.state.change(since=4e9)
    assert ana.get("/api/class/me").status_code == 401


def test_taking_back_and_hiding(room: Lab) -> None:
    collection = sums(Annotation(room.store), 2, everyone=True)
    ana = guest(room)
    for pair in ana.get(f"/api/annotate/collections/{collection}/pairs?count=2").json()["pairs"]:
        body = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "b"}
        assert ana.post("/api/annotate/judgements", json=body).status_code == 200
    who = ana.get("/api/class/me").json()["me"]["id"]
    assert owner(room).get("/api/class").json()["people"][0]["judged"] == 2
    assert owner(room).post("/api/class/take-back", json={"person": who}).json()["people"][0]["judged"] == 0
    assert owner(room).post("/api/class/collection", json={"collection": collection, "hidden": True}).status_code == 200
    assert ana.get("/api/annotate/collections").json()["collections"] == []
    assert ana.get(f"/api/annotate/collections/{collection}/pairs").status_code == 404


def test_new_collections_of_an_open_lab_are_for_everyone(standing_room: Lab) -> None:
    rows = [{"prompt": "1 + 1", "first": "2", "second": "3"}]
    annotation = standing_room.application.state.room.annotation
    assert annotation.import_rows(rows, name="sums").collection.settings.everyone


@pytest.mark.parametrize("place", ["/?tab=rules", "/?tab=learn&step=5", "/?view=wall"])
def test_an_address_is_opened_after_signing_in(standing_room: Lab, place: str) -> None:
    client = standing_room.client(origin=AWAY, accept="text/html")
    asked = client.get(place)
    assert asked.status_code == 303
    page = client.get(asked.headers["location"]).text
    action = "/sign-in/guest" + page.split('action="/sign-in/guest')[1].split('"')[0].replace("&amp;", "&")
    assert client.post(action, data={"name": "Ana"}).headers["location"] == place


def test_no_other_place_than_the_labs_is_opened_after_signing_in(standing_room: Lab) -> None:
    for place in ("//evil.example/?tab=x", "/?tab=//evil", "https://evil.example", "/?a=b%0d%0ax"):
        client = standing_room.client(origin=AWAY)
        answer = client.post("/sign-in/guest", data={"name": "Ana"}, params={"to": place})
        assert answer.headers["location"] in ("/", "/judge")  # the latter where one collection waits for them


def test_the_wall_and_the_code_to_scan(standing_room: Lab) -> None:
    ana = guest(standing_room)
    page = ana.get("/?view=wall")
    assert page.status_code == 200 and 'data-testid="wall"' in page.text and "<button" not in page.text
    assert "nonce-" in page.headers["content-security-policy"]
    assert standing_room.client(accept="text/html").get("/?view=wall").status_code == 303
    svg = ana.get("/api/class/qr.svg")
    assert svg.headers["content-type"] == "image/svg+xml" and svg.text.startswith("<svg")
    assert ana.get("/api/class/wall").json()["address"] == AWAY


def test_a_value_that_cannot_be_is_named(standing_room: Lab) -> None:
    answer = owner(standing_room).post("/api/class/change", json={"steps": 0})
    assert (answer.status_code, answer.json()["error"]["params"]["field"]) == (422, "steps")


def test_the_queue_names_the_newest_finished_runs_as_many_as_can_be_compared(room: Lab) -> None:
    ana = guest(room)
    mine = []
    for number in range(MOST_RUNS + 2):
        run = room.store.create_run(parse({"algorithm": "sft", "name": f"run {number}"}))
        room.application.state.room.training.turns.add(run.id, ana.get("/api/class/me").json()["me"]["id"])
        room.store.change(run.id, state=RunState.FINISHED, started=1.0, ended=2.0 + number)
        mine.append(run.id)
    other = room.store.create_run(parse({"algorithm": "sft", "name": "the owner's"}))
    room.store.change(other.id, state=RunState.FINISHED, started=1.0, ended=99.0)
    change(room, paused=False)
    queue = owner(room).get("/api/class").json()["queue"]
    assert queue["done"] == MOST_RUNS + 2 and len(queue["finished"]) == MOST_RUNS
    assert set(queue["finished"]) <= set(mine)


def test_a_rule_set_of_the_bench_goes_to_the_board_as_it_is_sent(room: Lab) -> None:
    """The bench sends its rules with weights, pins and sources; what stands on the board says their score."""
    rules = [
        {"name": "equals_answer", "weight": 2, "fallback": 0, "pins": []},
        {
            "name": "mine",
            "weight": 1,
            "fallback": 0,
            "pins": [],
            "source": "def reward(prompt, completion, answer):\n    return 1.0",
        },
    ]
    answer = guest(room).post("/api/class/rules", json={"title": "from the bench", "rules": rules})
    assert answer.status_code == 200, answer.text
    (entry,) = answer.json()["board"]
    assert entry["title"] == "from the bench" and entry["person"] == answer.json()["me"]["id"]
    assert 1 / 3 <= entry["score"] <= 1

"""Files and ids of others: results of Gradio's, pairs, judgements, drafts of the queue, by whoever knows the id."""

from __future__ import annotations

import json
import secrets
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from lab.annotation.collections import Annotation
from lab.core.access import Access
from tests.annotation.annotating import sums
from tests.server.conftest import AWAY, PASSWORD, Lab, Make

JOIN = "/gradio_api/queue/join"


@pytest.fixture(scope="module")
def open_lab(make_module_lab: Make, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_module_lab(host="0.0.0.0", password=PASSWORD, guests=True, home=tmp_path_factory.mktemp("others"))


def guest(lab: Lab, name: str) -> TestClient:
    client = lab.client(origin=AWAY)
    assert client.post("/sign-in/guest", data={"name": name}).status_code == 303
    return client


def joined(lab: Lab, client: TestClient, name: str = "say") -> tuple[str, str]:
    """The session and the event of a call that somebody has made."""
    number = next(f._id for f in lab.blocks.fns.values() if f.api_name == name)
    session = secrets.token_hex(5)
    answer = client.post(JOIN, json={"data": ["mine"], "fn_index": number, "session_hash": session})
    assert answer.status_code == 200
    return session, answer.json()["event_id"]


def of_another(answer: Any) -> bool:
    return answer.status_code == 403 and answer.json()["error"]["key"] == "result_of_another"


@pytest.mark.parametrize("thief", [Access.VIEWER, Access.ANNOTATOR, Access.OWNER, None])
def test_a_result_is_its_caller_s_alone(open_lab: Lab, thief: Access | None) -> None:
    with guest(open_lab, "Ana") as ana:
        session, event = joined(open_lab, ana)
        other = guest(open_lab, "Eve") if thief is None else open_lab.client(thief, origin=AWAY)
        number = next(iter(open_lab.blocks.fns))
        assert of_another(other.get("/gradio_api/queue/data", params={"session_hash": session}))
        assert of_another(other.get(f"/gradio_api/heartbeat/{session}"))
        assert of_another(
            other.post("/gradio_api/cancel", json={"session_hash": session, "event_id": event, "fn_index": number})
        )
        assert of_another(other.post("/gradio_api/reset", json={"event_id": event}))
        assert of_another(
            other.post("/gradio_api/run/predict", json={"data": ["x"], "fn_index": number, "session_hash": session})
        )
        body = {"data": ["x"], "component_id": 1, "session_hash": session, "fn_name": "ask"}
        assert of_another(other.post("/gradio_api/component_server", json=body))
        assert of_another(other.post(JOIN, json={"data": ["x"], "fn_index": number, "session_hash": session}))
        with ana.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            said = next(line for line in stream.iter_lines() if "process_completed" in line)
            assert "viewer said mine" in said


def test_a_call_s_event_is_its_caller_s_alone(open_lab: Lab) -> None:
    with guest(open_lab, "Ana") as ana:
        event = ana.post("/gradio_api/call/say", json={"data": ["mine"]}).json()["event_id"]
        assert of_another(guest(open_lab, "Eve").get(f"/gradio_api/call/say/{event}"))
        assert "viewer said mine" in ana.get(f"/gradio_api/call/say/{event}").text


@pytest.mark.parametrize("access", [Access.VIEWER, Access.ANNOTATOR, None])
def test_uploads_and_the_cache_are_the_owner_s(open_lab: Lab, access: Access | None) -> None:
    owner = open_lab.client(Access.OWNER, origin=AWAY)
    path = owner.post("/gradio_api/upload", files={"files": ("rows.jsonl", b"secret rows")}).json()[0]
    assert "secret rows" in owner.get(f"/gradio_api/file={path}").text
    other = guest(open_lab, "Eve") if access is None else open_lab.client(access, origin=AWAY)
    assert other.get(f"/gradio_api/file={path}").status_code == 403
    assert other.post("/gradio_api/upload", files={"files": ("x", b"x")}).status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        "lab.db",
        "lab.db-wal",
        "secret_key",
        "users.toml",
        "ended_sessions",
        "outside.json",
        "runs",
        "jobs",
        "models",
        "exports",
    ],
)
def test_the_home_is_nobody_s_by_its_path(open_lab: Lab, name: str) -> None:
    path = open_lab.settings.home.resolve() / name
    for way in (str(path), f"{path}/", f"/{path}", str(path).replace("/", "//"), f"{path.parent}/x/../{name}"):
        answer = open_lab.client(Access.OWNER, origin=AWAY).get(f"/gradio_api/file={way}")
        assert answer.status_code in (403, 404), (way, answer.status_code)


@pytest.fixture
def judged(open_lab: Lab) -> tuple[TestClient, TestClient, dict[str, Any]]:
    """Ana has been handed a pair; Eve is there too."""
    collection = sums(Annotation(open_lab.store), 4, overlap=2)
    ana, eve = guest(open_lab, "Ana"), guest(open_lab, "Ana")  # of one name
    pair = ana.get(f"/api/annotate/collections/{collection}/pairs", params={"count": 1}).json()["pairs"][0]
    return ana, eve, {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "a"}


def test_nobody_judges_for_somebody_else(judged: tuple[TestClient, TestClient, dict[str, Any]]) -> None:
    ana, eve, said = judged
    assert eve.post("/api/annotate/judgements", json=said).status_code == 409
    assert ana.post("/api/annotate/judgements", json=said).status_code == 200
    assert eve.post("/api/annotate/judgements", json=said).status_code == 409
    undo = {"id": str(uuid4()), "judgement": said["id"]}
    assert eve.post("/api/annotate/undo", json=undo).status_code in (404, 409)
    assert ana.post("/api/annotate/undo", json=undo).status_code == 200
    assert eve.post("/api/annotate/undo", json=undo).status_code in (404, 409), "nor by the id of the undo"


def test_the_server_never_asks_the_browser_who_it_is(judged: tuple[TestClient, TestClient, dict[str, Any]]) -> None:
    _, eve, said = judged
    for name, value in (
        ("X-User", "owner"),
        ("X-Remote-User", "owner"),
        ("Authorization", "Bearer owner"),
        ("X-Access", "owner"),
    ):
        assert eve.get("/api/me", headers={name: value}).json()["access"] == "annotator"
        assert eve.post("/api/annotate/judgements", json=said, headers={name: value}).status_code == 409


def test_the_queue_s_messages_name_nobody_else(open_lab: Lab) -> None:
    with guest(open_lab, "Ana") as ana, guest(open_lab, "Eve") as eve:
        joined(open_lab, ana)
        session, _ = joined(open_lab, eve)
        outputs = []
        with eve.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    outputs.append(json.dumps(json.loads(line[5:]).get("output")))
                    if "process_completed" in line:
                        break
        assert outputs and outputs[-1] != "null", "what she asked for has come"
        assert not [output for output in outputs if "g-" in output]

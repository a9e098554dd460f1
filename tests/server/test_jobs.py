"""The /api/jobs routes and /api/preflight, over a real store and real job folders; nothing is started here."""

from __future__ import annotations

import json
import shutil

import pytest

from lab.annotation.collections import Annotation
from lab.core.access import Access
from lab.core.recipes import parse
from lab.store.jobs import JobStore
from lab.store.models import SHIPPED
from lab.store.runs import RunState
from tests.annotation.annotating import ANNA, judge_all, sums
from tests.server.conftest import Lab, Make

SUMMARY = {"id", "kind", "by", "state", "created", "started", "ended", "stage", "done", "total", "tokens_per_second",
           "queue_position", "waits_for", "error", "result"}  # fmt: skip
ASK = {"kind": "sample", "spec": {"prompts": ["Solve 3x + 5 = 20"], "completions": 2}}


@pytest.fixture(autouse=True)
def no_jobs_before(lab: Lab) -> None:
    client = lab.client()
    for job in client.get("/api/jobs").json()["jobs"]:
        client.delete(f"/api/jobs/{job['id']}")
        client.delete(f"/api/jobs/{job['id']}")


def test_submit_follow_cancel_delete(lab: Lab) -> None:
    client = lab.client()
    answer = client.post("/api/jobs", json=ASK)
    assert answer.status_code == 201
    first = answer.json()
    assert set(first) == SUMMARY
    assert (first["state"], first["queue_position"], first["total"], first["waits_for"]) == ("queued", 1, 2, None)
    second = client.post("/api/jobs", json=ASK).json()
    assert second["queue_position"] == 2
    assert [job["id"] for job in client.get("/api/jobs").json()["jobs"]] == [second["id"], first["id"]]

    one = client.get(f"/api/jobs/{first['id']}").json()
    assert set(one) == SUMMARY | {"spec", "cursor", "reset", "lines"}
    assert one["spec"]["prompts"] == [{"prompt": "Solve 3x + 5 = 20", "answer": None, "turns": []}]

    assert client.delete(f"/api/jobs/{first['id']}").json()["state"] == "stopped"
    assert client.get(f"/api/jobs/{second['id']}").json()["queue_position"] == 1
    assert client.delete(f"/api/jobs/{first['id']}").json() == {"deleted": first["id"]}
    assert client.get(f"/api/jobs/{first['id']}").status_code == 404


def test_lines_by_cursor(lab: Lab) -> None:
    client = lab.client()
    job_id = client.post("/api/jobs", json=ASK).json()["id"]
    folder = JobStore(lab.store.home).folder(job_id)
    folder.append("result", {"text": "x = 5", "tokens": 5})
    first = client.get(f"/api/jobs/{job_id}").json()
    assert [line["text"] for line in first["lines"]] == ["x = 5"]
    folder.append("result", {"text": "无解", "tokens": 5})
    later = client.get(f"/api/jobs/{job_id}", params={"since": first["cursor"]}).json()
    assert ([line["text"] for line in later["lines"]], later["reset"]) == (["无解"], False)
    over = client.get(f"/api/jobs/{job_id}", params={"since": 10_000}).json()
    assert (len(over["lines"]), over["reset"]) == (2, True)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"kind": "train", "spec": {}}, "job_kind"),
        ({"kind": "sample", "spec": {"prompts": ["p"], "dataset": "equations"}}, "job_prompts"),
        ({"kind": "sample", "spec": {"prompts": ["p"], "completions": 0}}, "job_value"),
        ({"kind": "sample", "spec": {"prompts": ["p"], "temperature": "NaN"}}, "job_value"),
        ({"kind": "sample", "spec": {"dataset": "equations", "count": 2000, "completions": 200}}, "job_too_many"),
        ({"kind": "sample", "spec": {"prompts": ["p"], "model": "no such"}}, "model_missing"),
        ({"kind": "sample", "spec": {"dataset": "/no/such.jsonl"}}, "dataset_missing"),
        ({"kind": "preflight", "spec": {"recipe": {"algorithm": "sft"}}}, "preflight_algorithm"),
        ({"kind": "preflight", "spec": {"recipe": {"algorithm": "grpo", "rules": [{"name": "nothing"}]}}}, "rule_unknown"),
        ({"kind": "sample"}, "request_value"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_at_once(lab: Lab, body: dict[str, object], key: str) -> None:
    answer = lab.client().post("/api/jobs", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["key"] == key
    assert lab.client().get("/api/jobs").json() == {"jobs": []}


@pytest.mark.parametrize("job_id", ["nothing", "20260101-000000-abcd", "..%2f..%2fetc", "%2e%2e", "x" * 5000])
def test_a_job_that_is_not_there(lab: Lab, job_id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = lab.client().request(method, f"/api/jobs/{job_id}")
        assert answer.status_code == 404
        assert answer.json()["error"]["key"] in ("no_such_job", "request_path")


def test_only_the_owner_submits_and_ends(shared_lab: Lab) -> None:
    owner = shared_lab.client(Access.OWNER)
    job_id = owner.post("/api/jobs", json=ASK).json()["id"]
    assert owner.get(f"/api/jobs/{job_id}").json()["by"] == "owner"
    for level in (Access.VIEWER, Access.ANNOTATOR):
        client = shared_lab.client(level)
        assert client.get(f"/api/jobs/{job_id}").status_code == 200
        assert client.post("/api/jobs", json=ASK).status_code == 403
        assert client.delete(f"/api/jobs/{job_id}").status_code == 403
    assert shared_lab.client().get("/api/jobs").status_code == 401


def test_what_a_preflight_can_be_asked_with(make_lab: Make) -> None:
    lab = make_lab()
    shutil.copytree(SHIPPED["tiny"], lab.settings.home / "models" / "fetched-one")
    for algorithm, state in (("sft", RunState.FINISHED), ("rm", RunState.FINISHED), ("grpo", RunState.FAILED)):
        run = lab.store.create_run(parse({"algorithm": algorithm, "name": algorithm}))
        lab.store.change(run.id, state=state)
    (sft,) = [run for run in lab.store.runs() if run.algorithm == "sft"]
    annotation = Annotation(lab.store)
    sums(annotation)  # nobody judges it
    judged = sums(annotation)
    count = judge_all(annotation, ANNA, judged)
    assert lab.client().get("/api/preflight").json() == {
        "models": [
            {"model": "tiny", "name": "tiny"},
            {"model": "fetched-one", "name": "fetched-one"},
            {"model": f"run:{sft.id}", "name": f"sft · {sft.id}"},
        ],
        "collections": [{"id": judged, "name": "sums", "judgements": count}],
    }


def test_what_a_preflight_can_be_asked_with_is_told_to_the_owner_alone(shared_lab: Lab) -> None:
    assert shared_lab.client(Access.ANNOTATOR).get("/api/preflight").status_code == 403


@pytest.mark.parametrize(("collection", "key"), [("undecided", "agree_nothing"), ("nobody's", "no_such_collection")])
def test_a_collection_without_a_decision_is_refused_at_once(make_lab: Make, collection: str, key: str) -> None:
    lab = make_lab()
    undecided = sums(Annotation(lab.store))
    asked = undecided if collection == "undecided" else collection
    spec = {"recipe": {"algorithm": "grpo"}, "collection": asked}
    answer = lab.client().post("/api/jobs", json={"kind": "preflight", "spec": spec})
    assert answer.json()["error"]["key"] == key


def test_a_job_of_an_earlier_lab_is_still_listed(make_lab: Make) -> None:
    lab = make_lab()
    client = lab.client()
    job = client.post("/api/jobs", json={"kind": "preflight", "spec": {"recipe": {"algorithm": "grpo"}}}).json()["id"]
    path = lab.settings.home / "jobs" / job / "job.json"
    asked = json.loads(path.read_text())
    del asked["spec"]["collection"]
    asked["spec"]["judged"] = []
    path.write_text(json.dumps(asked))
    assert [one["id"] for one in client.get("/api/jobs").json()["jobs"]] == [job]

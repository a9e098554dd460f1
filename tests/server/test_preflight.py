"""``GET /api/preflight``: the models that are here, and the collections that somebody has judged."""

from __future__ import annotations

import json
import shutil

import pytest

from lab.annotation.collections import Annotation
from lab.core.access import Access
from lab.core.recipes import parse
from lab.store.models import SHIPPED
from lab.store.runs import RunState
from tests.annotation.annotating import ANNA, judge_all, sums
from tests.server.conftest import Lab, Make


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


def test_it_is_the_owners(shared_lab: Lab) -> None:
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

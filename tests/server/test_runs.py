"""The /api/runs routes, over a real store and a run's real folder."""

from __future__ import annotations

import json

import pytest

from lab.annotation.collections import Annotation
from lab.core.access import Access
from lab.core.recipes import parse
from lab.store.runs import RunState
from tests.core.test_hacking import run_of
from tests.runs.test_warnings import written
from tests.server.conftest import Lab, Make, a_run

SUMMARY = {"id", "name", "algorithm", "state", "created", "started", "ended", "step", "steps", "stage", "seconds_left",
           "tokens_per_second", "error", "result", "queue_position", "has_groups", "parent", "stop_at_step", "memory",
           "notes", "step_part", "step_fraction", "seconds_left_rough"}  # fmt: skip


def test_runs_and_a_run(lab: Lab) -> None:
    run, _ = a_run(lab.store)
    client = lab.client()
    listed = client.get("/api/runs").json()["runs"][0]
    assert set(listed) == SUMMARY | {"title", "tags", "note"}
    assert (listed["id"], listed["step"], listed["steps"], listed["stage"]) == (run.id, 3, 9, "training")
    one = client.get(f"/api/runs/{run.id}").json()
    assert set(one) == SUMMARY | {"recipe", "command", "warnings", "step_time"}
    assert one["warnings"] == []
    assert one["recipe"]["algorithm"] == "grpo"


def test_the_groups_of_a_run(lab: Lab) -> None:
    run, folder = a_run(lab.store)
    client = lab.client()
    page = client.get(f"/api/runs/{run.id}/groups").json()
    assert page["prompts"] == ["p1", "p0"]
    assert page["rows"] == [[1, 0, 0, 1.0, 0.0, 1, 1], [2, 0, 1, 1.0, 0.0, 1, 1], [3, 0, 0, 1.0, 0.0, 1, 1]]
    assert client.get(f"/api/runs/{run.id}/groups", params={"since": page["cursor"]}).json()["rows"] == []
    lines = client.get(f"/api/runs/{run.id}/groups/lines", params={"first": 2, "last": 3}).json()["lines"]
    assert lines == folder.group_lines(2, 3)
    assert client.get(f"/api/runs/{run.id}/groups/lines", params={"first": 7, "last": 9}).json() == {"lines": []}


def test_the_tokens_of_a_group(lab: Lab) -> None:
    run, folder = a_run(lab.store)
    line = {"version": 1, "step": 2, "group": 0, "at": 2, "update": 1, "completions": [{"index": 0, "logps": [-0.5]}]}
    folder.append("tokens", line)
    path = f"/api/runs/{run.id}/groups/tokens"
    assert lab.client().get(path, params={"step": 2, "group": 0}).json() == {"lines": [line]}
    assert lab.client().get(path, params={"step": 2, "group": 1}).json() == {"lines": []}
    assert lab.client().get(path, params={"step": 2}).status_code == 422


def test_the_pairs_of_a_run_stand_where_groups_would(lab: Lab) -> None:
    run = lab.store.create_run(parse({"algorithm": "dpo"}))
    folder = lab.store.folder(run.id)
    sides = [{"text": "x", "reward": 0.1, "kept": True}, {"text": "y", "reward": -0.1, "kept": True}]
    pair = {"version": 1, "step": 3, "group": 0, "prompt": "p", "mean": 0.0, "std": 0.1, "completions": sides}
    folder.append("pairs", pair)
    assert lab.client().get(f"/api/runs/{run.id}/groups").json()["rows"] == [[3, 0, 0, 0.0, 0.1, 2, 2]]
    assert lab.client().get(f"/api/runs/{run.id}/groups/lines?first=3&last=3").json() == {"lines": [pair]}
    assert lab.client().get(f"/api/runs/{run.id}").json()["has_groups"] is False
    assert folder.groups_index().rows == [], "nothing that reads groups takes a pair for one"


def test_the_log_of_a_run(lab: Lab) -> None:
    run, folder = a_run(lab.store)
    first = lab.client().get(f"/api/runs/{run.id}/log").json()
    assert first["text"] == "step 1\nstep 2\nstep 3\n"
    folder.log_path.open("a").write("more")
    assert lab.client().get(f"/api/runs/{run.id}/log", params={"since": first["cursor"]}).json()["text"] == "more"


@pytest.mark.parametrize(("first", "last"), [(0, 64), (5, 4), (0, 10**9)])
def test_too_many_steps_at_once(lab: Lab, first: int, last: int) -> None:
    run, _ = a_run(lab.store)
    answer = lab.client().get(f"/api/runs/{run.id}/groups/lines", params={"first": first, "last": last})
    assert answer.status_code == 422
    assert answer.json()["error"] == {"key": "steps_asked", "params": {"first": first, "last": last, "most": 64}}


@pytest.mark.parametrize("value", ["-1", "x", "1e3", "NaN", str(2**70)])
def test_numbers_from_outside_are_checked(lab: Lab, value: str) -> None:
    run, _ = a_run(lab.store)
    for path in (f"log?since={value}", f"groups?since={value}", f"groups/lines?first={value}&last=3"):
        answer = lab.client().get(f"/api/runs/{run.id}/{path}")
        assert answer.status_code == 422
        assert answer.json()["error"]["key"] == "request_value"


@pytest.mark.parametrize(
    "run_id", ["nothing", "20260101-000000-abcd", "..%2f..%2fetc", "..", "%2e%2e", "%00", "a/../b", "x" * 5000, "run:1"]
)
def test_a_run_that_is_not_there(lab: Lab, run_id: str) -> None:
    for path in ("", "/events", "/groups", "/groups/lines?first=1&last=2", "/groups/tokens?step=1&group=0", "/log"):
        answer = lab.client().get(f"/api/runs/{run_id}{path}")
        assert answer.status_code == 404
        assert answer.json()["error"]["key"] in ("no_such_run", "request_path")


def test_what_no_json_can_hold_becomes_null(lab: Lab) -> None:
    run, folder = a_run(lab.store, RunState.FINISHED)
    folder.write("result.json", {"state": "finished", "seconds": 1})
    path = folder.path / "result.json"
    path.write_text(path.read_text().replace('"seconds":1', '"seconds":NaN'))
    text = lab.client().get(f"/api/runs/{run.id}").text
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))["result"]["seconds"] is None


def test_answers_are_compressed_and_not_kept(lab: Lab) -> None:
    run, _ = a_run(lab.store, lines=9)
    answer = lab.client().get(f"/api/runs/{run.id}/groups/lines?first=1&last=9", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "no-store"


def test_the_samples_of_a_warning_are_pairs_of_a_collection(make_lab: Make) -> None:
    lab = make_lab()
    run_id = written(lab.store, run_of(pass_at_1=(0.6, 0.1)))
    client = lab.client()
    (told,) = client.get(f"/api/runs/{run_id}").json()["warnings"]
    assert (told["signal"], len(told["samples"])) == ("pass_at_1", 5)
    sent = client.post(f"/api/runs/{run_id}/warnings/pass_at_1/annotate")
    assert sent.status_code == 200, sent.text
    assert sent.json()["pairs"] >= 1
    annotation = Annotation(lab.store)
    (collection,) = annotation.collections()
    assert (collection.id, collection.name) == (sent.json()["collection"], sent.json()["name"])
    texts = {response.text for pair in annotation.pairs(collection.id) for response in (pair.first, pair.second)}
    assert {"no", "hm"} & texts
    gone = client.post(f"/api/runs/{run_id}/warnings/length/annotate")
    assert gone.json()["error"]["key"] == "warning_gone" and gone.status_code >= 400


def test_only_the_owner_sends_them_to_annotate(make_lab: Make) -> None:
    lab = make_lab(password="a long secret")
    run_id = written(lab.store, run_of(pass_at_1=(0.6, 0.1)))
    assert lab.client(Access.ANNOTATOR).post(f"/api/runs/{run_id}/warnings/pass_at_1/annotate").status_code == 403
    assert Annotation(lab.store).collections() == []

"""Sending a warning's completions to Annotate: they become pairs, and only the owner sends them."""

from __future__ import annotations

from lab.annotation.collections import Annotation
from lab.core.access import Access
from tests.core.test_hacking import run_of
from tests.runs.test_warnings import written
from tests.server.conftest import Make


def test_the_samples_are_pairs_of_a_collection(make_lab: Make) -> None:
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


def test_only_the_owner_sends(make_lab: Make) -> None:
    lab = make_lab(password="a long secret")
    run_id = written(lab.store, run_of(pass_at_1=(0.6, 0.1)))
    assert lab.client(Access.ANNOTATOR).post(f"/api/runs/{run_id}/warnings/pass_at_1/annotate").status_code == 403
    assert Annotation(lab.store).collections() == []

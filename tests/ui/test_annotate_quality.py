"""The owner decides divided pairs: always the one that is shown, whatever others judge meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.annotation.collections import Annotation
from lab.core.access import USER, Access, User
from lab.core.preferences import Choice
from lab.store.runs import Store
from lab.ui.tabs.annotate.quality import QualityPart
from tests.annotation.annotating import ANNA, BEN, CHEN, given, place_of, says, sums

OWNER = User("owner", Access.OWNER, id="owner")
REQUEST: Any = SimpleNamespace(headers={}, query_params={}, request=SimpleNamespace(scope={USER: OWNER}))


@pytest.fixture
def annotation(tmp_path: Path) -> Iterator[Annotation]:
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


def test_what_is_shown_is_decided_and_the_next_one_follows(annotation: Annotation) -> None:
    collection = sums(annotation, 4, overlap=4)
    for person, right in ((ANNA, True), (BEN, False)):
        for pair in given(annotation, person, collection, 4):
            says(annotation, person, collection, pair, place_of(pair, right))
    with gr.Blocks():
        part = QualityPart(annotation, annotation.store, gr.I18n(en={}, zh={}))
    ids = [one.pair.id for one in annotation.quality(collection).disagreements]
    assert part.looked(REQUEST, collection, "")[part.pair] == ids[0]
    assert part.went_on(REQUEST, collection, ids[0])[part.pair] == ids[1]
    assert part.went_back(REQUEST, collection, ids[0])[part.pair] == ids[-1]
    for pair in given(
        annotation, CHEN, collection, 4
    ):  # meanwhile the order changes: the first is the least divided now
        if pair["pair"] == ids[0]:
            says(annotation, CHEN, collection, pair, place_of(pair))
    assert annotation.quality(collection).disagreements[0].pair.id != ids[0]
    following = part._decided(Choice.FIRST)(REQUEST, collection, ids[0])[part.pair]
    decided = {one.pair.id: one.adjudicated for one in annotation.quality(collection).disagreements}
    assert decided == dict.fromkeys(ids, None) | {ids[0]: Choice.FIRST}
    assert following in ids[1:]

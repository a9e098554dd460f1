"""From judgements to a reward model, to PPO with it, and to DPO: one click each, no field touched. With the tiny model, and with a real
one where ``LAB_TEST_FETCH=1`` says that it may be fetched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.store.runs import Store
from tests.e2e.conftest import RunningLab, wait_until
from tests.e2e.judging import better_side, part

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.train, pytest.mark.timeout(7200)]
TRAINED = 3_000_000  # milliseconds that a few steps of a real model may take on a busy machine
POLITE = "You are welcome."
CHATS = {
    "tiny": [f"Thanks, {name}!" for name in ("Ada", "Bo", "Cy", "Dee", "Eve")],
    "smollm2-135m": [
        f"I would like to thank {name} for the parcel, which came today, and for the long letter in it about the garden, the "
        "neighbours, the new bridge and the weather. " * 4 + "What should I write back?"
        for name in ("Ada", "Bo", "Cy", "Dee", "Eve")
    ],
}


@pytest.fixture(params=CHATS)
def model(request: pytest.FixtureRequest, lab: RunningLab) -> str:
    name: str = request.param
    if name != "tiny":
        if os.environ.get("LAB_TEST_FETCH") != "1":
            pytest.skip("LAB_TEST_FETCH=1 lets this test fetch a real model (about 93 MB)")
        from lab.runs.fetch.downloads import get_model

        get_model(name, lab.home)
    return name


@contextmanager
def one_more_run(page: Page, store: Store) -> Iterator[None]:
    """What is started within is the newest run of the list, and finishes."""
    rows = page.locator("[data-testid=run-row]")
    before = len(store.runs())  # the page may not have listed those of the test before
    yield
    expect(page.locator("#start")).to_be_enabled()
    expect(page.locator("#message .problem")).to_have_count(0)
    page.locator("#start").click()
    expect(rows).to_have_count(before + 1)
    expect(rows.first).to_have_attribute("data-state", "finished", timeout=TRAINED)


def test_judged_frozen_and_trained_on_by_one_click_each(
    visit: Any, annotation: Annotation, store: Any, model: str
) -> None:
    rows = [{"prompt": prompt, "first": POLITE, "second": "No."} for prompt in CHATS[model]]
    settings = CollectionSettings(seed=1, gold_rate=0.0)
    collection = annotation.import_rows(rows, name=f"for {model}", settings=settings).collection
    page = visit(f"/?collection={collection.id}", ready="[data-testid=choose-a]")
    for number in range(len(rows)):
        page.keyboard.press(better_side(page, lambda text: "welcome" in text))
        expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
        wait_for_judgements(page, annotation, collection.id, number + 1)
    part(page, "Dataset")
    page.locator("#freeze").click()
    expect(page.locator("#freeze-message")).to_contain_text(f"{len(rows)} preferences")

    with one_more_run(page, store):
        page.locator("#train-rm").click()
        expect(page.locator("#message")).to_contain_text(f"for {model}")
    with one_more_run(page, store):
        page.get_by_role("button", name="Train PPO with this").click()
        expect(page.locator("#message")).to_contain_text("trains PPO with the reward model")
    with one_more_run(page, store):
        page.get_by_role("tab", name="Annotate", exact=True).click()
        part(page, "Dataset")
        page.locator("#train-dpo").click()
        expect(page.locator("#message")).to_contain_text(f"for {model}")

    dpo, ppo, judge = store.runs()[:3]
    assert [run.algorithm for run in (judge, ppo, dpo)] == ["rm", "ppo", "dpo"]
    assert {run.recipe["model"] for run in (judge, ppo, dpo)} == {model}
    assert (
        judge.recipe["dataset"]
        == ppo.recipe["dataset"]
        == dpo.recipe["dataset"]
        == f"version:{annotation.versions()[0].id}"
    )
    assert ppo.recipe["reward_model"] == f"run:{judge.id}"
    assert all(run.recipe["steps"] <= 25 for run in (judge, ppo, dpo))


def wait_for_judgements(page: Page, annotation: Annotation, collection: str, count: int) -> None:
    wait_until(page, lambda: annotation.collection(collection).judgements >= count)

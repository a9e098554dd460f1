"""The whole loop in a real browser: people judge, their judgements are frozen and trained on, and the reward is held against people again;
and two runs judged blind, until the page names the better one."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from lab.annotation.pairs import CollectionSettings
from lab.core.recipes import GrpoRecipe
from lab.store.runs import RunState, Store
from tests.e2e.judging import add_demo_files, better_side, judge, part

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.train, pytest.mark.timeout(1200)]
TRAINED = 600_000  # milliseconds that a few steps may take on a busy machine
PROMPTS = 12


def test_from_two_files_to_a_reward_model_that_is_held_against_people(visit, annotation, tmp_path):
    page = visit()
    page.get_by_role("tab", name="Annotate", exact=True).click()
    add_demo_files(page, annotation, tmp_path, "zh", "en")

    part(page, "Quality")
    expect(page.locator("#agreement")).to_contain_text("Nobody has decided a pair")
    part(page, "Judge")
    page.get_by_test_id("choose-a").wait_for()
    for _ in range(10):
        judge(page, better_side(page, lambda text: "=" in text))
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")

    part(page, "Dataset")
    expect(page.locator("#would-give")).to_contain_text("This rule gives 10 preferences now.")
    page.locator("#freeze").click()
    expect(page.locator("#freeze-message")).to_contain_text("10 preferences")
    page.locator("#train-rm").click()
    expect(page.locator("#plan")).to_contain_text("preferences from")
    page.locator("#rm-steps input").fill("6")
    page.get_by_role("button", name="More settings").filter(visible=True).click()
    page.locator("#rm-name input, #rm-name textarea").first.fill("held against people")
    expect(page.locator("#command code")).to_contain_text("steps=6")
    page.locator("#start").click()
    row = page.locator("[data-testid=run-row]", has_text="held against people")
    expect(row).to_have_attribute("data-state", "finished", timeout=TRAINED)

    page.get_by_role("tab", name="Annotate", exact=True).click()
    part(page, "Quality")
    page.locator("#agree-reward input").click()
    page.get_by_role("option", name="Reward model: held against people").click()
    page.locator("#agree-compare").click()
    agreement = page.locator("#agreement")
    expect(agreement).to_contain_text("Ranks as people did", timeout=TRAINED)
    expect(agreement).to_contain_text("over 10 pairs")
    expect(agreement).to_contain_text("10 of these pairs stood in the data that it was trained on")
    expect(agreement).to_contain_text("prefers the longer response")
    share = re.search(r"(\d+)%", agreement.locator(".agree-tile b").inner_text())
    wrong = agreement.locator(".one-pair").count()
    assert share and int(share[1]) == round(100 * (10 - wrong) / 10), (
        "the share and the disagreements are of the same pairs"
    )

    page.locator("#agree-reward input").click()
    page.get_by_role("option", name="Rule: No repetition").click()
    page.locator("#agree-compare").click()
    expect(agreement).to_contain_text("over 10 pairs")
    expect(agreement).not_to_contain_text("trained on")


def test_two_runs_judged_blind_and_the_better_one_is_named(visit, store, annotation):
    good, bad = (_run(store, name, answer) for name, answer in (("careful", "x = 2"), ("careless", "no idea")))
    imported = annotation.import_runs(good, bad, name="blind", settings=CollectionSettings(seed=1, gold_rate=0.0))
    assert imported.taken == PROMPTS
    page = visit(f"/?collection={imported.collection.id}", ready="[data-testid=choose-a]")
    shown = page.get_by_test_id("annotator").inner_text()
    assert not [name for name in ("careful", "careless", good, bad) if name in shown]
    for _ in range(PROMPTS - 1):
        judge(page, better_side(page, lambda text: "no idea" not in text))
    page.keyboard.press(better_side(page, lambda text: "no idea" not in text))
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")

    part(page, "Quality")
    expect(page.locator("#quality")).to_contain_text("careful is better.")
    found = page.locator("#quality .verdicts").inner_text()
    low, high = map(int, re.search(r"95 % interval (\d+)% to (\d+)%", found).groups())
    assert (low, high) == ((76, 100) if "careful was preferred" in found else (0, 24)), found


def _run(store: Store, name: str, answer: str) -> str:
    """A finished run that wrote the same answer to every prompt, as its worker would leave it."""
    run = store.create_run(GrpoRecipe(name=name, steps=1))
    folder = store.folder(run.id)
    for number in range(PROMPTS):
        texts = [f"{number + 1}x = {2 * number + 2}: {answer}" for _ in range(2)]
        completions = [
            {"text": text, "tokens": 9, "truncated": False, "scores": {}, "reward": 0.0, "advantage": 0.0, "kept": True}
            | {"why_dropped": None, "logp": -1.0, "ref_logp": None}
            for text in texts
        ]
        line = {
            "version": 1,
            "step": 1,
            "group": number,
            "prompt": f"Solve {number + 1}x = {2 * number + 2}",
            "answer": "2",
        }
        threshold = {"kind": "all", "fraction": 1.0}
        folder.append("groups", line | {"mean": 0.0, "std": 0.0, "threshold": threshold, "completions": completions})
    store.change(run.id, state=RunState.FINISHED, started=run.created, ended=time.time())
    return run.id

"""The Groups tab in a real browser, over a finished run whose groups stand on disk."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from lab.core.groups import ThresholdKind, make_group
from lab.core.recipes import GrpoRecipe
from lab.store.runs import RunState, Store
from tests.e2e.conftest import SLOW, RunningLab, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
STEPS = 5


@pytest.fixture(autouse=True)
def _patience():
    expect.set_options(timeout=SLOW)


@pytest.fixture(scope="module")
def run_id(lab: RunningLab) -> str:
    """A finished run with one group a step, its K completions better from step to step."""
    store = Store(lab.home, allow_unsafe_disk=True)
    run = store.create_run(GrpoRecipe(name="climb", steps=STEPS, group_size=4, batch_size=4))
    for step in range(1, STEPS + 1):
        _write_group(store, run.id, step, right=min(3, step))
    store.change(run.id, state=RunState.FINISHED, started=run.created, ended=run.created + 9)
    store.close()
    return run.id


def _write_group(store: Store, run_id: str, step: int, right: int) -> None:
    scores = [1.0 if number < right else 0.0 for number in range(4)]
    group = make_group(scores, ThresholdKind.ABOVE_MEAN)
    completions = [
        {
            "text": "x = 5 <img src=x onerror=alert(1)>" if score else "no solution",
            "tokens": 5, "truncated": False, "scores": {"equals_answer": score}, "reward": score,
            "advantage": group.advantages[number], "kept": group.kept[number],
            "why_dropped": group.why_dropped[number], "logp": -1.0, "ref_logp": None,
        }
        for number, score in enumerate(scores)
    ]  # fmt: skip
    line = {"version": 1, "step": step, "group": 0, "prompt": "3x + 5 = 20", "answer": "5"}
    threshold = {"kind": "above_mean", "fraction": 0.2}
    about = {"mean": group.mean, "std": group.std, "threshold": threshold, "completions": completions}
    store.folder(run_id).append("groups", {**line, **about})
    store.folder(run_id).append("metrics", {"step": step, "time": 100.0 + step, "reward": group.mean, "loss": 0.0})


def test_without_a_run_it_says_what_to_do_and_leads_there(visit):
    page = visit()
    page.get_by_role("tab", name="Groups").click()
    expect(page.locator("#groups-empty")).to_contain_text("Start one on the Train tab")
    page.get_by_role("button", name="Go to Train").click()
    expect(page.locator("#start")).to_be_visible()


def test_the_newest_run_with_groups_is_shown_kept_and_dropped(visit, run_id):
    page = visit()
    page.get_by_role("tab", name="Groups").click()
    inspector = page.get_by_test_id("group-inspector")
    expect(inspector).to_have_attribute("data-run", run_id)
    expect(inspector).to_have_attribute("data-step", str(STEPS))
    cards = page.get_by_test_id("completion-card")
    expect(cards).to_have_count(4)
    expect(page.locator("[data-testid=completion-card][data-kept=true]")).to_have_count(3)
    page.get_by_test_id("threshold").locator("input[value=all]").check(force=True)
    expect(page.locator("[data-testid=completion-card][data-kept=true]")).to_have_count(4)
    assert page.locator("[data-testid=completion-card] img").count() == 0
    expect(page.get_by_role("button", name="token by token")).to_have_count(0)  # GRPO has no critic


def test_an_address_opens_the_run(visit, run_id):
    page = visit(f"/?run={run_id}")
    expect(page.get_by_role("tab", name="Groups")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("group-inspector")).to_have_attribute("data-run", run_id)


def test_from_the_runs_list_to_its_groups(visit, run_id):
    page = visit()
    page.locator(f"[data-testid=run-row][data-run='{run_id}']").click()
    page.get_by_role("button", name="Open its groups").click()
    expect(page.get_by_test_id("group-inspector")).to_have_attribute("data-run", run_id)


@pytest.mark.parametrize(("locale", "theme"), [("en-US", "light"), ("zh-CN", "dark")])
def test_axe_finds_nothing_serious_in_our_components(visit, run_id, locale, theme):
    page = visit(f"/?run={run_id}", locale=locale, color_scheme=theme)
    expect(page.get_by_test_id("completion-card")).to_have_count(4)
    assert serious_findings(page, "[data-testid=group-inspector]") == []
    page.get_by_role("tab", name="训练" if locale == "zh-CN" else "Train", exact=True).click()
    expect(page.get_by_test_id("live-curves")).to_be_visible()
    assert serious_findings(page, "[data-testid=live-curves]", "[data-testid=run-list]") == []


def test_a_phone_scrolls_in_one_direction_only(visit, run_id):
    page = visit(f"/?run={run_id}", width=390, height=844)
    expect(page.get_by_test_id("completion-card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

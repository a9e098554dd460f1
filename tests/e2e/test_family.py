"""GRPO's tokens and DPO's pairs in the Groups tab: written runs, walked in both languages, themes and three widths."""

from __future__ import annotations

import math
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lab.core.groups import make_group
from lab.core.recipes import DpoRecipe, GrpoRecipe, Recipe
from lab.store.runs import RunState, Store
from tests.e2e.conftest import RunningLab, serious_findings
from tests.e2e.test_tokens import at_rest, opened, told

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

REWARDS = [3.0, 2.5, 3.0, 0.0]
TEXTS = ["x", " =", " 5", {"special": "<|end|>"}]
WALKS = [("en-US", "light", 1440), ("zh-CN", "dark", 1024), ("en-US", "dark", 390), ("zh-CN", "light", 390)]


def completion(index: int, **more: Any) -> dict[str, Any]:
    return {
        "text": "x = 5", "tokens": 4, "truncated": False, "scores": {"equals_answer": 1.0}, "reward": REWARDS[index],
        "advantage": 0.5, "kept": True, "why_dropped": None, "logp": -2.0, "ref_logp": None, **more,
    }  # fmt: skip


def tokens_of(index: int, update: int, clipped: bool) -> dict[str, Any]:
    ratios = [1.0, 1.3, 0.9, 1.0] if update == 2 else [1.0] * 4
    return {
        "index": index, "token_ids": [1, 2, 3, 4], "token_texts": TEXTS, "logps": [-0.5, -1.5, -0.25, -0.01],
        "entropies": [1.0, 0.5, 0.25, 0.0], "ratios": ratios, "clipped": [False, clipped and update == 2, False, False],
        "parts": [-0.01, -0.02, 0.005, -0.0001],
    }  # fmt: skip


def written(lab: RunningLab, recipe: Recipe, lines: list[tuple[str, dict[str, Any]]]) -> str:
    store = Store(lab.home, allow_unsafe_disk=True)
    run = store.create_run(recipe)
    for name, line in lines:
        store.folder(run.id).append(name, {"version": 1, "step": 1, "group": 0, **line})
    store.change(run.id, state=RunState.FINISHED, started=run.created, ended=run.created + 9)
    store.close()
    return run.id


@pytest.fixture(scope="module")
def rloo(lab: RunningLab) -> str:
    """A run that leaves one out, uses each rollout twice, and drops the completion below the mean."""
    recipe = GrpoRecipe(name="rloo", scale_rewards=False, baseline="leave_one_out", iterations=2)
    made = make_group(REWARDS, recipe.threshold.kind, estimator=recipe.estimator)
    completions = [
        completion(n, advantage=made.advantages[n], kept=made.kept[n], why_dropped=made.why_dropped[n])
        for n in range(4)
    ]
    group = {"prompt": "3x + 5 = 20", "answer": "5", "mean": made.mean, "std": made.std, "completions": completions}
    updates = [{"at": n, "update": n, "completions": [tokens_of(at, n, at == 2) for at in range(3)]} for n in (1, 2)]
    threshold = {"kind": "above_mean", "fraction": 0.2}
    return written(lab, recipe, [("groups", group | {"threshold": threshold}), *(("tokens", each) for each in updates)])


@pytest.fixture(scope="module")
def dpo(lab: RunningLab) -> str:
    """A run of one pair."""
    push = 1 / (1 + math.exp(0.4))
    sides = [
        completion(n, side=side, scores={}, reward=0.4 * (1 - n), advantage=push * (1 - 2 * n), ref_logp=-6.0 + 4 * n)
        for n, side in enumerate(("chosen", "rejected"))
    ]
    pair = {"prompt": "3x + 5 = 20", "answer": None, "mean": 0.2, "std": 0.28, "margin": 0.4, "completions": sides}
    kinds = ("index", "token_ids", "token_texts", "logps", "entropies", "parts")
    told_sides = [{name: tokens_of(n, 1, False)[name] for name in kinds} | {"ref_logps": [-1.5] * 4} for n in (0, 1)]
    lines = [("pairs", pair | {"threshold": {"kind": "all", "fraction": 1.0}})]
    return written(
        lab, DpoRecipe(name="pairs"), [*lines, ("tokens", {"at": 1, "update": 1, "completions": told_sides})]
    )


def panel_of(page: Page, run: str, place: int = 0) -> Any:
    at_rest(page, run)
    card = page.get_by_test_id("completion-card").nth(place)
    card.locator("button[aria-keyshortcuts=T]").click()
    return page.get_by_test_id("token-panel")


def test_who_pushed_who_was_clipped_and_who_was_left_out_is_told(visit, rloo: str) -> None:
    page = visit(f"/?run={rloo}")
    panel = opened(page, rloo, 2)
    expect(page.get_by_test_id("update-sentence")).to_have_text(
        "Pushed up: #1, #2, #3. At update 2, 1 of 12 tokens were clipped and pushed no further (in #3). Left out: #4."
    )
    chips = panel.locator(".chip")
    expect(chips).to_have_text(["x", "␣=", "␣5", "<|end|>"])
    expect(panel.locator(".chip.clipped")).to_have_count(1)
    chips.nth(1).hover()
    assert told(page) == {
        "logp": "−1.500", "entropy": "0.500", "ratio": "1.3000 ✂ clipped", "share": "−0.0200"
    }  # fmt: skip
    panel.get_by_role("button", name="update 1").click()
    expect(panel.locator(".chip.clipped")).to_have_count(0)
    chips.nth(1).hover()
    assert told(page)["ratio"] == "1.0000"
    page.get_by_test_id("token-chips").focus()
    page.keyboard.press("End")
    expect(panel).to_have_attribute("data-token", "3")
    panel.get_by_role("group", name="Colour by").get_by_role("button", name="entropy").click()
    sizes = chips.evaluate_all("all => all.map(chip => Number(chip.style.getPropertyValue('--size')))")
    assert sizes == [0.5, 0.25, 0.125, 0.0]


def test_leave_one_out_advantages_are_shown_and_explained(visit, rloo: str) -> None:
    page = visit(f"/?run={rloo}")
    at_rest(page, rloo)
    card = page.get_by_test_id("completion-card").first
    others = sum(REWARDS[1:]) / 3
    assert float(card.get_attribute("data-advantage") or "") == pytest.approx(REWARDS[0] - others)
    expect(card.locator(".advantage")).to_have_attribute("title", "A = r − the mean of the other completions’ rewards")


def test_a_pair_is_shown_as_what_it_is(visit, dpo: str) -> None:
    page = visit(f"/?run={dpo}")
    panel = panel_of(page, dpo, 1)
    expect(page.get_by_text("Margin +0.40: the policy already leans to the chosen response")).to_be_visible()
    expect(page.get_by_test_id("update-sentence")).to_contain_text("with 40 % of full strength")
    expect(page.get_by_text("✕ rejected")).to_be_visible()
    expect(page.get_by_test_id("threshold")).to_be_hidden()
    assert set(told(page)) == {"logp", "ref_logp", "entropy", "share"}
    expect(panel).to_contain_text("to the margin")


@pytest.mark.parametrize(("locale", "theme", "width"), WALKS)
def test_walked(visit, rloo: str, dpo: str, locale: str, theme: str, width: int) -> None:
    for run in (rloo, dpo):
        page = visit(f"/?run={run}", locale=locale, color_scheme=theme, width=width, has_touch=width < 500)
        panel = panel_of(page, run)
        chip = panel.locator(".chip").nth(2)
        chip.tap() if width < 500 else chip.hover()
        expect(panel).to_have_attribute("data-token", "2")
        assert serious_findings(page, "[data-testid=group-inspector]") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width

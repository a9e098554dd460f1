"""PPO token by token in the Groups tab: a real tiny run, characters split over tokens, runs of an earlier version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lab.core.recipes import PpoRecipe
from lab.core.token_credit import token_credits
from lab.store.runs import RunState, Store
from tests.e2e.conftest import ROOT, RunningLab, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

RECIPE = """
algorithm = "ppo"
name = "Tokens"
model = "tiny"
steps = 2
iterations = 1
batch_size = 8
group_size = 4
measure_samples = 0
max_completion_length = 24
"""
SPLIT = ["<b>", "x", " =", "\n", "", "", "你", "5", {"special": "<|end|>"}]

CONTRASTS = """(chips) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return chips.map((chip) => {
    const { color, backgroundColor } = getComputedStyle(chip);
    const [low, high] = [light(color), light(backgroundColor)].sort((a, b) => a - b);
    return [chip.classList.contains("minus"), backgroundColor, (high + 0.05) / (low + 0.05)];
  });
}"""


@pytest.fixture(scope="module")
def trained(lab: RunningLab) -> str:
    """The id of a real PPO run of two steps."""
    recipe = lab.home / "ppo.toml"
    recipe.write_text(RECIPE)
    command = [sys.executable, "-m", "lab", "train", str(recipe), "--home", str(lab.home)]
    environment = os.environ | {"LAB_ALLOW_UNSAFE_DISK": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    store = Store(lab.home, allow_unsafe_disk=True)
    [found] = [run.id for run in store.runs() if run.name == "Tokens"]
    store.close()
    return found


@pytest.fixture(scope="module")
def written(lab: RunningLab) -> str:
    """A finished run, its first step of an earlier version, its second with a character that is spread over tokens."""
    store = Store(lab.home, allow_unsafe_disk=True)
    run = store.create_run(PpoRecipe(name="split", discount=0.9, gae_lambda=0.5))
    numbers = {"values": [0.1 * n for n in range(9)], "token_advantages": [4.0, -4.0, 1, -1, 0.5, 0, -0.5, 0.25, 3]}
    for step in (1, 2):
        line = _line(step, numbers)
        if step == 2:
            line["whitening"] = {"mean": 0.5, "std": 2.0}
            for completion in line["completions"]:
                completion["token_texts"] = SPLIT
        store.folder(run.id).append("groups", line)
    store.change(run.id, state=RunState.FINISHED, started=run.created, ended=run.created + 9)
    store.close()
    return run.id


def _line(step: int, numbers: dict[str, Any]) -> dict[str, Any]:
    text = "".join(piece for piece in SPLIT if isinstance(piece, str))
    completion = {
        "text": text, "tokens": len(SPLIT), "truncated": False, "scores": {"equals_answer": 1.0}, "reward": 1.0,
        "advantage": 0.4, "kept": True, "why_dropped": None, "logp": -1.0, "ref_logp": -1.0,
    }  # fmt: skip
    group = {"version": 1, "step": step, "group": 0, "prompt": "3x + 5 = 20", "answer": "5", "mean": 1.0, "std": 0.0}
    return group | {"threshold": {"kind": "all", "fraction": 1.0}, "completions": [completion | numbers] * 2}


def at_rest(page: Page, run: str) -> None:
    """Wait until that run's group is on screen."""
    inspector = page.get_by_test_id("group-inspector")
    expect(inspector).to_have_attribute("data-run", run)
    expect(inspector).to_have_attribute("data-group", "0")
    expect(inspector).not_to_have_attribute("aria-busy", "true")


def opened(page: Page, run: str, place: int = 0) -> Any:
    """The panel of a completion, opened by its button."""
    at_rest(page, run)
    page.get_by_test_id("completion-card").nth(place).get_by_role("button", name="token by token").click()
    return page.get_by_test_id("token-panel")


def told(page: Page) -> dict[str, str]:
    tiles = page.get_by_test_id("token-numbers").locator("div[data-name]:visible")
    read = "tiles => tiles.map(tile => [tile.dataset.name, tile.querySelector('dd').textContent])"
    return dict(tiles.evaluate_all(read))


def test_the_tokens_of_a_real_run_with_the_keys(visit, lab: RunningLab, trained: str) -> None:
    line = json.loads((lab.home / "runs" / trained / "groups.jsonl").read_text().splitlines()[-2])
    assert (line["step"], line["group"]) == (2, 0)
    completion = line["completions"][1]
    recipe = PpoRecipe()
    credits = token_credits(completion, line["whitening"], recipe.discount, recipe.gae_lambda)
    page = visit(f"/?run={trained}")
    inspector = page.get_by_test_id("group-inspector")
    at_rest(page, trained)
    expect(inspector).to_have_attribute("data-step", "2")
    expect(page.get_by_test_id("token-chips")).to_have_count(0)
    card = page.get_by_test_id("completion-card").nth(1)
    card.locator(".text").focus()
    page.keyboard.press("t")
    panel = page.get_by_test_id("token-panel")
    expect(panel.locator(".chip")).to_have_count(completion["tokens"])
    expect(panel).to_contain_text("GAE with γ = 1, λ = 0.95; Schulman et al. 2016, eq. 16")
    texts = panel.locator(".chip:not(.special)").all_inner_texts()
    assert "".join(texts).replace("␣", " ").replace("⏎", "\n").replace("◌", "") == completion["text"]
    for at in range(min(3, len(credits))):
        expect(panel).to_have_attribute("data-token", str(at))
        shown = {name: float(text.replace("−", "-")) for name, text in told(page).items()}
        for name in ("value", "advantage", "estimate", "delta", "reward"):
            assert shown[name] == pytest.approx(getattr(credits[at], name), abs=0.006), (at, name)
        page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    expect(panel).to_have_attribute("data-token", str(len(credits) - 1))
    expect(inspector).to_have_attribute("data-step", "2")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(card.get_by_role("button", name="token by token")).to_be_focused()


def test_a_pointer_names_a_token_and_a_split_character_is_told_whole(visit, written: str) -> None:
    page = visit(f"/?run={written}")
    panel = opened(page, written)
    chips = panel.locator(".chip")
    expect(chips).to_have_text(["<b>", "x", "␣=", "⏎", "◌", "◌", "你", "5", "<|end|>"])
    chips.nth(4).hover()
    expect(panel.locator(".told-token")).to_have_text("◌ begins 你")
    chips.nth(1).hover()
    # GAE = −4 · 2 + 0.5; δ = GAE − 0.9 · 0.5 · 2.5; r = δ − 0.9 · 0.2 + 0.1
    assert told(page) == {
        "value": "0.10", "reward": "−8.705", "delta": "−8.63", "estimate": "−7.50", "advantage": "−4.00"
    }  # fmt: skip
    assert panel.locator("b:not(.told-token)").count() == 0, "what a model wrote stays text"
    page.get_by_role("button", name="by reward").click()
    expect(chips).to_have_count(len(SPLIT))


def test_an_earlier_version_is_shown_by_number_and_says_so(visit, written: str) -> None:
    page = visit(f"/?run={written}&step=1")
    panel = opened(page, written, 1)
    expect(panel.get_by_role("note")).to_contain_text("An earlier version of the lab wrote this run")
    expect(panel.locator(".chip")).to_have_text([str(n + 1) for n in range(9)])
    assert set(told(page)) == {"value", "advantage"}
    move = "slider => { slider.value = 1; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    page.get_by_test_id("step").evaluate(move)
    expect(panel.locator(".chip").nth(6)).to_have_text("你")
    expect(panel.get_by_role("note")).to_have_count(0)


@pytest.mark.parametrize(("locale", "theme", "width"), [("en-US", "light", 1440), ("zh-CN", "dark", 390)])
def test_chips_can_be_read_and_axe_finds_nothing(visit, written: str, locale: str, theme: str, width: int) -> None:
    page = visit(f"/?run={written}", locale=locale, color_scheme=theme, width=width)
    at_rest(page, written)
    page.get_by_test_id("completion-card").first.locator(".text").focus()
    page.keyboard.press("T")
    chips = page.get_by_test_id("token-chips").locator(".chip")
    expect(chips).to_have_count(len(SPLIT))
    found = chips.evaluate_all(CONTRASTS)
    assert len({background for _, background, _ in found}) > 5, "they are tinted"
    assert [minus for minus, _, _ in found[:4]] == [False, True, False, True]
    assert min(contrast for _, _, contrast in found) >= 4.5
    assert serious_findings(page, "[data-testid=group-inspector]") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width

"""The arithmetic of the Learn tab's pages equals the trainers' (``losses.py``) and the core's (``groups.py``) on the same numbers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

from lab.core.groups import Estimator, ThresholdKind, make_group
from lab.training.algorithms import losses
from lab.ui.components.learn.component import FOLDER
from tests.ui.scripts import load_scripts

pytestmark = pytest.mark.browser

EPSILON = 0.2
WORKED = [3.0, 2.5, 3.0, 0.0, 3.0]
GROUPS = {
    "worked": WORKED,
    "ties": [1.0, 1.0, 2.0, 2.0, 2.0],
    "no spread": [2.0] * 5,
    "rounding": [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3],
    "one kept": [0.0, 0.0, 0.0, 0.0, 1.0],
    "negative": [-1.0, 0.5, -0.25, 0.0, -3.0],
}
RATIOS = [1.35, 0.7, 1.0, 1.6, 0.55]
LOGPS = [-1.95, -2.44, -1.95, -1.21, -1.33]


@pytest.fixture(scope="module")
def page(judging_browser: Browser) -> Iterator[Page]:
    made = judging_browser.new_page()
    scripts = ("../group_inspector/threshold.js", "arithmetic.js", "formula.js", "parts.js", "clip_plot.js")
    load_scripts(made, "learn", *scripts, "reward.js", "group_state.js")
    yield made
    made.close()


@pytest.mark.parametrize("rewards", GROUPS.values(), ids=GROUPS.keys())
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", list(ThresholdKind))
def test_a_group_and_its_loss(page: Page, rewards: list[float], kind: ThresholdKind, scaled: bool) -> None:
    """Mean, deviation, advantages, who is kept, and the loss in both forms, as page 5 of step 6 shows them."""
    shown: Any = page.evaluate(
        """([rewards, kind, scaled, ratios, logps]) => {
            const group = new LearnGroup();
            Object.assign(group, { rewards, kind, scaled, fraction: 0.4, ratios, logps });
            const { members, clipped, course } = group.loss;
            return { ...group.verdict, at: members.map(({ at }) => at), clipped, course };
        }""",
        [rewards, kind.value, scaled, RATIOS, LOGPS],
    )
    estimator = Estimator.GROUP_SCALED if scaled else Estimator.UNSCALED
    group = make_group(rewards, kind, 0.4, estimator=estimator)
    assert shown["mean"] == pytest.approx(group.mean, abs=1e-12)
    assert shown["std"] == pytest.approx(group.std, abs=1e-12)
    assert shown["advantages"] == pytest.approx(group.advantages, abs=1e-9)
    assert tuple(shown["kept"]) == group.kept
    kept = [at for at, is_kept in enumerate(group.kept) if is_kept]
    assert shown["at"] == kept
    if not kept:
        assert shown["clipped"] is None and shown["course"] is None
        return
    old = torch.tensor([[LOGPS[at]] for at in kept], dtype=torch.float64)
    now = old + torch.tensor([[RATIOS[at]] for at in kept], dtype=torch.float64).log()
    advantages = torch.tensor([[group.advantages[at]] for at in kept], dtype=torch.float64)
    mask = torch.ones_like(old)
    gain = losses.clipped_surrogate(losses.ratio(now, old, mask), advantages, EPSILON, EPSILON)
    loss = losses.over_step(-gain, mask, "dapo", tokens=len(kept), rows=len(kept), longest=1)
    assert shown["clipped"] == pytest.approx(float(loss), abs=1e-9)
    assert shown["course"] == pytest.approx(float(-(now * advantages).mean()), abs=1e-9)


def test_the_worked_example_is_the_one_of_the_course(page: Page) -> None:
    """The figures of the contract: μ = 2.3, σ = 1.3038, four kept; and the loss that the picture of the page shows."""
    shown: Any = page.evaluate(
        """(rewards) => {
            const group = new LearnGroup();
            Object.assign(group, { rewards, kind: "above_mean", scaled: false, ratios: [1.35, 0.7, 1.35, 1, 1.12] });
            return { ...group.verdict, loss: group.loss.clipped };
        }""",
        WORKED,
    )
    assert (round(shown["mean"], 4), round(shown["std"], 4), sum(shown["kept"])) == (2.3, 1.3038, 4)
    assert round(shown["loss"], 3) == -0.651


def test_the_clip_and_its_branches(page: Page) -> None:
    ratios, advantages = np.linspace(0.4, 1.8, 29), [-2.3, -0.7, 0.0, 0.2, 0.7]
    pairs = [[float(ratio), advantage] for ratio, advantage in itertools.product(ratios, advantages)]
    shown: Any = page.evaluate(
        f"(pairs) => pairs.map(([ratio, advantage]) => clippedGain(ratio, advantage, {EPSILON}))", pairs
    )
    ratio_B, advantage_B = torch.tensor(pairs, dtype=torch.float64).T
    gain = losses.clipped_surrogate(ratio_B, advantage_B, EPSILON, EPSILON)
    assert [each["gain"] for each in shown] == pytest.approx(gain.tolist(), abs=1e-12)
    assert [each["held"] for each in shown] == losses.is_clipped(ratio_B, advantage_B, EPSILON, EPSILON).tolist()
    assert [min(each["free"], each["clipped"]) for each in shown] == [each["gain"] for each in shown]


def test_answers_of_one_text_share_one_ratio(page: Page) -> None:
    shown: Any = page.evaluate(
        """() => {
            const group = new LearnGroup();
            group.drag(0, 0.9);
            return group.ratios;
        }"""
    )
    assert shown[0] == shown[2] == 0.9 and shown[1] != 0.9


@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95, 1.0])
def test_gae_of_the_recorded_tokens(page: Page, lam: float) -> None:
    tokens = json.loads((FOLDER / "recorded.json").read_text("utf-8"))["tokens"]
    for language in ("en", "zh"):
        rewards, values = tokens[language]["rewards"], tokens[language]["values"]
        shown: Any = page.evaluate("([r, v, lam]) => gae(r, v, 1, lam)", [rewards, values, lam])
        made = losses.gae(
            torch.tensor([rewards], dtype=torch.float64),
            torch.tensor([values], dtype=torch.float64),
            torch.ones(1, len(values), dtype=torch.float64),
            1.0,
            lam,
        )
        assert shown["advantages"] == pytest.approx(made[0].tolist(), abs=1e-9)


def test_dpo_on_one_pair(page: Page) -> None:
    for chosen, rejected, beta in [(0.0, 0.0, 0.1), (0.6, -0.5, 0.5), (-2.0, -9.0, 5.0), (-30.0, 40.0, 5.0)]:
        shown: Any = page.evaluate("(given) => dpoPair(...given)", [chosen, rejected, beta])
        ratios = torch.tensor([chosen, rejected], dtype=torch.float64, requires_grad=True)
        rewards = losses.implicit_reward(ratios, torch.zeros(2, dtype=torch.float64), beta)
        loss = losses.dpo(rewards[:1], rewards[1:]).sum()
        loss.backward()
        assert shown["loss"] == pytest.approx(float(loss.detach()), abs=1e-9)
        assert ratios.grad is not None
        assert beta * shown["weight"] == pytest.approx(float(-ratios.grad[0]), abs=1e-9)


@pytest.mark.parametrize(
    "judged",
    [
        [[0, 1], [3, 2], [4, 1], [0, 3], [4, 2]],
        [[0, 1], [2, 3], [1, 4], [3, 0], [4, 2]],  # a circle
        [[0, 1]] * 5,
    ],
)
def test_bradley_terry_finds_the_minimum(page: Page, judged: list[list[int]]) -> None:
    """The gradient of Σ −log σ(r_w − r_l) + ⅛ Σ r² is 0 there; the function is convex, so that is its minimum."""
    strengths = page.evaluate("(judged) => bradleyTerry(5, judged)", judged)
    r = torch.tensor(strengths, dtype=torch.float64, requires_grad=True)
    winners, losers = torch.tensor(judged).T
    (losses.bradley_terry(r[winners], r[losers]).sum() + 0.125 * (r**2).sum()).backward()
    assert r.grad is not None and float(r.grad.abs().max()) < 1e-8


def test_a_formula_is_mathml_and_its_text_is_read_in_order(page: Page) -> None:
    made: Any = page.evaluate(
        """() => {
            const node = formula(true, "ℒ = −", fraction("1", "4"), "(0.840 + ", sub("A", "t"), ") log π 保留");
            return { space: node.namespaceURI, text: node.textContent, tags: [...node.querySelectorAll("*")].map((n) => n.localName) };
        }"""
    )
    assert made["space"] == "http://www.w3.org/1998/Math/MathML"
    assert made["text"] == "ℒ=−14(0.840+At)logπ保留"
    assert {"mrow", "mi", "mn", "mo", "mfrac", "msub", "mtext"} <= set(made["tags"])

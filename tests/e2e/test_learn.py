"""The Learn tab in a real browser, with the real tiny model: all eight steps by touch, in both languages and themes, at three widths."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.train, pytest.mark.timeout(1200)]

READY = "[data-testid=learn] h2"
Visit = Callable[..., Page]


def learn(page: Page) -> Locator:
    return page.get_by_test_id("learn")


def fits(page: Page, width: int) -> None:
    """The page scrolls in one direction only, and nothing serious is found by axe."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width, learn(page).locator("h2").inner_text()
    assert serious_findings(page, "[data-testid=learn]") == []


def onward(page: Page) -> None:
    learn(page).locator("footer .primary").tap()


def walk_up_to_dpo(page: Page, width: int) -> None:
    root = learn(page)
    expect(root.locator(".score.total b")).to_have_text("3.00")
    root.locator(".try").nth(3).tap()
    expect(root.locator(".score.total b")).to_have_text("0.00")
    fits(page, width)

    onward(page)  # 2: three models
    root.locator(".asking .primary").first.tap()
    expect(root.locator(".written li")).to_have_count(12)
    expect(root.locator(".columns.three section").nth(2).locator(".right")).not_to_have_count(0)
    fits(page, width)

    onward(page)  # 3: five pairs
    for pair in range(5):
        root.locator(".answer").nth(pair % 2).tap()
    expect(root.locator(".strengths li")).to_have_count(5)
    fits(page, width)

    onward(page)  # 4: PPO
    root.locator(".token").first.tap()
    expect(root.locator(".token").first).to_have_attribute("aria-pressed", "true")
    expect(root.locator(".branch[data-lit=both]")).to_have_count(2)  # ρ begins at 1
    root.locator(".ratio").get_by_role("slider").press("End")
    expect(root.locator(".branch[data-lit=true]")).to_have_count(1)
    fits(page, width)

    onward(page)  # 5: DPO
    expect(root.locator("td.strong").first).to_have_text("0.000")
    root.locator(".asking .primary").first.tap()
    expect(root.locator("td.strong").first).not_to_have_text("0.000")
    fits(page, width)


def walk_grpo(page: Page, width: int) -> None:
    root = learn(page)
    onward(page)  # 6, page 1
    expect(root.locator(".own-answers input")).to_have_count(5)
    fits(page, width)
    onward(page)  # page 2
    expect(root.locator(".stack math").last).to_contain_text("1.3038")
    fits(page, width)
    onward(page)  # page 3: guess, then reveal
    root.locator(".guess").first.tap()
    root.locator(".asking .primary").tap()
    expect(root.locator(".guess .chip.kept")).to_have_count(4)
    fits(page, width)
    onward(page)  # page 4
    expect(root.locator(".half-dropped li")).to_have_count(1)
    fits(page, width)
    onward(page)  # page 5: the loss
    assert "part=5" in page.url
    loss = page.get_by_test_id("learn-loss")
    expect(loss).to_have_text("−0.575")
    root.get_by_role("slider", name="ρ").first.press("End")  # past 1 + ε, of two answers of one text
    expect(loss).to_have_text("−0.645")
    root.locator(".row .plain").last.tap()
    expect(loss).to_have_text("−0.575")
    root.locator(".step-card .chips button").first.tap()
    root.locator(".step-card .primary").tap()
    expect(root.locator(".step-card td.plus").first).to_contain_text("+")
    expect(root.locator(".step-card .finding")).to_contain_text(re.compile("guess|猜"))
    expect(root.locator(".step-card .finding")).to_contain_text("y2")  # kept, and less likely all the same
    fits(page, width)


def walk_costs_and_hacking(page: Page, width: int) -> None:
    root = learn(page)
    onward(page)  # 7: costs
    table = root.locator("table[data-table=key]")
    expect(table.locator("td[data-mark]").first).to_be_visible()
    expect(table.locator("tbody th")).to_have_text(["PPO", "DPO", "GRPO"])  # of each algorithm one
    root.locator(".costs .second summary").click()
    expect(root.locator("table[data-table=takes] td[data-mark]").first).to_be_visible()
    expect(root.locator("table")).to_have_count(2)
    expect(root.locator(".costs .finding")).to_contain_text("≠")
    expect(root.locator(".costs .compare-link")).to_have_attribute("href", re.compile("of=recorded%3Atiny%2Fcourse"))
    fits(page, width)
    onward(page)  # 8: hacking
    root.locator(".segmented button").last.tap()
    expect(root.locator(".finding").last).to_contain_text("53.5")
    fits(page, width)
    onward(page)
    expect(root.locator(".dot.done")).to_have_count(8)
    expect(root.locator(".finding").last).to_contain_text(re.compile("That was the course|课程到此结束"))


@pytest.mark.parametrize(
    ("locale", "theme", "width"),
    [("en-US", "light", 1440), ("zh-CN", "dark", 1024), ("en-US", "dark", 390), ("zh-CN", "light", 390)],
)
def test_all_eight_steps_by_touch(visit: Visit, locale: str, theme: str, width: int) -> None:
    page = visit(
        "/?tab=learn&step=1", ready=READY, locale=locale, color_scheme=theme, width=width, height=900, has_touch=True
    )
    walk_up_to_dpo(page, width)
    walk_grpo(page, width)
    walk_costs_and_hacking(page, width)


def test_an_address_opens_its_step_and_the_way_back_is_kept(visit: Visit) -> None:
    page = visit("/?tab=learn&step=4", ready=READY)
    expect(learn(page)).to_have_attribute("data-step", "4")
    learn(page).get_by_role("button", name="DPO: two log-ratios", exact=False).first.click()
    expect(learn(page)).to_have_attribute("data-step", "5")
    page.go_back()
    expect(learn(page)).to_have_attribute("data-step", "4")
    page.goto(re.sub(r"\?.*", "?tab=learn", page.url))
    expect(learn(page)).to_have_attribute("data-step", "4")  # where the reader was


def test_for_real_opens_the_tab_with_its_form_filled(visit: Visit) -> None:
    page = visit("/?tab=learn&step=5", ready=READY)
    learn(page).get_by_role("button", name="Train DPO for real").click()
    expect(page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#command code")).to_have_text("python -m lab train tiny/dpo")
    assert "tab=learn" not in page.url


def test_the_ratio_is_dragged_by_keyboard_and_the_branch_changes(visit: Visit) -> None:
    page = visit("/?tab=learn&step=6&part=5", ready=READY)
    row = learn(page).locator("[data-answer='2']")
    row.locator("summary").click()  # the first kept answer's plot alone is open
    slider = row.get_by_role("slider")
    slider.press("Home")
    expect(row.locator(".branch").first).to_have_attribute("data-lit", "true")
    slider.press("End")
    expect(row.locator(".branch").last).to_have_attribute("data-lit", "true")
    expect(row.locator(".chip.warn")).to_contain_text("no more push")


def test_a_term_is_explained_by_touch_and_by_keyboard_in_every_tab(visit: Visit) -> None:
    page = visit("/?tab=learn&step=6&part=5", ready=READY, has_touch=True)
    card = page.locator("#lab-glossary")
    learn(page).get_by_role("button", name="advantage", exact=True).first.tap()
    expect(card).to_be_visible()
    expect(card.locator("h2")).to_have_text("Advantage")
    assert serious_findings(page, "#lab-glossary") == []
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    opener = learn(page).get_by_role("button", name="advantage", exact=True).first
    opener.focus()
    page.keyboard.press("Enter")
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()

    page.get_by_role("tab", name="Train", exact=True).click()
    mark = page.locator("#grpo-epsilon_low .term-mark, #grpo-group_size .term-mark").first
    mark.tap()
    expect(card).to_be_visible()
    card.get_by_role("button", name="All terms").tap()
    card.get_by_role("searchbox").fill("kripp")
    expect(card.locator("dt:visible")).to_have_count(1)
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Rules", exact=True).click()
    page.get_by_test_id("rule-bench").locator("button.term").first.tap()
    expect(card).to_be_visible()

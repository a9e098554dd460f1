"""The Rules tab in a real browser: the bench, and one rule from the first key to the groups of the run that it rewarded."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import Page, expect

from lab.store.models import SHIPPED
from tests.annotation.annotating import ANNA, judge_all, sums
from tests.e2e.conftest import serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

GOOD = "def reward(prompt, completion, answer):\n    return float(completion.endswith(answer or '?'))\n"
SUM_IS_RIGHT = """
def reward(prompt, completion, answer):
    first = prompt.split(" ")[0]
    return 1.0 if first.isdigit() and str(int(first) + 1) in completion else 0.0
"""
BROKEN = "def reward(prompt, completion, answer):\n    return float(completion.endswith(answer)\n"


def opened(page: Page) -> Page:
    page.get_by_role("tab", name=re.compile("^(Rules|规则)$")).click()
    expect(page.get_by_test_id("rule-bench")).to_have_attribute("data-state", "scored")
    return page


def column(page: Page, place: int) -> list[str | None]:
    """The scores of one rule, from the first row to the last."""
    return page.get_by_test_id("bench-row").evaluate_all(
        "(rows, place) => rows.map((row) => row.querySelectorAll('td.score')[place].dataset.score)", place
    )


def rewards(page: Page) -> list[float]:
    return [float(row) for row in page.get_by_test_id("bench-row").evaluate_all("r => r.map((e) => e.dataset.reward)")]


def test_it_opens_on_the_worked_example_with_the_numbers_of_the_course(visit):
    page = opened(visit())
    assert [column(page, place) for place in range(3)] == [
        ["1", "0.5", "1", "0", "1"], ["1", "1", "1", "0", "1"], ["1", "1", "1", "0", "1"],
    ]  # fmt: skip
    assert rewards(page) == [3, 2.5, 3, 0, 3]
    expect(page.get_by_test_id("bench-mean")).to_have_text("2.30")
    expect(page.get_by_test_id("bench-std")).to_have_text("1.3038")
    kept = "rows => rows.map((row) => [...row.querySelectorAll('td.kept')].map((cell) => cell.dataset.kept).join())"
    assert page.get_by_test_id("bench-row").evaluate_all(kept) == [
        "true,true,true", "true,true,false", "true,true,false", "true,false,false", "true,true,false",
    ]  # fmt: skip


def test_code_is_parsed_and_checked(visit):
    page = opened(visit())
    page.locator("[data-source=code]").click()
    expect(page.get_by_test_id("bench-prompt")).to_have_value("Write a Python function mean(numbers).")
    expect(page.get_by_test_id("bench-row").nth(1)).to_have_attribute("data-reward", "0")
    assert column(page, 0) == ["1", "0", "1", "1", "1"]
    assert column(page, 1) == ["1", "0", "0", "0", "1"]


def test_what_is_typed_survives_a_reload_and_every_step_can_be_taken_back(visit):
    page = opened(visit())
    page.get_by_test_id("write-rule").click()
    page.get_by_test_id("rule-source").fill(GOOD)
    page.get_by_test_id("bench-completion").nth(3).fill("x = 5")
    expect(page.get_by_test_id("bench-row").nth(3)).to_have_attribute("data-reward", "4")
    page.reload()
    opened(page)
    expect(page.get_by_test_id("rule-source")).to_have_value(GOOD)
    expect(page.get_by_test_id("bench-completion").nth(3)).to_have_value("x = 5")
    page.get_by_test_id("rule-row").nth(3).click()
    page.get_by_role("button", name="Remove my_rule").click()
    expect(page.get_by_test_id("rule-row")).to_have_count(3)
    page.get_by_test_id("bench-undo").click()
    expect(page.get_by_test_id("rule-row")).to_have_count(4)
    page.get_by_test_id("bench-redo").click()
    expect(page.get_by_test_id("rule-row")).to_have_count(3)


def test_two_tabs_keep_what_was_typed_in_each(visit):
    page = opened(visit())
    page.get_by_test_id("set-name").fill("first tab")
    expect(page.get_by_test_id("open-draft")).to_be_hidden()
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('lab-rules.'))")
    second = opened(visit(beside=page, ready="[data-testid=rule-bench]"))
    expect(second.get_by_test_id("set-name")).to_have_value("first tab")
    second.get_by_test_id("set-name").fill("second tab")
    page.get_by_test_id("write-rule").click()
    page.get_by_test_id("rule-source").fill(GOOD)
    expect(page.get_by_test_id("open-draft").locator("option")).to_contain_text(["Draft of", "second tab"])
    for tab, name in ((page, "first tab"), (second, "second tab")):
        tab.reload()
        opened(tab)
        expect(tab.get_by_test_id("set-name")).to_have_value(name)
    page.close()
    third = opened(visit(beside=second, ready="[data-testid=rule-bench]"))
    left = third.get_by_test_id("open-draft").locator("option").all_inner_texts()
    left.append(third.get_by_test_id("set-name").input_value())
    assert any("first tab" in one for one in left) and any("second tab" in one for one in left)
    second.get_by_test_id("open-draft").select_option(
        label=second.get_by_test_id("open-draft").locator("option", has_text="first tab").inner_text()
    )
    expect(second.get_by_test_id("rule-row")).to_have_count(4)
    second.get_by_test_id("bench-undo").click()
    expect(second.get_by_test_id("set-name")).to_have_value("second tab")


def test_a_finger_finds_the_buttons_of_a_row(visit):
    page = opened(visit(width=1024, height=768, has_touch=True, is_mobile=True))
    row = page.get_by_test_id("bench-row").first
    seen = "(buttons) => buttons.map((button) => getComputedStyle(button).opacity)"
    assert set(row.locator(".pin, .icon").evaluate_all(seen)) == {"1"}
    pin, value = row.locator(".pin").first.bounding_box(), row.locator(".value").first.bounding_box()
    assert pin["y"] >= value["y"] + value["height"] - 1 or pin["x"] >= value["x"] + value["width"]
    row.locator(".pin").first.tap()
    expect(page.get_by_test_id("bench-status")).to_contain_text("1 of 1")


def test_the_keyboard_indents_and_can_leave_the_editor(visit):
    page = opened(visit())
    page.get_by_test_id("write-rule").click()
    source = page.get_by_test_id("rule-source")
    expect(source).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("def reward(prompt, completion, answer):")
    page.keyboard.press("Enter")
    page.keyboard.type("if answer:")
    page.keyboard.press("Enter")
    page.keyboard.type("return 1")
    expect(source).to_have_value("def reward(prompt, completion, answer):\n    if answer:\n        return 1")
    page.keyboard.press("Shift+Tab")
    expect(source).to_have_value("def reward(prompt, completion, answer):\n    if answer:\n    return 1")
    page.keyboard.press("Control+z")
    expect(source).to_have_value("def reward(prompt, completion, answer):\n    if answer:\n        return 1")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(source).not_to_be_focused()


def test_expected_scores_are_checked_on_every_change(visit):
    page = opened(visit())
    page.get_by_test_id("write-rule").click()
    page.get_by_test_id("rule-source").fill(GOOD)
    expect(page.get_by_test_id("bench-row").first).to_have_attribute("data-reward", "4")
    page.get_by_test_id("bench-row").first.get_by_role("button", name="Expect this score of “my_rule”").click()
    expect(page.get_by_test_id("bench-status")).to_contain_text("1 of 1")
    page.get_by_test_id("rule-source").fill(GOOD.replace("float(", "1 - float("))
    expect(page.get_by_test_id("bench-status")).to_contain_text("0 of 1")
    expect(page.get_by_test_id("rule-tests")).to_contain_text("expected 1, got 0")


@pytest.mark.parametrize(("locale", "theme"), [("en-US", "light"), ("zh-CN", "dark")])
def test_axe_finds_nothing_serious_on_the_bench(visit, locale, theme):
    page = opened(visit(locale=locale, color_scheme=theme))
    page.get_by_test_id("write-rule").click()
    page.get_by_test_id("rule-source").fill(BROKEN)
    expect(page.get_by_test_id("rule-bench")).to_have_attribute("data-state", "error")
    page.locator("[data-testid=preflight] summary").click()
    page.locator("[data-testid=what-if] summary").click()
    assert serious_findings(page, "[data-testid=rule-bench]") == []


@pytest.mark.parametrize("source", ["equation", "code", "data"])
def test_a_phone_scrolls_in_one_direction_only(visit, source):
    page = opened(visit(width=390, height=844))
    page.locator(f"[data-source={source}]").click()
    expect(page.get_by_test_id("rule-bench")).to_have_attribute("data-state", "scored")
    expect(page.get_by_test_id("bench-row").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("locale", "theme", "width"), [("zh-CN", "light", 1440), ("en-US", "dark", 1440), ("zh-CN", "dark", 390)]
)
def test_a_rule_is_written_broken_and_mended_in_every_look(visit, locale, theme, width):
    page = opened(visit(locale=locale, color_scheme=theme, width=width, height=844))
    page.get_by_test_id("write-rule").click()
    page.get_by_test_id("rule-name").fill("ends_right")
    page.get_by_test_id("rule-source").fill(BROKEN)
    expect(page.get_by_test_id("rule-bench")).to_have_attribute("data-state", "error")
    expect(page.locator(".code-line.wrong")).to_have_attribute("data-line", "2")
    told = "Line 2 of the rule “ends_right”" if locale == "en-US" else "规则“ends_right”第 2 行"
    expect(page.get_by_test_id("rule-problems")).to_contain_text(told)
    expect(page.get_by_test_id("bench-status")).to_contain_text("ends_right")
    page.get_by_test_id("rule-problems").get_by_role("button").click()
    expect(page.get_by_test_id("rule-source")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_findings(page, "[data-testid=rule-bench]") == []
    page.get_by_test_id("rule-source").fill(GOOD)
    expect(page.get_by_test_id("rule-bench")).to_have_attribute("data-state", "scored")
    expect(page.locator(".code-line.wrong")).to_have_count(0)
    assert column(page, 3) == ["1", "0", "1", "0", "1"]
    assert rewards(page) == [4, 2.5, 4, 0, 4]
    page.get_by_test_id("bench-row").first.locator(".pin").nth(3).click()
    expect(page.get_by_test_id("bench-status")).to_contain_text(
        "1 of 1" if locale == "en-US" else "1 个期望分数中有 1 个"
    )


def test_a_preset_is_tried_on_its_own_model(visit, lab):
    page = opened(visit())
    page.locator("[data-testid=preflight] summary").click()
    model = page.get_by_test_id("preflight-model")
    expect(model).to_have_value("tiny")
    page.get_by_test_id("preflight-preset").select_option("smollm2-135m/grpo")
    expect(model).to_have_value("smollm2-135m")
    expect(model.locator("option:checked")).to_have_text("smollm2-135m (not here yet)")
    page.get_by_test_id("preflight-preset").select_option("tiny/grpo")
    expect(model).to_have_value("tiny")
    shutil.copytree(SHIPPED["tiny"], lab.home / "models" / "smollm2-135m")
    try:
        page.reload()
        opened(page)
        page.locator("[data-testid=preflight] summary").click()
        expect(model.locator("option")).to_contain_text(["tiny", "smollm2-135m"])
        page.get_by_test_id("preflight-preset").select_option("smollm2-135m/grpo")
        expect(model.locator("option:checked")).to_have_text("smollm2-135m")
    finally:
        shutil.rmtree(lab.home / "models" / "smollm2-135m")


@pytest.mark.train
def test_it_is_said_before_a_run_how_rules_go_together_and_whether_people_agree(visit, annotation):
    collection = sums(annotation)
    judge_all(annotation, ANNA, collection)
    page = opened(visit())
    page.get_by_test_id("write-rule").click()
    page.get_by_test_id("rule-source").fill(SUM_IS_RIGHT)
    page.locator("[data-testid=preflight] summary").click()
    page.get_by_test_id("preflight-people").select_option(collection)
    page.get_by_test_id("preflight-prompts").select_option("16")
    page.get_by_test_id("preflight-start").click()
    expect(page.locator("[data-fact=number_people] dt")).to_contain_text("6 judged pairs")
    expect(page.locator("[data-fact=number_people] dd")).to_have_text(re.compile(r"^100 % \(\d+–100 %\)$"))
    table = page.get_by_test_id("preflight-together").locator("tr")
    expect(table).to_have_count(6)
    expect(table.nth(0)).to_have_text(re.compile("rule.*1.*2.*3.*length"))
    expect(table.nth(2)).to_contain_text("2 Logically consistent")
    expect(table.nth(2)).to_have_text(re.compile(r"[+−]?\d\.\d\d"))
    expect(table.nth(5)).to_contain_text("the reward")


@pytest.mark.train
def test_a_rule_is_written_broken_mended_trained_with_and_found_in_the_groups(visit):
    page = opened(visit())
    page.get_by_test_id("write-rule").click()
    page.get_by_test_id("rule-name").fill("ends_right")
    page.get_by_test_id("rule-source").fill(BROKEN)
    expect(page.get_by_test_id("rule-bench")).to_have_attribute("data-state", "error")
    expect(page.locator(".code-line.wrong")).to_have_attribute("data-line", "2")
    expect(page.get_by_test_id("rule-problems")).to_contain_text("Line 2 of the rule “ends_right”")
    page.get_by_test_id("rule-source").fill(GOOD)
    expect(page.get_by_test_id("rule-bench")).to_have_attribute("data-state", "scored")
    expect(page.locator(".code-line.wrong")).to_have_count(0)
    assert column(page, 3) == ["1", "0", "1", "0", "1"]
    assert rewards(page) == [4, 2.5, 4, 0, 4]

    page.get_by_test_id("set-name").fill("Right at the end")
    page.get_by_test_id("bench-save").click()
    expect(page.get_by_test_id("set-state")).to_contain_text("saved as version 1")
    page.get_by_test_id("bench-train").click()
    expect(page.locator("#message")).to_contain_text("“Right at the end”, version 1")
    expect(page.locator("#grpo-rules input")).to_have_value("Right at the end · v1")
    expect(page.locator("#plan")).to_contain_text("ends_right")
    page.locator("#grpo-steps input").fill("2")
    page.get_by_role("button", name="More settings").click()
    page.locator("#grpo-measure_samples input").fill("8")
    expect(page.locator("#plan")).to_contain_text("8 held-out")
    page.locator("#start").click()
    expect(page.locator("[data-testid=run-row][data-state=finished]")).to_have_count(1)
    page.get_by_role("button", name="Open its groups").click()
    card = page.get_by_test_id("completion-card").first
    expect(card).to_contain_text("ends_right")

    opened(page)
    page.locator("[data-source=run]").click()
    expect(page.get_by_test_id("bench-row")).to_have_count(8)
    page.locator("[data-testid=what-if] summary").click()
    page.get_by_test_id("whatif-which_rules").select_option("recorded")
    page.get_by_test_id("whatif-threshold").select_option("all")
    page.get_by_test_id("whatif-start").click()
    expect(page.get_by_test_id("whatif-row")).to_have_count(8)
    expect(page.locator("[data-fact=newly_dropped] dd")).to_have_text("0")
    page.locator("[data-testid=preflight] summary").click()
    page.get_by_test_id("preflight-prompts").select_option("16")
    page.get_by_test_id("preflight-start").click()
    expect(page.get_by_test_id("verdict")).to_have_attribute("data-kind", re.compile("good|warning|bad"))
    expect(page.get_by_test_id("preflight-report")).to_contain_text("ends_right")
    page.locator("[data-source=model]").click()
    page.get_by_label("How many", exact=True).select_option("4")
    page.get_by_test_id("bench-sample").click()
    expect(page.get_by_test_id("bench-row")).to_have_count(4)

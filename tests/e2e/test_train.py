"""The Train tab in a real browser: the form, and one run from the click on Start to its deletion."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from lab.store.presets import preset_names
from tests.e2e.conftest import serious_findings

ENVIRONMENT = {"HF_ENDPOINT": "http://127.0.0.1:9", "LAB_SPARE_WORKER": "1"}  # no hub answers there

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


def command(page: Page) -> str:
    return page.locator("#command code").inner_text()


def test_start_is_in_view_and_the_form_says_what_it_will_do(visit):
    page = visit()
    start = page.locator("#start")
    expect(start).to_be_in_viewport(ratio=1)
    for name in ("Rules", "Train", "Groups"):
        expect(page.get_by_role("tab", name=name, exact=True)).to_be_visible()
    expect(page.locator("#plan")).to_contain_text("8 prompts × 8 completions")
    page.locator("#grpo-steps input").fill("12")
    expect(page.locator("#plan")).to_contain_text("12 steps")
    expect(page.locator("#command code")).to_have_text("python -m lab train tiny/grpo --set steps=12")


def test_only_valid_combinations_can_be_entered(visit):
    page = visit()
    page.locator("#grpo-group_size input").fill("12")
    page.locator("#grpo-steps input").click()
    expect(page.locator("#grpo-batch_size input")).to_have_value("60")
    expect(page.locator("#grpo-threshold-fraction")).to_have_count(0)
    page.locator("#grpo-threshold-kind input").click()
    page.get_by_role("option", name="Top T (soft)").click()
    expect(page.locator("#grpo-threshold-fraction input")).to_have_value("0.2")
    expect(page.locator("#plan")).to_contain_text("the best 3 of 12")


def test_what_was_typed_survives_another_preset_and_a_reload(visit):
    page = visit()
    page.locator("#grpo-steps input").fill("17")
    expect(page.locator("#command code")).to_contain_text("steps=17")
    page.get_by_label("SFT", exact=True).check()
    expect(page.locator("#command code")).to_have_text("python -m lab train tiny/sft")
    page.locator("#sft-steps input").fill("9")
    expect(page.locator("#command code")).to_contain_text("steps=9")
    page.reload()
    expect(page.locator("#command code")).to_have_text("python -m lab train tiny/sft --set steps=9")
    expect(page.locator("#sft-steps input")).to_have_value("9")
    page.get_by_label("GRPO", exact=True).check()
    expect(page.locator("#grpo-steps input")).to_have_value("17")
    page.get_by_role("button", name="Back to the preset").click()
    expect(page.locator("#grpo-steps input")).to_have_value("240")
    page.get_by_role("button", name="Back to what I typed").click()
    expect(page.locator("#grpo-steps input")).to_have_value("17")


def test_presets_stand_under_their_model_and_the_keyboard_reaches_them(visit):
    page = visit()
    expect(page.locator("#preset-model label")).to_have_count(4)
    expect(page.get_by_label("Tiny", exact=True)).to_be_checked()
    page.get_by_label("Tiny", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("SmolLM2-135M", exact=True)).to_be_checked()
    expect(page.locator("#command code")).to_have_text("python -m lab train smollm2-135m/grpo")
    of_model = [name for name in preset_names() if name.startswith("smollm2-135m/")]
    expect(page.locator("#preset label")).to_have_count(len(of_model))
    expect(page.locator("#start")).to_be_in_viewport(ratio=1)


def test_what_is_not_here_is_said_before_the_start_and_a_failed_fetch_says_why(visit):
    page = visit()
    page.get_by_label("Qwen2.5-0.5B", exact=True).check()
    missing = page.locator("#fetch p.missing")
    expect(missing).to_contain_text("qwen2.5-0.5b")
    expect(missing).to_contain_text("hub:openai/gsm8k/main@train")
    expect(page.locator("#start")).to_be_disabled()
    page.locator("#fetch-get").click()
    expect(page.locator("#fetch p.problem").first).to_contain_text("did not answer")
    page.reload()
    expect(page.locator("#fetch p.problem").first).to_contain_text("did not answer")
    page.get_by_label("Tiny", exact=True).check()
    expect(page.locator("#fetch")).to_be_hidden()
    expect(page.locator("#start")).to_be_enabled()


def test_rows_are_shown_as_the_model_will_see_them(visit):
    page = visit()
    page.get_by_label("SFT", exact=True).check()
    expect(page.locator("#command code")).to_have_text("python -m lab train tiny/sft")
    page.get_by_role("button", name="Preview data").click()
    expect(page.locator(".seen-text")).to_have_count(3)
    expect(page.locator(".seen-text").first.locator(".counted").first).to_be_visible()
    assert serious_findings(page, "#preview", "#preset", "#preset-model") == []


@pytest.mark.parametrize(("locale", "label"), [("en-US", "Steps (steps)"), ("zh-CN", "训练步数（steps）")])
def test_a_mistake_is_one_sentence_under_start_in_the_pages_language(visit, locale, label):
    page = visit(locale=locale)
    page.locator("#grpo-steps input").fill("0")
    problem = page.locator("#message .problem")
    expect(problem).to_contain_text(label)
    expect(problem).to_contain_text("1,000,000")
    expect(page.locator("#start")).to_be_disabled()
    beside = page.locator("#grpo-steps .field-problem")
    expect(beside).to_contain_text("1,000,000")
    expect(page.locator("#grpo-steps input")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#grpo-steps input")).to_have_value("0")
    expect(page.locator("[data-testid=run-row]")).to_have_count(0)
    page.locator("#grpo-steps input").fill("5")
    expect(problem).to_have_count(0)


def test_a_phone_scrolls_in_one_direction_only(visit):
    page = visit(width=390, height=844)
    expect(page.locator("#start")).to_be_visible()
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


COVERED = """marks => marks.filter(mark => mark.offsetParent).flatMap(mark => {
  const sign = mark.getBoundingClientRect(), texts = document.createTreeWalker(mark.parentElement, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    for (const line of range.getClientRects())
      if (line.right > sign.left + 4 && line.left < sign.right - 4 && line.bottom > sign.top + 4 && line.top < sign.bottom - 4)
        found.push(texts.currentNode.textContent);
  }
  return found;
})"""


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_no_question_mark_covers_the_label_of_its_field(visit, locale):
    page = visit(locale=locale, width=1300)  # three narrow fields in a row
    page.locator("#grpo-steps").wait_for()
    page.get_by_role("button", name=re.compile("More settings|更多设置")).click()
    expect(page.locator("#grpo-lora_rank input")).to_be_visible()
    marks = page.locator(".term-mark")
    expect(marks.locator("visible=true").nth(10)).to_be_attached()
    assert marks.evaluate_all(COVERED) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_form(visit, theme):
    page = visit(color_scheme=theme)
    assert serious_findings(page, "#head", "#plan", "#command", "#start-bar", "#runs") == []


@pytest.mark.train
def test_a_run_from_start_to_deletion(visit):
    page = visit()
    page.locator("#grpo-steps input").fill("400")
    page.get_by_role("button", name="More settings").click()
    page.locator("#grpo-measure_samples input").fill("8")
    page.locator("#grpo-name input, #grpo-name textarea").first.fill("first try")
    page.locator("#start").click()

    row = page.locator("[data-testid=run-row]", has_text="first try")
    expect(row).to_have_attribute("aria-current", "true")
    curves = page.get_by_test_id("live-curves")
    expect(curves).to_have_attribute("data-step", re.compile(r"^[1-9]"))

    page.locator("#open-groups").click()
    inspector = page.get_by_test_id("group-inspector")
    expect(inspector).to_have_attribute("data-step", re.compile(r"^[1-9]"))
    expect(page.get_by_test_id("completion-card")).to_have_count(8)

    page.get_by_role("tab", name="Train").click()
    page.get_by_role("button", name="Stop after this step").click()
    expect(row).to_have_attribute("data-state", "stopped")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_role("button", name="Stop now")).to_have_count(0)

    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Stop now").click()
    expect(row).to_have_attribute("data-state", "stopped")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_role("button", name="Stop now")).to_have_count(0)

    page.get_by_role("button", name="Rename…").click()
    page.locator("#new-name input, #new-name textarea").first.fill("kept")
    page.get_by_role("button", name="Save name").click()
    kept = page.locator("[data-testid=run-row]", has_text="kept")
    expect(kept).to_be_visible()

    second = visit()
    expect(second.locator("[data-testid=run-row]", has_text="kept")).to_have_attribute("data-state", "stopped")

    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_test_id("run-row").filter(visible=True)).to_have_count(0)
    expect(page.get_by_test_id("live-curves")).to_be_hidden()
    expect(page.get_by_test_id("run-list")).to_contain_text("No runs yet")


def test_the_command_is_copied_over_plain_http_too(visit):
    """A browser gives no clipboard to a page of a class's network."""
    page = visit("/?tab=train")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    code = page.locator("#command code")
    expect(code).to_contain_text("python -m lab train")
    page.locator("#command button").click()
    assert page.evaluate("getSelection().toString()") == code.text_content()

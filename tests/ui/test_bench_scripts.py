"""Parts of the rule bench in a real browser, without its page: pins, drafts, the editor's keys, what-if's table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.ui.scripts import ORIGIN, load_scripts

pytestmark = pytest.mark.browser


@pytest.fixture
def page(judging_browser: Browser) -> Any:
    made = judging_browser.new_page()
    yield made
    made.close()


# ---- draft.js


def test_a_pin_belongs_to_prompt_completion_and_answer(page: Page) -> None:
    load_scripts(page, "rule_bench", "draft.js")
    rule = {"pins": [
        {"prompt": "2 + 2", "completion": "4", "answer": "5", "expected": 0},
        {"prompt": "2 + 2", "completion": "4", "answer": "4", "expected": 1},
    ]}  # fmt: skip
    ask = "([rule, prompt, text, answer]) => pinOf(rule, { prompt, answer }, text)"
    assert page.evaluate(ask, [rule, "2 + 2", "4", "4"]) == 1
    assert page.evaluate(ask, [rule, "2 + 2", "4", "5"]) == 0
    assert page.evaluate(ask, [rule, "2 + 2", "4", ""]) == -1
    assert page.evaluate(ask, [rule, "2 + 3", "4", "4"]) == -1
    assert page.evaluate(ask, [rule, "2 + 2", "5", "4"]) == -1


DRAFT = {"name": "", "rules": [], "groups": [], "fraction": 0.2, "source": {"kind": "typed"}, "chosen": 0}
NEW_DRAFT = """(fresh) => {
    window.changes = 0;
    window.draft = new Draft(() => fresh, () => (window.changes += 1), () => {});
}"""


def test_a_draft_goes_back_step_by_step_and_a_burst_is_one(page: Page) -> None:
    load_scripts(page, "rule_bench", "saved_drafts.js", "draft.js")
    page.evaluate(NEW_DRAFT, DRAFT)
    for name, burst in (("a", "name"), ("ab", "name"), ("abc", "")):
        page.evaluate("([name, burst]) => draft.change((state) => (state.name = name), burst)", [name, burst])
    names = []
    for _ in range(3):
        page.evaluate("draft.undo()")
        names.append(page.evaluate("draft.now.name"))
    assert names == ["ab", "", ""], "what was typed in one go is one step, and the first step is the last"
    page.evaluate("draft.redo(); draft.redo()")
    assert page.evaluate("[draft.now.name, draft.future.length]") == ["abc", 0]
    page.evaluate("draft.undo(); draft.change((state) => (state.name = 'other'))")
    assert page.evaluate("[draft.now.name, draft.future.length]") == ["other", 0]


def test_a_draft_is_found_again_and_nonsense_is_not(page: Page) -> None:
    load_scripts(page, "rule_bench", "saved_drafts.js", "draft.js")
    page.evaluate(NEW_DRAFT, DRAFT)
    page.evaluate("() => { draft.change((state) => (state.name = 'mine')); draft.store(); }")
    page.evaluate(NEW_DRAFT, DRAFT)
    assert page.evaluate("draft.now.name") == "mine"
    for broken in (
        {"name": 3},
        {"rules": [{"name": "r", "weight": "1"}]},
        {"fraction": None},
        {"groups": [{"prompt": 1}]},
    ):
        assert page.evaluate("(kept) => isDraft(kept)", {**DRAFT, **broken}) is False
    assert page.evaluate("(kept) => isDraft(kept)", DRAFT) is True


def test_a_free_name_is_the_first_number_that_nobody_has(page: Page) -> None:
    load_scripts(page, "rule_bench", "draft.js")
    ask = "(names) => freeName('rule', names.map((name) => ({ name })))"
    assert [page.evaluate(ask, names) for names in ([], ["rule"], ["rule", "rule_2"], ["rule", "rule_3"])] == [
        "rule", "rule_2", "rule_3", "rule_2",
    ]  # fmt: skip


@pytest.mark.parametrize(("lang", "said"), [("en", "No! (line 12)"), ("zh", "No!（第 12 行）")])
def test_the_line_of_a_rules_error_is_said_in_the_readers_language(page: Page, lang: str, said: str) -> None:
    load_scripts(page, "rule_bench", lang=lang)
    assert page.evaluate("ruleErrorWords('No! (line 12)')") == said
    assert page.evaluate("ruleErrorWords('(line 3) is not its end.')") == "(line 3) is not its end."


# ---- editor.js


def test_an_input_methods_enter_writes_no_line_and_a_tab_of_its_indents_nothing(page: Page) -> None:
    load_scripts(page, "rule_bench", "highlight.js", "editor.js")
    page.evaluate(
        "() => { window.editor = new Editor(() => {}); document.body.append(editor.node); editor.show('if x:'); }"
    )
    press = """([key, keyCode]) => {
        editor.area.setSelectionRange(5, 5);
        const event = new KeyboardEvent("keydown", { key, code: key, keyCode, bubbles: true, cancelable: true });
        editor.area.dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    for key in ("Enter", "Tab", "Backspace"):
        assert page.evaluate(press, [key, 229]) is False
    assert page.evaluate("editor.value") == "if x:"
    page.evaluate("editor.area.focus()")
    assert page.evaluate(press, ["Enter", 13]) is True
    assert page.evaluate("editor.value") == "if x:\n    "


# ---- whatif.js


SIDE = {"reward": 1.0, "advantage": 0.5, "kept": True, "rank": 1}
ANSWER = {
    "problems": [],
    "summary": {
        "old": {"reward": 0.5, "kept_share": 0.25, "no_spread_share": 0.0},
        "new": {"reward": 1.5, "kept_share": 0.5, "no_spread_share": 0.125},
        "newly_kept": 3, "newly_dropped": 1, "another_best": 2, "groups": 8,
    },
    "groups": [{
        "step": 7, "group": 1, "prompt": "2 + 2", "answer": "4", "changed": 2,
        "old": {"mean": 0.5, "std": 0.7}, "new": {"mean": 1.5, "std": 0.2},
        "completions": [
            {"text": "<b>4</b>", "old": {**SIDE, "rank": 2, "kept": False}, "new": {**SIDE, "reward": 2.0}},
            {"text": "", "old": SIDE, "new": {**SIDE, "rank": 2, "advantage": None}},
            {"text": "same", "old": SIDE, "new": SIDE},
        ],
    }],
}  # fmt: skip
ROWS = [[step, group, 0, 0.5, 0.1, 2, 4] for step in (3, 5, 6, 9) for group in (0, 1)]


def open_panel(page: Page, asked: list[dict[str, Any]]) -> None:
    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN + "/api/")
        if path == "runs":
            runs = [{"id": "r1", "name": "one", "has_groups": True}, {"id": "r2", "name": "two", "has_groups": False}]
            return route.fulfill(json={"runs": runs})
        if path == "recordings":
            return route.fulfill(json={"recordings": [{"id": "f1", "title": "another tool's"}]})
        if path == "runs/r1/groups":
            return route.fulfill(json={"rows": ROWS})
        asked.append(json.loads(route.request.post_data or "null"))
        return route.fulfill(json=ANSWER)

    page.route(ORIGIN + "/api/**", answer)
    names = (
        "jobs.js",
        "highlight.js",
        "editor.js",
        "saved_drafts.js",
        "draft.js",
        "rules.js",
        "table.js",
        "samples.js",
    )
    load_scripts(page, "rule_bench", *names, "sets.js", "preflight.js", "whatif.js", worked={}, abouts={}, recipes={})
    page.add_script_tag(content="function sentRule(rule) { return { sent: rule.name }; }")
    page.evaluate("""() => {
        window.panel = new WhatIfPanel({ state: { rules: [{ name: "mine" }], fraction: 0.3 } });
        document.body.append(panel.node);
        panel.node.open = true;
    }""")
    page.wait_for_function("panel.run.value === 'r1'")
    offered = page.evaluate("[...panel.run.options].map((option) => option.text)")
    assert offered == ["one", "another tool's"], "a run without groups has nothing to score anew"


def compare(page: Page, **choices: str) -> None:
    page.evaluate(
        "(choices) => { for (const [name, value] of Object.entries(choices)) panel[name].value = value; }", choices
    )
    page.evaluate("panel.start()")


def test_what_if_asks_for_the_last_steps_under_what_was_chosen(page: Page) -> None:
    asked: list[dict[str, Any]] = []
    open_panel(page, asked)
    compare(page, span="1")
    compare(page, span="4", rules="recorded", threshold="top_fraction", estimator="unscaled")
    compare(page, span="64", threshold="above_mean", estimator="")
    bench, recorded = [{"sent": "mine"}], None
    assert asked == [
        {"run": "r1", "first": 9, "last": 9, "rules": bench, "threshold": None, "fraction": None, "estimator": None},
        {"run": "r1", "first": 3, "last": 9, "rules": recorded, "threshold": "top_fraction", "fraction": 0.3, "estimator": "unscaled"},
        {"run": "r1", "first": 3, "last": 9, "rules": recorded, "threshold": "above_mean", "fraction": None, "estimator": None},
    ]  # fmt: skip


def test_what_if_shows_old_and_new_side_by_side(page: Page) -> None:
    open_panel(page, [])
    compare(page)
    tiles = page.locator("[data-fact] dd").all_inner_texts()
    assert tiles == ["0.50 → 1.50", "25 % → 50 %", "0 % → 13 %", "3", "1", "2 / 8"]
    rows = page.get_by_test_id("whatif-row")
    cells = [rows.nth(place).locator("th, td").all_inner_texts() for place in range(3)]
    assert cells == [
        ["<b>4</b>", "1.00 → 2.00", "+0.50", "✕ → ✓", "2 → 1 ▲"],
        ["∅", "1.00", "+0.50 → –", "✓", "1 → 2 ▼"],
        ["same", "1.00", "+0.50", "✓", "1"],
    ]
    assert rows.locator(".changed").count() == 5
    assert page.locator(".asked-of").inner_text() == "2 + 2 μ 0.50 → 1.50 · σ 0.70 → 0.20"


# ---- sets.js


def test_a_set_without_a_name_takes_none_that_is_taken(page: Page) -> None:
    load_scripts(page, "rule_bench", "sets.js")
    ask = "(names) => freeSetName('My rules', names.map((name) => ({ name })))"
    assert page.evaluate(ask, []) == "My rules"
    assert page.evaluate(ask, ["Others", "My rules"]) == "My rules 2"
    assert page.evaluate(ask, ["My rules 2", "My rules"]) == "My rules 3"

"""The Annotate tab in a real browser: from a file to a frozen version, by keyboard, with the network cut in the middle."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.core.access import Access, User
from lab.core.preferences import Place
from lab.store.annotation import Annotation
from lab.store.judgements import Submission
from lab.store.pairs import CollectionSettings
from lab.store.runs import Store
from tests.e2e.conftest import SLOW, RunningLab, serious_findings, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
ROUTES = "**/api/annotate/**"
LONG = "这是一个很长的回答。It goes on and on, and nobody reads to its end.\n" * 120
CODE = "Sure:\n```python\ndef add(a, b):\n    return a + b\n```\n<img src=/stolen onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=SLOW)


@pytest.fixture
def annotation(lab: RunningLab) -> Iterator[Annotation]:
    """The running lab's data, from beside it."""
    store = Store(lab.home, allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


@pytest.fixture
def open_page(browser: Browser, lab: RunningLab) -> Iterator[Callable[..., Page]]:
    """Opens the tab; no page may have failed, popped up a dialog of a response's own, or asked another host."""
    complaints: list[str] = []
    contexts = []

    def opened(path: str = "/?tab=annotate", *, width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **{"locale": "en-US", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _ours(request.url, lab.url, complaints))
        page.on("dialog", lambda dialog: _leave(dialog, complaints))
        page.goto(lab.url + path)
        page.get_by_test_id("annotator").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _ours(url: str, lab: str, complaints: list[str]) -> None:
    if url.startswith("http") and urlparse(url).netloc != urlparse(lab).netloc:
        complaints.append(f"asked another host: {url}")


def _leave(dialog: Any, complaints: list[str]) -> None:
    if dialog.type != "beforeunload":
        complaints.append(f"dialog: {dialog.message}")
    dialog.accept()


def demo_row(number: int, language: str) -> dict[str, Any]:
    """A row as LLaMA-Factory's preference demos have them."""
    asked, better, worse = {
        "en": (f"What is {number} + 5?", f"{number} + 5 = {number + 5}", "I like numbers."),
        "zh": (
            f"{number} 加 5 等于多少？",
            f"{number} + 5 = {number + 5}，所以答案是 {number + 5}。",
            "数字很有意思。",
        ),
    }[language]
    said = [{"from": "human", "value": asked}]
    if number % 3 == 0:
        said.insert(0, {"from": "system", "value": "You are a calm teacher."})
    return {
        "conversations": said,
        "chosen": {"from": "gpt", "value": better},
        "rejected": {"from": "gpt", "value": worse},
    }


def demo_file(folder: Path, language: str, count: int = 12) -> Path:
    rows = [demo_row(number, language) for number in range(1, count + 1)]
    rows.append({**demo_row(99, language), "rejected": rows[0]["chosen"], "chosen": rows[0]["chosen"]})
    path = folder / f"dpo_{language}_demo.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def typed(annotation: Annotation, name: str, rows: list[dict[str, str]], **settings: Any) -> str:
    """A collection of these rows, by its id."""
    made = annotation.import_rows(rows, name=name, settings=CollectionSettings(gold_rate=0, **settings))
    return made.collection.id


def short_rows(count: int) -> list[dict[str, str]]:
    return [{"prompt": f"Question {n}", "first": f"Answer {n}.", "second": f"Another {n}!"} for n in range(count)]


def judge(page: Page, key: str) -> str:
    """Press a key, and wait for the next pair; the pair that was judged."""
    annotator = page.get_by_test_id("annotator")
    expect(annotator).to_have_attribute("data-pair", re.compile("."))
    before = str(annotator.get_attribute("data-pair"))
    page.keyboard.press(key)
    expect(annotator).not_to_have_attribute("data-pair", before)
    return before


def part(page: Page, name: str) -> None:
    page.locator("#annotate-tabs").get_by_role("tab", name=name, exact=True).click()


def test_from_two_files_to_a_frozen_version(open_page, annotation, tmp_path):
    page = open_page()
    annotator = page.get_by_test_id("annotator")
    expect(annotator).to_contain_text("No pairs to judge yet")
    page.get_by_role("button", name="Add pairs", exact=True).click()
    for pairs, (language, asked) in enumerate((("en", "What is"), ("zh", "等于多少")), start=1):
        page.locator("#pairs-file input[type=file]").set_input_files(demo_file(tmp_path, language))
        expect(page.locator("#pairs-preview")).to_contain_text(
            asked
        )  # the other file's preview says as much of its number
        expect(page.locator("#pairs-preview")).to_contain_text("12 pairs, read as conversations")
        expect(page.locator("#pairs-preview")).to_contain_text("1 rows are left out")
        page.locator("#add-pairs-button").click()
        expect(page.locator("#add-message")).to_contain_text("12 pairs are now in")
        wait_until(page, lambda wanted=12 * pairs: [one.pairs for one in annotation.collections()] == [wanted])
    (collection,) = annotation.collections()
    assert (collection.pairs, collection.name) == (24, "dpo_en_demo")

    part(page, "Judge")
    page.get_by_test_id("choose-a").wait_for()
    judged = [judge(page, key) for key in ("1", "ArrowRight", "0", "b")]
    expect(annotator).to_have_attribute("data-state", "saved")
    page.context.route(ROUTES, lambda route: route.abort())
    judged += [judge(page, key) for key in "12"]
    expect(annotator).to_have_attribute("data-state", "unsaved")
    shown = annotator.get_attribute("data-pair")
    page.reload()
    expect(annotator).to_have_attribute("data-pair", str(shown))
    expect(annotator).to_have_attribute("data-state", "unsaved")
    judged.append(judge(page, "2"))
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")  # it may have tried by itself just before
    expect(annotator).to_have_attribute("data-state", "saved")
    judged += [judge(page, "1") for _ in range(3)]
    expect(annotator).to_have_attribute("data-state", "saved")
    expect(annotator.locator(".count")).to_contain_text("10 of 24")
    assert len(set(judged)) == 10
    (person,) = annotation.quality(collection.id).annotators
    assert (person.judged, person.skipped) == (10, 0)

    part(page, "Dataset")
    expect(page.locator("#would-give")).to_contain_text("This rule gives 8 preferences now.")
    page.locator("#freeze").click()
    expect(page.locator("#freeze-message")).to_contain_text("8 preferences")
    (version,) = annotation.versions(collection.id)
    assert {row["pair_id"] for row in annotation.rows(version.id)} <= set(judged)
    page.locator("#export-version").click()
    expect(page.locator("#version-files")).to_contain_text("preferences")
    page.locator("#train-rm").click()
    expect(page.locator("#plan")).to_contain_text("preferences from")
    expect(page.locator("#rm-dataset input")).to_have_value("judgements frozen as “dpo_en_demo”")
    expect(page.locator("#command")).to_contain_text(f"version:{version.id}")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_both_choices_stay_in_view_and_nothing_is_markup(open_page, annotation, width, height):
    rows = [
        {"prompt": LONG, "first": LONG, "second": CODE + LONG},
        {"prompt": "<b>Hi</b>", "first": CODE, "second": "No"},
    ]
    collection = typed(annotation, "long", rows)
    page = open_page(f"/?collection={collection}", width=width, height=height)
    for _ in rows:
        for side in ("a", "b"):
            box = page.get_by_test_id(f"choose-{side}").bounding_box()
            assert box and box["y"] >= 0 and box["y"] + box["height"] <= height
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_test_id("annotator").locator("img, script, a, iframe").count() == 0
        assert serious_findings(page, "[data-testid=annotator]") == []
        page.get_by_test_id("choose-b").hover()
        assert serious_findings(page, "[data-testid=annotator]") == []
        judge(page, "s")


def test_keys_undo_edit_and_what_they_leave_alone(open_page, annotation):
    collection = typed(annotation, "keys", short_rows(8), reason=True)
    page = open_page(f"/?collection={collection}")
    annotator = page.get_by_test_id("annotator")
    page.get_by_test_id("choose-a").wait_for()
    first = str(annotator.get_attribute("data-pair"))
    for key in ("Backspace", "Control+1", "Alt+2", "x"):
        page.keyboard.press(key)
    page.keyboard.press("r")
    page.keyboard.type("1 and 2 are numbers")
    assert annotator.get_attribute("data-pair") == first
    page.keyboard.press("Enter")
    judge(page, "1")
    judge(page, "u")
    expect(annotator).to_have_attribute("data-pair", first)
    expect(page.get_by_test_id("reason")).to_have_value("1 and 2 are numbers")
    page.keyboard.press("e")
    page.keyboard.press("2")
    page.get_by_test_id("edit-text").fill("My own answer.")
    page.reload()
    expect(page.get_by_test_id("edit-text")).to_have_value("My own answer.")
    page.keyboard.press("Control+Enter")
    expect(annotator).not_to_have_attribute("data-pair", first)
    expect(annotator).to_have_attribute("data-state", "saved")
    page.keyboard.press("?")
    page.get_by_role("button", name="Change the key for: Tie").click()
    page.keyboard.press("q")
    page.get_by_role("button", name="Close").click()
    judge(page, "q")
    expect(annotator).to_have_attribute("data-state", "saved")
    derived = annotation.derived(collection, rule())
    assert [(row.chosen, row.pair_id) for row in derived.preferences] == [("My own answer.", first)]


def rule() -> Any:
    from lab.core.preferences import Derivation

    return Derivation(use_edits=True)


def test_a_double_click_judges_one_pair(open_page, annotation):
    collection = typed(annotation, "double", short_rows(6))
    page = open_page(f"/?collection={collection}")
    page.get_by_test_id("choose-a").dblclick()
    expect(page.get_by_test_id("annotator").locator(".count")).to_contain_text("1 of 6")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    assert annotation.quality(collection).judgements == 1


def test_an_undo_without_network_is_kept_in_order(open_page, annotation):
    collection = typed(annotation, "order", short_rows(6))
    page = open_page(f"/?collection={collection}")
    annotator = page.get_by_test_id("annotator")
    page.get_by_test_id("choose-a").wait_for()
    page.wait_for_timeout(300)
    page.context.route(ROUTES, lambda route: route.abort())
    pair = judge(page, "1")
    judge(page, "u")
    expect(annotator).to_have_attribute("data-pair", pair)
    judge(page, "0")
    expect(annotator).to_have_attribute("data-state", "unsaved")
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")  # it may have tried by itself just before
    expect(annotator).to_have_attribute("data-state", "saved")
    expect(annotator.get_by_role("alert")).to_be_hidden()
    quality = annotation.quality(collection)
    assert quality.judgements == 1 and annotation.derived(collection, rule()).counts["tie"] == 1


def test_disagreements_are_decided_by_one_more_judgement(open_page, annotation):
    collection = typed(annotation, "divided", short_rows(1), overlap=2)
    for name, place in (("Ada", Place.LEFT), ("Ben", Place.RIGHT)):
        user = User(name, Access.ANNOTATOR, id=name)
        (pair,) = annotation.hand_out(user, collection, 1).result()["pairs"]
        text = {Place.LEFT: pair["a"], Place.RIGHT: pair["b"]}
        wanted = "Answer 0." if name == "Ada" else "Another 0!"
        place = next(where for where, said in text.items() if said == wanted)
        annotation.judge(user, Submission(UUID(pair["shown"]), collection, pair["pair"], place)).result()
    assert annotation.derived(collection, rule()).preferences == ()
    page = open_page(f"/?collection={collection}")
    part(page, "Quality")
    expect(page.locator("#disagreement")).to_contain_text("Disagreement 1 of 1")
    expect(page.locator("#disagreement")).to_contain_text("Ada")
    page.locator("#decide-first").click()
    expect(page.locator("#quality-message")).to_contain_text("Your judgement is stored")
    assert len(annotation.derived(collection, rule()).preferences) == 1

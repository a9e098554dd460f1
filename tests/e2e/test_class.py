"""A class in the browser: the owner's page, a guest's phone, the projector, and twenty guests at once."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from tests.e2e.conftest import SLOW, RunningLab, serious_findings
from tests.e2e.judging import judge

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASSWORD = "chalk and board"
ENVIRONMENT = {"LAB_OPEN": "class", "LAB_HOST": "0.0.0.0", "LAB_PASSWORD": PASSWORD, "LAB_SPARE_WORKER": "1"}
WALLS = ("join", "votes", "board", "agreement", "curves", "group", "tables")


def a_context(browser: Browser, lab: RunningLab, name: str = "", **more: Any) -> BrowserContext:
    """One person's browser, signed in: a guest by a name, else the owner."""
    context = browser.new_context(**{"locale": "en-US", **more})
    context.set_default_timeout(SLOW)
    if name:
        answer = context.request.post(f"{lab.url}/sign-in/guest", form={"name": name})
    else:
        answer = context.request.post(f"{lab.url}/sign-in", form={"name": "", "password": PASSWORD})
    assert answer.ok
    return context


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    page, problems = context.new_page(), list[str]()
    page.on("pageerror", lambda error: problems.append(str(error)))
    return page, problems


def sums(annotation: Annotation, name: str, count: int = 4) -> str:
    rows = [{"prompt": f"{n} + 1 = ?", "first": f"It is {n + 1}.", "second": f"It is {n}."} for n in range(count)]
    settings = CollectionSettings(everyone=True, gold_rate=0)
    return annotation.import_rows(rows, name=name, settings=settings).collection.id


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("locale", "theme", "width"), [("en-US", "light", 1440), ("zh-CN", "dark", 1024), ("zh-CN", "light", 390)]
)
def test_the_owners_page_and_a_guests(
    browser: Browser, lab: RunningLab, annotation: Annotation, locale: str, theme: Any, width: int
) -> None:
    sums(annotation, f"pairs {locale} {width}")
    look = {"locale": locale, "color_scheme": theme, "viewport": {"width": width, "height": 900}}
    context = a_context(browser, lab, "Ana", **look, has_touch=True)
    guest, problems = watched(context)
    guest.goto(f"{lab.url}/?tab=class")
    vote = guest.get_by_test_id("class-vote")
    vote.get_by_role("checkbox").first.check()
    vote.get_by_role("button").click()
    expect(vote.get_by_role("status")).not_to_be_empty()
    assert guest.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_findings(guest, "#classroom") == []
    owner_context = a_context(browser, lab, **look)
    owner, owner_problems = watched(owner_context)
    owner.goto(f"{lab.url}/?tab=class")
    expect(owner.get_by_test_id("class-person").filter(has_text="Ana").first).to_be_visible()
    assert owner.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_findings(owner, "#classroom") == []
    pause = owner.locator(".controls button[aria-pressed]")
    pause.click()
    expect(guest.locator(".held")).to_be_visible()
    pause.click()
    expect(guest.locator(".held")).to_have_count(0)
    assert problems + owner_problems == []
    context.close()
    owner_context.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_projector_is_one_screen_without_controls(browser: Browser, lab: RunningLab, locale: str) -> None:
    context = a_context(browser, lab, locale=locale, viewport={"width": 1024, "height": 768})
    page, problems = watched(context)
    for show in WALLS:
        page.goto(f"{lab.url}/?view=wall&show={show}")
        expect(page.locator(f"#wall[data-show={show}]")).to_be_visible()
        assert page.evaluate("document.querySelector('#wall').scrollHeight") <= 768
        assert page.locator("button, a, input, select").count() == 0
        assert serious_findings(page, "#wall") == []
    assert problems == []
    context.close()


@pytest.mark.timeout(400)
def test_an_english_browser_can_be_chinese_on_every_page(browser: Browser, lab: RunningLab) -> None:
    context = a_context(browser, lab, "Bo")
    page, _ = watched(context)
    page.goto(f"{lab.url}/?tab=rules")
    expect(page.get_by_role("tab", name="Rules")).to_have_attribute("aria-selected", "true")
    page.locator(".lab-language a[hreflang=zh]").click()
    expect(page.get_by_role("tab", name="规则")).to_have_attribute("aria-selected", "true")
    page.reload()
    expect(page.get_by_role("tab", name="规则")).to_be_visible()
    page.goto(f"{lab.url}/judge")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    context.close()


@pytest.mark.train
@pytest.mark.timeout(1800)
def test_twenty_guests_and_four_phones(browser: Browser, lab: RunningLab, annotation: Annotation) -> None:
    """Join, judge, submit a rule set, train within the quota, while the owner watches: nobody starves."""
    collection = sums(annotation, "the class's", 6)
    owner = httpx.Client(base_url=lab.url, timeout=120)
    owner.post("/sign-in", data={"name": "", "password": PASSWORD})
    owner.post("/api/class/reset", json={})
    owner.post("/api/class/change", json={"steps": 2, "collection": collection}).raise_for_status()
    context = a_context(browser, lab, viewport={"width": 1440, "height": 900})
    watching, _ = watched(context)
    watching.goto(f"{lab.url}/?tab=class")
    guests = [joined(lab, f"guest {number}", collection) for number in range(20)]
    phones = [
        a_context(browser, lab, f"phone {n}", viewport={"width": 390, "height": 844}, has_touch=True) for n in range(4)
    ]
    for phone in phones:
        on_a_phone(phone, lab, collection)
    expect(watching.get_by_test_id("class-person")).to_have_count(24)
    for guest in guests:
        answer = guest.post("/api/class/runs", json={"preset": "tiny/sft"})
        assert answer.status_code == 200, answer.text
        assert guest.post("/api/class/runs", json={"preset": "tiny/sft"}).status_code == 409  # one at a time
    assert spread_until_done(owner, 24) <= 1
    view = owner.get("/api/class").json()
    assert {person["judged"] for person in view["people"]} == {6}
    assert len(view["board"]) == 24 and len({entry["person"] for entry in view["board"]}) == 24
    for guest in guests:
        assert [run["state"] for run in guest.get("/api/class/me").json()["runs"]] == ["finished"]
    link = watching.get_by_test_id("class-compare")
    expect(link).to_have_text("Compare the newest 8 of 24 finished")
    link.click()
    expect(watching.locator("#compare-curves")).to_be_visible()
    expect(watching.locator("#compare-runs .token")).to_have_count(8)
    for phone in phones:
        phone.close()
    context.close()


def joined(lab: RunningLab, name: str, collection: str) -> httpx.Client:
    """A guest who has judged every pair and submitted a rule set."""
    client = httpx.Client(base_url=lab.url, timeout=120)
    assert client.post("/sign-in/guest", data={"name": name}).status_code == 303
    while pairs := client.get(f"/api/annotate/collections/{collection}/pairs?count=6").json()["pairs"]:
        for pair in pairs:
            sent = {"id": pair["shown"], "pair": pair["pair"], "collection": collection, "choice": "a"}
            assert client.post("/api/annotate/judgements", json=sent).json()["saved"]
    rules = {"title": "right", "rules": [{"name": "equals_answer"}]}
    assert client.post("/api/class/rules", json=rules).status_code == 200
    return client


def on_a_phone(phone: BrowserContext, lab: RunningLab, collection: str) -> None:
    """The same with fingers: judge on the judging page, then the tab Class."""
    page, problems = watched(phone)
    page.goto(f"{lab.url}/judge/{collection}")
    annotator = page.get_by_test_id("annotator")
    for _ in range(6):
        judge(page, "1")
    expect(annotator).to_have_attribute("data-state", "saved")
    page.goto(f"{lab.url}/?tab=class")
    rules = page.get_by_test_id("class-rules")
    rules.get_by_role("textbox").fill("by phone")
    rules.get_by_role("button", name="Submit").tap()
    expect(page.get_by_test_id("board-line").filter(has_text="by phone").first).to_be_visible()
    page.get_by_test_id("class-training").get_by_role("button", name="Start").tap()
    expect(page.get_by_test_id("class-run")).to_be_visible()
    assert problems == []


def spread_until_done(owner: httpx.Client, runs: int) -> int:
    """The most that one guest has started beyond another who still waits, until so many runs are done."""
    spread, deadline = 0, time.monotonic() + 1500
    while time.monotonic() < deadline:
        queue = owner.get("/api/class").json()["queue"]
        started = Counter(run["name_of_person"] for run in queue["running"])
        assert len(queue["running"]) <= 2
        if queue["waiting"]:
            spread = max(spread, max(started.values(), default=0))
        if queue["done"] >= runs:
            return spread
        time.sleep(1)
    raise AssertionError(f"only {queue['done']} of {runs} runs were done")


def test_the_class_page_opens_quality_for_its_collection(
    browser: Browser, lab: RunningLab, annotation: Annotation
) -> None:
    collection = sums(annotation, "looked at from the class")
    sums(annotation, "a newer one")
    owner = httpx.Client(base_url=lab.url, timeout=120)
    owner.post("/sign-in", data={"name": "", "password": PASSWORD})
    owner.post("/api/class/change", json={"collection": collection}).raise_for_status()
    context = a_context(browser, lab)
    page, problems = watched(context)
    page.goto(f"{lab.url}/?tab=class")
    page.get_by_test_id("class-quality").click()
    expect(page.get_by_role("tab", name="Quality")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#quality-collection input")).to_have_value("looked at from the class")
    assert problems == []
    context.close()


def test_a_guest_submits_from_the_bench(browser: Browser, lab: RunningLab) -> None:
    context = a_context(browser, lab, "Bea")
    page, problems = watched(context)
    page.goto(f"{lab.url}/?tab=rules")
    page.get_by_test_id("set-name").fill("from the bench")
    page.get_by_test_id("bench-submit").click()
    expect(page.locator(".set-told")).to_contain_text("is on the leaderboard")
    page.goto(f"{lab.url}/?tab=class")
    expect(page.get_by_test_id("board-line").filter(has_text="from the bench")).to_be_visible()
    assert problems == []
    context.close()


def test_quality_follows_the_judgements_by_itself(browser: Browser, lab: RunningLab, annotation: Annotation) -> None:
    collection = sums(annotation, "followed")
    context = a_context(browser, lab)
    page, _ = watched(context)
    page.goto(f"{lab.url}/?tab=annotate")
    page.get_by_role("tab", name="Quality").click()
    expect(page.locator("#quality")).not_to_be_empty()
    joined(lab, "Late", collection)
    expect(page.locator("#quality")).to_contain_text(re.compile("Late"))
    context.close()

"""A lab that others reach, in the browser: a guest, a user, the owner by the link; what each is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.core.access import Access
from lab.store.users import Users
from tests.e2e.conftest import SLOW, RunningLab, serious_findings

pytestmark = pytest.mark.browser
ENVIRONMENT = {"LAB_OPEN": "annotate", "LAB_HOST": "0.0.0.0"}
PASSWORD = "battery staple"


@contextmanager
def a_browser(browser: Browser, locale: str = "en-US", **more: object) -> Iterator[Page]:
    """One person's browser, with cookies of its own."""
    context = browser.new_context(locale=locale, **more)  # type: ignore[arg-type]
    context.set_default_timeout(SLOW)
    expect.set_options(timeout=60_000)  # less than pytest's own limit, so that it says what was missing
    yield context.new_page()
    context.close()


def test_a_guest_may_look_and_is_told_why_not_more(browser: Browser, lab: RunningLab) -> None:
    with a_browser(browser, viewport={"width": 390, "height": 844}) as page:
        page.goto(lab.url)
        expect(page).to_have_url(re.compile("/sign-in$"))
        assert serious_findings(page, "main") == []
        page.get_by_label("Your name").fill("owner")
        page.get_by_role("button", name="Come in").click()
        expect(page.get_by_role("alert").first).to_contain_text("“owner”")
        page.get_by_label("Your name").fill("Ana")
        page.get_by_role("button", name="Come in").click()
        expect(page.get_by_test_id("who")).to_contain_text("Ana")
        page.get_by_role("tab", name="Train").click()
        expect(page.locator("#plan p")).to_be_visible()
        expect(page.locator("#start")).to_be_hidden()
        expect(page.locator("#start-bar")).to_contain_text("Only the owner")
        assert serious_findings(page, "#head") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.on("dialog", lambda dialog: dialog.accept())  # it says that a guest comes back as somebody new
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(re.compile("/sign-in$"))


def test_the_link_makes_the_owner_once(browser: Browser, lab: RunningLab) -> None:
    link = re.search(r"/sign-in/\S+", lab.log.read_text())
    assert link
    with a_browser(browser, locale="zh-CN") as page:
        page.goto(lab.url + link[0])
        expect(page.get_by_test_id("who")).to_have_text("拥有者")
        page.get_by_role("tab", name="训练").click()
        expect(page.locator("#start")).to_be_visible()
        expect(page.locator("#start-bar .owner-why").first).to_be_hidden()
    with a_browser(browser) as page:
        page.goto(lab.url + link[0])
        expect(page.get_by_role("alert").last).to_contain_text("has been used")


def test_a_user_who_is_added_and_removed_while_the_lab_runs(browser: Browser, lab: RunningLab) -> None:
    users = Users(lab.home)
    users.add("王小明", Access.VIEWER, PASSWORD)
    with a_browser(browser, locale="zh-CN") as page:
        page.goto(lab.url)
        page.get_by_text("我有密码").click()
        page.get_by_label("名字", exact=True).fill("王小明")
        page.get_by_label("密码", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="登录").click()
        expect(page.get_by_test_id("who")).to_have_text("王小明可查看")
        users.change("王小明", access=Access.OWNER)
        page.reload()
        page.get_by_role("tab", name="训练").click()
        expect(page.locator("#start")).to_be_visible()
        users.remove("王小明")
        page.reload()
        expect(page).to_have_url(re.compile("/sign-in$"))

"""A Space in the Hub's frame, in a real browser: the frame signs in by a window, and keeps its session; and the window of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import RunningLab, running_lab
from tests.openid import CLIENT, SECRET, Provider, providing

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as served:
        served.claims["preferred_username"] = "lab-org"
        yield served


@pytest.fixture(scope="module")
def space(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    settings = {
        "SPACE_ID": "lab-org/space", "SPACE_HOST": "localhost", "OAUTH_CLIENT_ID": CLIENT, "OAUTH_CLIENT_SECRET": SECRET,
        "OPENID_PROVIDER_URL": provider.url,
    }  # fmt: skip
    folder: Path = tmp_path_factory.mktemp("space")
    with running_lab(folder, **settings) as lab:
        provider.space = lab.url.replace("127.0.0.1", "localhost") + "/"
        yield lab


def agree(page: Page) -> None:
    page.get_by_role("button", name="Authorize").click()


def test_in_the_hub_s_frame(browser: Browser, provider: Provider, space: RunningLab) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(f"{provider.url}/spaces")  # 127.0.0.1 frames localhost: two sites
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="Sign in with Hugging Face").click()
    number = frame.get_by_test_id("hub-number").inner_text()
    with context.expect_page() as opened:
        frame.get_by_role("link", name="Open the window").click()
    window = opened.value
    agree(window)
    expect(window.get_by_test_id("hub-number")).to_have_text(number)
    window.get_by_role("button", name="Yes").click()
    expect(window.get_by_text("You can close this window")).to_be_visible()
    expect(frame.get_by_test_id("who")).to_contain_text("lab-org")
    cookie = next(each for each in context.cookies() if each["name"] == "lab_session")
    assert cookie["secure"] and cookie["sameSite"] == "None" and cookie["httpOnly"]
    context.close()


def test_in_a_window_of_its_own(browser: Browser, provider: Provider, space: RunningLab) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(provider.space)
    page.get_by_role("link", name="用 Hugging Face 账号登录").click()
    agree(page)
    expect(page.get_by_test_id("who")).to_contain_text("lab-org")
    context.close()

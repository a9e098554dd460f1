"""The reader's language: an address chooses it, a cookie keeps it, and it counts before what the browser asks for."""

from __future__ import annotations

import pytest

from lab.core.access import Access
from tests.server.conftest import Lab


@pytest.mark.parametrize(("asked", "browser", "heading"), [("zh", "en", "密码"), ("en", "zh-CN", "Password")])
def test_what_was_chosen_is_kept_and_counts_before_the_browser(
    shared_lab: Lab, asked: str, browser: str, heading: str
) -> None:
    client = shared_lab.client(**{"accept-language": browser})
    assert heading not in client.get("/sign-in").text
    chosen = client.get(f"/sign-in?lang={asked}")
    assert heading in chosen.text
    assert f"lab_language={asked}" in chosen.headers["set-cookie"] and "SameSite=Lax" in chosen.headers["set-cookie"]
    assert heading in client.get("/sign-in").text


def test_nonsense_chooses_nothing(shared_lab: Lab) -> None:
    client = shared_lab.client(cookie="lab_language=xx; x", **{"accept-language": "zh"})
    answer = client.get("/sign-in?lang=<script>")
    assert "set-cookie" not in answer.headers and "密码" in answer.text


def test_the_judging_page_follows_the_cookie(shared_lab: Lab) -> None:
    client = shared_lab.client(Access.OWNER)
    client.cookies.set("lab_language", "zh")
    assert '<html lang="zh-CN">' in client.get("/judge").text

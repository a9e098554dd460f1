"""The page that is handed out, opened from disk: both languages and themes, three widths, no network, no console message, axe clean."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from lab.compare.phrases import in_both
from lab.compare.report import Source, report_html
from lab.compare.runs import compared
from lab.store.runs import Store
from tests.compare.made_runs import course
from tests.e2e.conftest import SLOW, serious_findings

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("course"))
    runs = [run for of_entry in course(store).values() for run in of_entry]
    completion = {
        "text": "x = 5",
        "tokens": 3,
        "reward": 2.5,
        "advantage": 0.5,
        "kept": True,
        "scores": {"equals_answer": 1.0},
    }
    line = {
        "version": 1,
        "step": 40,
        "group": 0,
        "prompt": "解方程 3x + 5 = 20",
        "answer": "5",
        "mean": 1.0,
        "std": 0.5,
    }
    store.folder(runs[-1].id).append("groups", {**line, "completions": [completion] * 8})
    path = tmp_path_factory.mktemp("out") / "course.html"
    path.write_text(
        report_html(compared(store, [r.id for r in runs]), Source(store, in_both("The course", "课程"))), "utf-8"
    )
    store.close()
    return path


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_it_opens_from_disk_alone(browser: Browser, written: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    context.set_default_timeout(SLOW)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(written.as_uri())
    for language, claim in (("en", "as the course says"), ("zh", "与课程所说一致")):
        page.locator(f"#language-{language}").check(force=True)
        expect(page.locator("td", has_text=claim).first).to_be_visible()
        for theme in ("light", "dark"):
            page.locator(f"#theme-{theme}").check(force=True)
            assert serious_findings(page, "body") == []
    page.locator("#axis-kl").check(force=True)
    expect(page.locator(".drawing.axis-kl")).to_be_visible()
    expect(page.locator(".drawing.axis-seconds")).to_be_hidden()
    page.locator("details.run summary").first.click()
    expect(page.get_by_text("解方程 3x + 5 = 20")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert asked == [written.as_uri()] and said == []
    context.close()

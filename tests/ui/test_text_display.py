"""Texts as displayed: Markdown, tables and formulas where somebody wants them, and nothing in them that acts or loads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import serious_findings

pytestmark = pytest.mark.browser
Judge = Callable[..., Page]

TABLE = "| | tea | jam |\n|---|---:|---|\n| warm | **yes** | $x^2$ |"
HOSTILE = """
<script>window.hit = 1</script> <img src="/stolen.png" onerror="window.hit = 2"> <svg onload="window.hit = 3"></svg>
<base href="http://other.example/"> <form action="http://other.example/"><input name="a"><button>go</button></form>
<link rel="stylesheet" href="http://other.example/a.css"> <style>@import "http://other.example/b.css";</style>
<iframe srcdoc="<script>top.hit = 4</script>"></iframe> <math><mtext><style><img src=x onerror="window.hit = 5"></style></mtext></math>

[click](javascript:window.hit=6) ![picture](http://other.example/c.png) <http://other.example/d> [ref] ![data](data:image/svg+xml,<svg/onload=hit=7>)

[ref]: http://other.example/e

$\\href{javascript:window.hit=8}{x}$ $\\includegraphics{http://other.example/f.png}$ $\\text{<img src=x onerror="window.hit = 9">}$
$\\style{background:url(http://other.example/g)}{x}$ $\\class{card}{x}$ $\\rule{9999em}{9999em}$

```x" onclick="window.hit=10
code
```
"""
LOADS = "img, script, a, base, form, input, link, style, iframe, object, embed, svg, video, audio, [src], [href], [onerror], [onclick], [style*=url]"


def displayed(page: Page, side: str = "a") -> None:
    page.get_by_test_id("displayed").click()
    page.get_by_test_id(f"response-{side}").locator(".displayed").wait_for()


def pair_of(text: str, **more: str) -> list[dict[str, str]]:
    return [{"prompt": "Compare $a$ and **b**.", "first": text, "second": text + "\n\nSo it is.", **more}]


def test_texts_are_plain_until_somebody_wants_them_displayed_and_plain_again(judge: Judge) -> None:
    page = judge(pair_of(TABLE))
    answer = page.get_by_test_id("response-a")
    expect(answer).to_contain_text("**yes** | $x^2$")
    assert (
        page.evaluate("performance.getEntriesByType('resource').some(({ name }) => name.includes('/vendor/'))") is False
    )
    displayed(page)
    assert answer.locator("th").all_inner_texts() == ["", "tea", "jam"]
    expect(answer.locator("td strong")).to_have_text("yes")
    expect(answer.locator("td math msup")).to_have_count(1)
    assert answer.locator("td").nth(1).evaluate("(cell) => getComputedStyle(cell).textAlign") == "right"
    expect(page.get_by_test_id("prompt-text").locator("math mi")).to_have_text("a")
    page.reload()
    answer.locator("table").wait_for()  # kept in this browser
    page.keyboard.press("m")
    expect(answer).to_contain_text("**yes** | $x^2$")
    expect(answer.locator("table")).to_have_count(0)


def test_nothing_in_a_text_acts_or_loads(judge: Judge) -> None:
    asked: list[str] = []
    page = judge(pair_of(HOSTILE))
    page.on("request", lambda request: asked.append(request.url))
    displayed(page)
    for side in "ab":
        answer = page.get_by_test_id(f"response-{side}")
        answer.locator(".displayed").wait_for()
        assert answer.locator(LOADS).count() == 0
        for written in (
            "<script>",
            "<img src",
            "<form",
            "[click](javascript:",
            "![picture](http",
            "<http://",
            "[ref]: http",
        ):
            expect(answer).to_contain_text(written)  # what is not displayed is shown as it was written
        attributes = "(node) => [...node.querySelectorAll('*')].flatMap((one) => one.getAttributeNames())"
        assert not [name for name in answer.evaluate(attributes) if name.startswith("on") or name == "id"]
    page.get_by_test_id("response-a").click()
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.baseURI").startswith("http://127.0.0.1")
    assert [url for url in asked if "/vendor/" not in url] == []


def test_formulas_of_every_kind(judge: Judge) -> None:
    text = (
        "It costs $5 and $6, and \\$7.\n\n\\[\nx = 1\n+ 2\n\\]\n\n"
        "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}\n\nInline \\(y_1\\), $$z^2$$ and $\\frac{1$ broken, `$code$`."
    )
    page = judge(pair_of(text))
    displayed(page)
    answer = page.get_by_test_id("response-a")
    expect(answer.locator("math")).to_have_count(4)
    expect(answer.locator("math[display=block]")).to_have_count(3)
    expect(answer.locator("mtr")).to_have_count(2)
    expect(answer).to_contain_text("It costs $5 and $6, and $7.")
    assert answer.locator("code").all_inner_texts() == ["$\\frac{1$", "$code$"]
    assert answer.locator("ul").count() == 0
    cells = answer.locator("mtd").evaluate_all("(cells) => cells.map((cell) => getComputedStyle(cell).paddingLeft)")
    assert "0px" in cells, "the columns of an alignment touch"


def test_marks_are_set_in_the_text_as_written_and_it_is_said(judge: Judge) -> None:
    page = judge([{"prompt": "p", "first": "It is **84** then.", "second": "It is **85** then."}])
    displayed(page)
    page.keyboard.press("d")
    expect(page.get_by_test_id("response-a").locator("p")).to_have_text(page.get_by_test_id("response-a").inner_text())
    expect(page.locator("[data-testid^=response-] mark")).to_have_count(2)
    expect(page.locator(".hint")).to_have_text("Differences are marked in the texts as they are written.")


def test_a_displayed_paragraph_has_its_own_direction(judge: Judge) -> None:
    page = judge(pair_of("English.\n\n- התשובה היא 84.\n\nהתשובה"))
    displayed(page)
    read = "(all) => all.map((one) => [one.tagName, getComputedStyle(one).direction])"
    assert page.get_by_test_id("response-a").locator("p, li").evaluate_all(read)[:3] == [
        ["P", "ltr"], ["LI", "rtl"], ["P", "rtl"],
    ]  # fmt: skip


def test_where_the_libraries_do_not_come_the_texts_stay_and_it_is_said(judge: Judge) -> None:
    page = judge(pair_of("**84**"), cut=True)
    page.route("**/vendor/**", lambda route: route.abort())
    page.get_by_test_id("displayed").click()
    expect(page.locator(".hint")).to_contain_text("could not be loaded")
    expect(page.get_by_test_id("response-a")).to_contain_text("**84**")
    expect(page.get_by_test_id("displayed")).to_have_attribute("aria-pressed", "false")


def test_a_displayed_text_has_no_serious_finding_of_axe(judge: Judge) -> None:
    page = judge(
        pair_of(TABLE + "\n\n# Head\n\n`code` and\n\n```\nblock\n```\n\n$$x = \\frac{1}{2}$$"), color_scheme="dark"
    )
    displayed(page)
    assert serious_findings(page, "[data-testid=annotator]") == []

"""One person in two tabs, and one who comes back after a break: no pair again that was judged, none that is with others by now."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select, update

from lab.annotation.collections import Annotation
from lab.annotation.judgements import Submission
from lab.annotation.tables import judgements_table, showings_table
from lab.core.access import Access, User
from lab.core.preferences import Choice, Place
from tests.e2e.conftest import SLOW, RunningLab, wait_until
from tests.e2e.judging import ROUTES, judge, short_rows, typed

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ENVIRONMENT = {"LAB_OPEN": "annotate"}
BEN = User("Ben", Access.ANNOTATOR, id="u-ben")
LATER = """() => {
  const { now } = Date;
  Date.now = () => now() + 11 * 60 * 1000;
}"""


@pytest.fixture
def tab(browser: Browser, lab: RunningLab) -> Iterator[Callable[[str], Page]]:
    """Opens one more tab of one guest's browser, before its first pair; no script may have failed in any."""
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(SLOW)
    complaints: list[str] = []

    def another(path: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(lab.url + path)
        if page.locator("#guest").count():
            page.locator("#guest").fill("Mei 梅")
            page.locator("#guest").press("Enter")
        page.get_by_test_id("choose-a").wait_for()
        return page

    yield another
    context.close()
    assert complaints == []


def pair_of(page: Page) -> str:
    return str(page.get_by_test_id("annotator").get_attribute("data-pair"))


def person_of(page: Page) -> User:
    me = page.request.get(page.url.split("/judge")[0] + "/api/me").json()
    return User(me["name"], Access.ANNOTATOR, id=me["id"], guest=True)


def taken_back(annotation: Annotation, collection: str, person: User) -> None:
    """The only judgement of a collection, as from another browser."""
    with annotation.store.reading() as connection:
        found = select(judgements_table.c.id).where(judgements_table.c.collection == collection)
        judgement = connection.execute(found).scalar_one()
    annotation.undo(person, uuid4(), UUID(judgement)).result()


def judged_pairs(annotation: Annotation, collection: str) -> list[str]:
    """The pair of each event, the oldest first."""
    with annotation.store.reading() as connection:
        table = judgements_table.c
        found = select(table.pair).where(table.collection == collection).order_by(table.number)
        return list(connection.execute(found).scalars())


def run_out(annotation: Annotation, collection: str) -> None:
    """All claims do."""
    past = update(showings_table).where(showings_table.c.collection == collection).values(expires=time.time() - 1)
    annotation.store.writing(lambda connection: connection.execute(past))


def ben_judges(annotation: Annotation, collection: str, count: int) -> list[str]:
    pairs = annotation.hand_out(BEN, collection, count).result()["pairs"]
    for pair in pairs:
        said = Submission(UUID(pair["shown"]), collection, pair["pair"], Place.LEFT)
        annotation.judge(BEN, said).result()
    return [pair["pair"] for pair in pairs]


def test_what_is_judged_in_one_tab_is_not_shown_in_the_other(tab, annotation):
    collection = typed(annotation, "two tabs", short_rows(8))
    here, there = tab(f"/judge/{collection}"), tab(f"/judge/{collection}")
    assert pair_of(here) == pair_of(there)
    first = judge(here, "1")
    expect(there.get_by_test_id("annotator")).not_to_have_attribute("data-pair", first)
    expect(there.get_by_text("was judged in another tab")).to_be_visible()
    there.wait_for_timeout(400)  # a key that was meant for the pair before does nothing
    for number in range(7):
        page = (there, here)[number % 2]
        expect(page.get_by_test_id("annotator")).to_have_attribute("data-pair", re.compile("."))
        page.keyboard.press("1")
        wait_until(page, lambda stored=number + 2: len(judged_pairs(annotation, collection)) == stored)
        here.wait_for_timeout(400)
    pairs = judged_pairs(annotation, collection)
    assert len(set(pairs)) == len(pairs) == 8
    for page in (here, there):
        expect(page.get_by_text("All done. Thank you!")).to_be_visible()


def test_what_another_browser_of_theirs_judged_is_gone_on_return(tab, annotation):
    """No word of it reaches this tab but the lab's own answer."""
    collection = typed(annotation, "two browsers", short_rows(8))
    page = tab(f"/judge/{collection}")
    shown = pair_of(page)
    person = person_of(page)
    pairs = annotation.hand_out(person, collection, 2).result()["pairs"]
    assert pairs[0]["pair"] == shown
    for pair in pairs:
        said = Submission(UUID(pair["shown"]), collection, pair["pair"], Choice.TIE)
        annotation.judge(person, said).result()
    page.wait_for_timeout(3100)
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.get_by_test_id("annotator")).not_to_have_attribute("data-pair", shown)
    assert pair_of(page) not in {pair["pair"] for pair in pairs}


def test_on_return_after_a_break_what_went_to_others_is_gone(tab, annotation):
    collection = typed(annotation, "a break", short_rows(8))
    page = tab(f"/judge/{collection}")
    shown = pair_of(page)
    run_out(annotation, collection)
    others = ben_judges(annotation, collection, 2)
    assert shown in others
    page.wait_for_timeout(3100)
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.get_by_test_id("annotator")).not_to_have_attribute("data-pair", shown)
    page.wait_for_timeout(400)  # a key that was meant for the pair before does nothing
    for _ in range(6):
        judge(page, "1")
    expect(page.get_by_text("All done. Thank you!")).to_be_visible()
    wait_until(page, lambda: len(judged_pairs(annotation, collection)) == 8)
    assert len(set(judged_pairs(annotation, collection))) == 8


def test_a_key_after_the_claims_life_asks_first(tab, annotation):
    """Whoever stayed before the page without a move judges nothing that is with others."""
    collection = typed(annotation, "asks first", short_rows(8))
    page = tab(f"/judge/{collection}")
    shown = pair_of(page)
    run_out(annotation, collection)
    assert shown in ben_judges(annotation, collection, 1)
    page.evaluate(LATER)
    page.keyboard.press("1")
    expect(page.get_by_test_id("annotator")).not_to_have_attribute("data-pair", shown)
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    assert judged_pairs(annotation, collection) == [shown]
    page.wait_for_timeout(400)
    judge(page, "1")
    wait_until(page, lambda: len(judged_pairs(annotation, collection)) == 2)


def test_what_somebody_has_begun_to_type_on_is_theirs_to_finish(tab, annotation):
    collection = typed(annotation, "begun", short_rows(8))
    page = tab(f"/judge/{collection}")
    shown = pair_of(page)
    page.keyboard.press("e")
    page.keyboard.press("1")
    page.get_by_test_id("edit-text").fill("My own, half")
    run_out(annotation, collection)
    assert shown in ben_judges(annotation, collection, 2)
    page.evaluate(LATER)
    with page.expect_response("**/pairs?*"):
        page.mouse.move(300, 300)
        page.mouse.move(310, 310)
    page.wait_for_timeout(300)
    page.get_by_test_id("edit-text").press_sequentially(" done")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("annotator")).not_to_have_attribute("data-pair", shown)
    wait_until(page, lambda: judged_pairs(annotation, collection).count(shown) == 2)


def test_without_the_lab_a_key_after_the_claims_life_judges(tab, annotation):
    collection = typed(annotation, "in good faith", short_rows(8))
    page = tab(f"/judge/{collection}")
    page.context.route(ROUTES, lambda route: route.abort())
    page.evaluate(LATER)
    pair = judge(page, "1")
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-state", "saved")
    assert judged_pairs(annotation, collection) == [pair]


def test_a_refused_undo_takes_its_pair_off_the_page_and_loses_nothing(tab, annotation):
    """The judgement was taken back elsewhere meanwhile: the pair comes again, under the showing that the lab knows."""
    collection = typed(annotation, "refused undo", short_rows(2))
    page = tab(f"/judge/{collection}")
    annotator = page.get_by_test_id("annotator")
    first = judge(page, "1")
    expect(annotator).to_have_attribute("data-state", "saved")
    taken_back(annotation, collection, person_of(page))
    page.keyboard.press("u")
    expect(annotator.get_by_role("alert")).to_contain_text("refused 1")
    page.wait_for_timeout(400)
    judge(page, "1")
    expect(annotator).to_have_attribute("data-pair", first)
    judge(page, "0")
    expect(annotator).to_have_attribute("data-state", "saved")
    expect(annotator.get_by_role("alert")).to_contain_text("refused 1")
    assert annotation.quality(collection).judgements == 2


def test_a_judgement_that_waited_for_a_refused_undo_is_told_with_it(tab, annotation):
    collection = typed(annotation, "waited", short_rows(3), reason=True)
    page = tab(f"/judge/{collection}")
    annotator = page.get_by_test_id("annotator")
    first = judge(page, "1")
    expect(annotator).to_have_attribute("data-state", "saved")
    page.context.route(ROUTES, lambda route: route.abort())
    page.keyboard.press("u")
    expect(annotator).to_have_attribute("data-pair", first)
    page.keyboard.press("r")
    page.keyboard.insert_text("on second thought")
    page.keyboard.press("Enter")
    judge(page, "2")
    taken_back(annotation, collection, person_of(page))
    page.context.unroute(ROUTES)
    page.get_by_text("Try now", exact=True).dispatch_event("click")
    alert = annotator.get_by_role("alert")
    expect(alert).to_contain_text("refused 2")
    expect(alert).to_contain_text("replaced or taken back")
    expect(annotator).to_have_attribute("data-state", "saved")
    page.wait_for_timeout(400)
    while pair_of(page) != first:
        judge(page, "1")
    expect(page.get_by_test_id("reason")).to_have_value("on second thought")

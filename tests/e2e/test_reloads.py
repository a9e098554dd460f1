"""Nothing that was judged or typed is lost: fifty times the network goes, somebody judges and types on, and the page is loaded again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import select

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.annotation.tables import judgements_table
from lab.core.preferences import Choice
from lab.store.runs import Store
from tests.e2e.conftest import SLOW, RunningLab

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
ENVIRONMENT = {"LAB_OPEN": "annotate"}
ROUTES = "**/api/annotate/**"
ROUNDS = 50
TYPED = '第 {} 次：1 and 2 are typed, "not" judged <b>'


@dataclass
class Said:
    """What somebody said of a pair, as the page showed it to them."""

    chosen: str | None
    """The text of the chosen response; None where it is a tie."""
    reason: str = ""
    edited: str | None = None


@dataclass
class Person:
    """Somebody who judges on the light page, and what they have said so far."""

    page: Page
    said: dict[str, Said] = field(default_factory=dict)

    @property
    def annotator(self) -> Locator:
        return self.page.get_by_test_id("annotator")

    @property
    def pair(self) -> str:
        return str(self.annotator.get_attribute("data-pair"))

    def judge(self, key: str) -> None:
        """Judge the pair on the screen with a key, and with what is typed on it."""
        pair, edit = self.pair, self.page.get_by_test_id("edit-text")
        reason = self.page.get_by_test_id("reason").input_value()
        if edit.count():
            side = "a" if self.page.locator(".card.editing.side-a").count() else "b"
            edited, key = edit.input_value(), "Control+Enter"
        else:
            side, edited = {"1": "a", "2": "b"}.get(key, ""), None
        chosen = self.page.get_by_test_id(f"response-{side}").text_content() if side else None
        self.page.keyboard.press(key)
        expect(self.annotator).not_to_have_attribute("data-pair", pair)
        self.said[pair] = Said(chosen, reason, edited)

    def type(self, round_: int) -> str:
        """Type on the pair on the screen, and do not send it: a reason, one's own version of a response, or nothing; what it was."""
        what = ("", "reason", "edit", "both")[round_ % 4]
        if what in ("reason", "both"):
            self.page.keyboard.press("r")
            self.page.keyboard.insert_text(TYPED.format(round_))
            self.page.keyboard.press("Enter")
        if what in ("edit", "both"):
            self.page.keyboard.press("e")
            self.page.keyboard.press("12"[round_ % 2])
            self.page.get_by_test_id("edit-text").fill(TYPED.format(round_) + "\nand a second line")
        return what

    def sees(self, what: str, round_: int) -> None:
        """What was typed in a round stands where it was typed."""
        reason = TYPED.format(round_) if what in ("reason", "both") else ""
        expect(self.page.get_by_test_id("reason")).to_have_value(reason)
        edit = self.page.get_by_test_id("edit-text")
        if what in ("edit", "both"):
            expect(edit).to_have_value(TYPED.format(round_) + "\nand a second line")
        else:
            expect(edit).to_have_count(0)


@pytest.fixture
def annotation(lab: RunningLab) -> Iterator[Annotation]:
    """The running lab's data, from beside it."""
    store = Store(lab.home, allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


@pytest.fixture
def person(browser: Browser, lab: RunningLab, annotation: Annotation) -> Iterator[Person]:
    """A guest before the first of many pairs; nothing may have failed on the way."""
    expect.set_options(timeout=SLOW)
    rows = [{"prompt": f"Question {n}", "first": f"Answer {n}.", "second": f"另一个 {n}！"} for n in range(2 * ROUNDS)]
    annotation.import_rows(rows, name="reloads", settings=CollectionSettings(gold_rate=0, reason=True))
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(SLOW)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())  # leaving with unsaved judgements warns
    page.goto(lab.url + "/judge")
    page.locator("#guest").fill("Mei 梅")
    page.locator("#guest").press("Enter")
    page.get_by_test_id("choose-a").wait_for()
    yield Person(page)
    page.close()
    assert complaints == []


def test_judged_and_typed_survive_a_cut_network_and_a_reload_fifty_times(
    person: Person, annotation: Annotation
) -> None:
    page, annotator = person.page, person.annotator
    saving = page.get_by_test_id("save-state")
    for round_ in range(ROUNDS):
        page.context.route(ROUTES, lambda route: route.abort())
        judged = 1 + round_ % 2
        for key in ("120"[round_ % 3], "21"[round_ % 2])[:judged]:
            person.judge(key)
        shown, what = person.pair, person.type(round_)
        expect(annotator).to_have_attribute("data-state", "unsaved")
        page.reload()
        expect(annotator).to_have_attribute("data-pair", shown)
        expect(saving).to_contain_text(f"{judged} not saved yet")
        person.sees(what, round_)
        page.context.unroute(ROUTES)
        page.get_by_text("Try now", exact=True).dispatch_event("click")  # it may have tried by itself just before
        expect(annotator).to_have_attribute("data-state", "saved")
        expect(annotator).to_have_attribute("data-pair", shown)
        person.sees(what, round_)
        expect(annotator.locator(".count")).to_contain_text(f"{len(person.said)} of {2 * ROUNDS}")
    assert len(person.said) == ROUNDS + ROUNDS // 2
    assert stored(annotation) == person.said
    assert annotator.get_by_role("alert").is_hidden()  # the lab refused none


def stored(annotation: Annotation) -> dict[str, Said]:
    """Every event that the store holds, by its pair; none of them twice."""
    (collection,) = annotation.collections()
    pairs = {pair.id: pair for pair in annotation.pairs(collection.id)}
    with annotation.store.reading() as connection:
        events = connection.execute(select(judgements_table)).all()
    assert len({event.pair for event in events}) == len(events) == annotation.quality(collection.id).judgements
    texts = {event.pair: pairs[event.pair].response for event in events}
    return {
        event.pair: Said(
            texts[event.pair](Choice(event.choice)).text if Choice(event.choice).is_response else None,
            event.reason,
            event.edited,
        )
        for event in events
    }

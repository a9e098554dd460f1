"""The outbox of judgements (``annotator/outbox.js``) in a real browser: what leaves, what waits, what is set aside, and that nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.ui.scripts import ORIGIN, load_scripts

pytestmark = pytest.mark.browser

OPEN = """() => {
    window.seen = [];
    window.outbox = new Outbox("ada", {
        changed: () => window.seen.push(["changed", outbox ? outbox.state : ""]),
        arrived: (entry, answer) => window.seen.push(["arrived", entry.body.id, answer]),
        refused: (entry) => window.seen.push(["refused", entry.body.id]),
        elsewhere: (entry) => window.seen.push(["elsewhere", entry.body.pair]),
    });
}"""
ADD = """([entries]) => { for (const [path, body, awaits] of entries) outbox.add(path, body, awaits || null); return outbox.drain(); }"""
JUDGE, UNDO = "api/annotate/judgements", "api/annotate/undo"


class Lab:
    """The other end: what was asked of it, and what it answers by id (status, JSON); 200 and nothing else unless told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.reachable = True

    def answer(self, route: Route) -> None:
        if not self.reachable:
            return route.abort()
        body = json.loads(route.request.post_data or "{}")
        self.asked.append((route.request.url.removeprefix(ORIGIN + "/"), body))
        status, content = self.answers.get(body["id"], (200, {}))
        return route.fulfill(status=status, json=content)

    def ids(self) -> list[str]:
        return [body["id"] for _, body in self.asked]


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def context(judging_browser: Browser, lab: Lab) -> Iterator[BrowserContext]:
    made = judging_browser.new_context()
    made.route(ORIGIN + "/api/**", lab.answer)
    yield made
    made.close()


@pytest.fixture
def visit(context: BrowserContext) -> Callable[[], Page]:
    """A tab with an outbox; another one is another visit of the same person's."""

    def opened() -> Page:
        page = context.new_page()
        load_scripts(page, "annotator", "drafts.js", "outbox.js")
        page.evaluate(OPEN)
        return page

    return opened


def judgement(name: str, pair: str = "p1", **more: Any) -> list[Any]:
    awaits = more.pop("awaits", None)
    return [JUDGE, {"id": name, "pair": pair, "collection": "c", "choice": "a", **more}, awaits]


def add(page: Page, *entries: list[Any]) -> None:
    page.evaluate(ADD, [list(entries)])


def kept(page: Page) -> list[str]:
    read = "Object.keys(localStorage).filter((name) => name.includes('outbox')).sort().map((name) => JSON.parse(localStorage[name]).body.id)"
    return page.evaluate(read)


def test_what_arrived_is_forgotten_in_order(visit: Callable[[], Page], lab: Lab) -> None:
    page = visit()
    lab.answers["j2"] = (200, {"progress": {"judged": 2}})
    add(page, judgement("j1"), judgement("j2", "p2"))
    assert lab.ids() == ["j1", "j2"] and [path for path, _ in lab.asked] == [JUDGE, JUDGE]
    assert kept(page) == [] and page.evaluate("outbox.state") == "saved"
    arrived = [told for told in page.evaluate("seen") if told[0] == "arrived"]
    assert arrived == [["arrived", "j1", {}], ["arrived", "j2", {"progress": {"judged": 2}}]]


def test_what_could_not_leave_is_kept_and_leaves_at_the_next_visit(visit: Callable[[], Page], lab: Lab) -> None:
    page = visit()
    lab.reachable = False
    add(page, judgement("j1"), judgement("j2", "p2"))
    assert page.evaluate("[outbox.state, outbox.problem.status, outbox.failures]") == ["unsaved", 0, 1]
    assert page.evaluate("outbox.pairs('c')") == ["p1", "p2"] and page.evaluate("outbox.pairs('other')") == []
    assert kept(page) == ["j1", "j2"]
    page.close()
    lab.reachable = True
    again = visit()
    assert again.evaluate("outbox.state") == "saving"
    again.evaluate("outbox.drain()")
    assert lab.ids() == ["j1", "j2"] and kept(again) == []


@pytest.mark.parametrize("status", [401, 403, 408, 425, 429, 500, 503])
def test_what_the_lab_may_yet_take_waits(visit: Callable[[], Page], lab: Lab, status: int) -> None:
    page = visit()
    page.clock.set_fixed_time(1_800_000_000_000)  # a busy machine may take longer than the pause to look at it
    lab.answers["j1"] = (status, {})
    add(page, judgement("j1"), judgement("j2", "p2"))
    assert lab.ids() == ["j1"], "they leave in order"
    assert page.evaluate("[outbox.state, outbox.aside.length]") == ["unsaved", 0] and kept(page) == ["j1", "j2"]
    assert page.evaluate("outbox.retryAt - Date.now() > 300 && outbox.retryAt - Date.now() <= 1200")
    lab.answers.clear()
    page.evaluate("outbox.retry()")
    assert lab.ids() == ["j1", "j1", "j2"] and page.evaluate("[outbox.state, outbox.failures]") == ["saved", 0]


def test_a_refusal_is_set_aside_with_what_stood_on_it_and_the_rest_goes_on(visit: Callable[[], Page], lab: Lab) -> None:
    page = visit()
    why = {"key": "judgement_stored", "params": {"pair": "p1"}}
    lab.answers["u1"] = (409, {"error": why})
    undo = [UNDO, {"id": "u1", "judgement": "j0"}, None]
    taken_back = [UNDO, {"id": "u2", "judgement": "j1"}, None]
    add(page, undo, judgement("j1", awaits="u1"), taken_back, judgement("j2", "p2"))
    assert lab.ids() == ["u1", "j2"]
    assert page.evaluate("outbox.aside.map(({ body, error }) => [body.id, error])") == [
        [n, why] for n in ("u1", "j1", "u2")
    ]
    assert [told[1] for told in page.evaluate("seen") if told[0] == "refused"] == ["u1", "j1", "u2"]
    again = visit()
    assert again.evaluate("outbox.aside.length") == 3, "it is told until it was read"
    again.evaluate("outbox.forgetAside()")
    assert visit().evaluate("outbox.aside.length") == 0


def test_an_undos_answer_names_the_showing_that_waits_for_it(visit: Callable[[], Page], lab: Lab) -> None:
    page = visit()
    lab.answers["u1"] = (200, {"pair": {"shown": "new"}})
    undo = [UNDO, {"id": "u1", "judgement": "j0"}, None]
    add(page, undo, judgement("made here", awaits="u1"), [UNDO, {"id": "u2", "judgement": "made here"}, None])
    assert lab.asked[1:] == [(JUDGE, {**judgement("new")[1]}), (UNDO, {"id": "u2", "judgement": "new"})]


def test_a_judgement_that_was_taken_back_counts_no_more(visit: Callable[[], Page], lab: Lab) -> None:
    page = visit()
    lab.reachable = False
    add(page, judgement("j1"), judgement("j2", "p2"), [UNDO, {"id": "u1", "judgement": "j2"}, None])
    assert page.evaluate("[outbox.judgements.map(({ body }) => body.id), outbox.pairs('c')]") == [["j1"], ["p1"]]


def test_another_tabs_judgements_are_known_until_they_have_left(visit: Callable[[], Page], lab: Lab) -> None:
    here, there = visit(), visit()
    lab.reachable = False
    add(there, judgement("j1", "p7"))
    here.wait_for_function("seen.some(([what, pair]) => what === 'elsewhere' && pair === 'p7')")
    assert here.evaluate("outbox.pairs('c')") == ["p7"] and here.evaluate("outbox.entries.length") == 0
    lab.reachable = True
    there.evaluate("outbox.retry()")
    here.wait_for_function("outbox.others.size === 0")


def test_an_entry_without_room_is_unkept_until_there_is_some(visit: Callable[[], Page], lab: Lab) -> None:
    page = visit()
    lab.answers["j1"] = (500, {})
    full = "() => { window.setItem = Storage.prototype.setItem; Storage.prototype.setItem = () => { throw new Error('full'); }; }"
    page.evaluate(full)
    add(page, judgement("j1"))
    assert page.evaluate("outbox.unkept") is True and kept(page) == []
    page.evaluate("() => { Storage.prototype.setItem = window.setItem; }")
    add(page, judgement("j2", "p2"))
    page.evaluate("outbox.keep(outbox.entries[0])")
    assert page.evaluate("outbox.unkept") is False and kept(page) == ["j1", "j2"]


def test_a_page_that_goes_hands_over_all_before_the_first_undo(visit: Callable[[], Page], lab: Lab) -> None:
    page = visit()
    lab.reachable = False
    add(page, judgement("j1"), judgement("j2", "p2"), [UNDO, {"id": "u1", "judgement": "j2"}, None], judgement("j3"))
    lab.reachable = True
    with page.expect_response(lambda answer: "j2" in (answer.request.post_data or "")):
        page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    assert sorted(lab.ids()) == ["j1", "j2"]
    assert kept(page) == ["j1", "j2", "u1", "j3"], "whether it arrived shows at the next visit"

"""The page that only judges: who gets it, what comes with it, and that nothing in a pair becomes markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.core.access import Access, User
from tests.server.conftest import PASSWORD, Lab, Make

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>&amp;\u2028"


@pytest.fixture
def open_lab(make_lab: Make) -> Lab:
    """With a password, and open to guests."""
    return make_lab(host="0.0.0.0", password=PASSWORD, guests=True)


def collection(lab: Lab, name: str = "pairs", count: int = 9, text: str = "") -> str:
    rows = [{"prompt": f"{n} {text}", "first": f"one {n} {text}", "second": f"two {n} {text}"} for n in range(count)]
    return Annotation(lab.store).import_rows(rows, name=name, settings=CollectionSettings(gold_rate=0)).collection.id


class Parts(HTMLParser):
    """Every element of a page, and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script" and self.scripts:
            self.scripts[-1] += data


def data_of(page: str) -> dict[str, Any]:
    parts = Parts(page)
    at = [attributes for tag, attributes in parts.elements if tag == "script"].index(
        {"type": "application/json", "id": "page-data"}
    )
    return json.loads(parts.scripts[at])


def test_the_first_pairs_come_with_the_page_and_are_the_readers(open_lab: Lab) -> None:
    made = collection(open_lab)
    client = open_lab.client(Access.ANNOTATOR)
    first = data_of(client.get("/judge").text)["first"]
    assert first["collection"] == made
    shown = {pair["pair"] for pair in first["pairs"]["pairs"]}
    assert len(shown) == 6
    assert first["pairs"]["progress"]["left"] == 9
    again = data_of(client.get("/judge").text)["first"]["pairs"]["pairs"]
    assert {pair["pair"] for pair in again} == shown  # a reload takes no more out of the others' way
    held = ",".join(shown)
    more = client.get(f"/api/annotate/collections/{made}/pairs?count=6&holding={held}").json()["pairs"]
    assert len(more) == 3 and shown.isdisjoint(pair["pair"] for pair in more)


def test_each_access_gets_what_it_may(open_lab: Lab) -> None:
    made = collection(open_lab)
    for path in ("/judge", f"/judge/{made}"):
        assert open_lab.client().get(path).status_code == 401
        assert open_lab.client(Access.VIEWER).get(path).status_code == 403
        for level in (Access.ANNOTATOR, Access.OWNER):
            answer = open_lab.client(level).get(path)
            assert answer.status_code == 200
            assert json.loads(data_of(answer.text)["props"]["value"])["owner"] == (level is Access.OWNER)


def test_a_prompt_of_markup_stays_text(open_lab: Lab) -> None:
    collection(open_lab, text=HOSTILE)
    page = open_lab.client(Access.OWNER).get("/judge").text
    assert HOSTILE not in page and "</script><script>alert" not in page and "<img" not in page
    pair = data_of(page)["first"]["pairs"]["pairs"][0]
    assert pair["prompt"].endswith(HOSTILE)
    parts = Parts(page)
    assert [attributes for tag, attributes in parts.elements if tag == "script" and not attributes.get("nonce")] == [
        {"type": "application/json", "id": "page-data"}
    ]
    assert page.count("</script>") == len(parts.scripts) == 3


def test_a_name_of_markup_stays_text(open_lab: Lab) -> None:
    from lab.ui.judge_page import JudgePage

    reader = User('<b onclick="x">&', Access.ANNOTATOR, id="g-1", guest=True)
    values = {"collection": '"><script>', "first": None}
    page = JudgePage()(reader, values, sign_in=True, language="en", nonce="n", root="./")
    assert "<b onclick" not in page and '"><script>' not in page
    assert "&lt;b onclick=&quot;x&quot;&gt;&amp;" in page
    assert json.loads(data_of(page)["props"]["value"])["who"] == reader.id


def test_nothing_runs_without_the_nonce_and_nothing_is_asked_elsewhere(open_lab: Lab) -> None:
    client = open_lab.client(Access.ANNOTATOR)
    seen = set()
    for _ in range(2):
        answer = client.get("/judge")
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        nonce = re.fullmatch(r"'nonce-([\w-]{20,})'", policy["script-src"])
        assert nonce and policy["style-src"] == policy["script-src"]
        assert policy["default-src"] == "'none'" and policy["connect-src"] == policy["base-uri"] == "'self'"
        parts = Parts(answer.text)
        nonces = [values.get("nonce") for tag, values in parts.elements if tag in ("script", "style")]
        assert [value for value in nonces if value] == [nonce[1]] * 3
        assert not [
            values for _, values in parts.elements if any(name == "style" or name.startswith("on") for name in values)
        ]
        assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)
        assert answer.headers["cache-control"] == "no-store"
        seen.add(nonce[1])
    assert len(seen) == 2
    assert "nonce" not in client.get("/api/me").headers["content-security-policy"]


def test_several_collections_are_the_pages_to_choose_from(open_lab: Lab) -> None:
    one, other = collection(open_lab, "one"), collection(open_lab, "other")
    client = open_lab.client(Access.ANNOTATOR)
    assert data_of(client.get("/judge").text)["first"] is None
    for made in (one, other):
        data = data_of(client.get(f"/judge/{made}").text)
        assert data["first"]["collection"] == made == json.loads(data["props"]["value"])["collection"]
    assert data_of(client.get("/judge/nonsense").text)["first"] is None


def test_the_page_speaks_the_readers_language(open_lab: Lab) -> None:
    client = open_lab.client(Access.ANNOTATOR)
    for headers, query, lang in (
        ({"accept-language": "zh-CN,en;q=0.5"}, "", "zh-CN"),
        ({"accept-language": "de"}, "", "en"),
        ({"accept-language": "de"}, "?lang=zh", "zh-CN"),
        ({"accept-language": "zh"}, "?lang=en", "en"),
    ):
        page = client.get("/judge" + query, headers=headers).text
        assert f'<html lang="{lang}">' in page
        words = json.loads(data_of(page)["props"]["words"])
        assert list(words) == [lang[:2]]


def test_guests_and_annotators_land_there_where_it_is_all_there_is_to_do(open_lab: Lab) -> None:
    def comes_in(query: str = "", name: str = "Mei") -> str:
        return open_lab.client().post(f"/sign-in/guest{query}", data={"name": name}).headers["location"]

    assert comes_in() == "/"
    made = collection(open_lab, "one")
    assert comes_in() == "/judge"
    open_lab.registered(Access.ANNOTATOR, "Lin"), open_lab.registered(Access.VIEWER, "Jo")
    for name, place in (("Lin", "/judge"), ("Jo", "/")):
        sent = {"name": name, "password": "battery staple"}
        assert open_lab.client().post("/sign-in", data=sent).headers["location"] == place
        assert open_lab.client().post(f"/sign-in?to=/judge/{made}", data=sent).headers["location"] == (
            f"/judge/{made}" if name == "Lin" else "/"
        )
    assert open_lab.client().post("/sign-in", data={"password": PASSWORD}).headers["location"] == "/"
    collection(open_lab, "other")
    assert comes_in() == "/"
    assert comes_in(f"?to=/judge/{made}") == f"/judge/{made}"
    for elsewhere in ("//evil.example", "/judge/../x", "https://evil.example/judge", "/judge/a%0d%0ax", "/judge//evil"):
        assert comes_in(f"?to={elsewhere}") == "/"


def test_a_shared_address_is_kept_through_the_sign_in(open_lab: Lab) -> None:
    made = collection(open_lab)
    asked = open_lab.client(accept="text/html").get(f"/judge/{made}")
    assert (asked.status_code, asked.headers["location"]) == (303, f"/sign-in?to=/judge/{made}")
    page = open_lab.client(accept="text/html").get(asked.headers["location"]).text
    assert f'action="/sign-in/guest?lang=en&amp;to=/judge/{made}"' in page


def test_the_component_ends_no_script_of_the_page() -> None:
    from lab.ui.components.annotator.component import parts

    for text in (parts()["js_on_load"], parts()["css_template"]):
        assert not re.search(r"</(script|style)|<!--", text, re.IGNORECASE)

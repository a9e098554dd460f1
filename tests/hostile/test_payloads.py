"""What somebody typed, wherever it is shown: the page, the terminal, a spreadsheet, a model card, the sign-in page."""

from __future__ import annotations

import csv
import html
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from lab.annotation.collections import Annotation
from lab.annotation.pairs import collection_name
from lab.core.access import Access
from lab.core.names import clean_name
from lab.data.writing import write_rows
from lab.errors import LabError, StateError
from lab.store.runs import clean_name as run_name
from lab.ui.judge_page import inline_json
from lab.words import LOCALES, word
from tests.annotation.annotating import ANNA, judge_all, sums
from tests.server.conftest import AWAY, PASSWORD, Lab, Make


@pytest.fixture(scope="module")
def open_lab(make_module_lab: Make, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_module_lab(host="0.0.0.0", guests=True, password=PASSWORD, home=tmp_path_factory.mktemp("open"))


MARKUP = (
    *(
        "<script>alert(1)</script>",
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
    ),
    *(
        '"><b onmouseover=alert(1)>',
        "' onfocus='alert(1)",
        "<!--<script>",
        "]]><script>",
        "javascript:alert(1)",
        "{{7*7}}${7*7}",
    ),
    *(
        "<iframe src=//evil.example>",
        "<style>*{display:none}</style>",
        "<base href=//evil.example>",
        "&lt;script&gt;",
        "<a href=//evil>x</a>",
    ),
)
TERMINAL = (
    "\x1b[2J",
    "\x1b]0;evil\x07",
    "\x1b[31mred",
    "\r\n> evil",
    "\x08\x08\x08",
    "\u202eevil",
    "\u2066evil",
    "\u200b",
    "\x9b2J",
    "a\x00b",
    "\u2028x",
)
FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+cmd|x",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    '=HYPERLINK("//evil")',
    " =1+1",
    "'=1+1",
    "＝1+1",
)


@pytest.mark.parametrize("payload", MARKUP)
def test_a_name_on_the_sign_in_page_is_text(open_lab: Lab, payload: str) -> None:
    stranger = (f"192.0.2.{MARKUP.index(payload) + 1}", 50000)  # each from elsewhere: nobody has guessed too often
    client = TestClient(open_lab.application, AWAY, headers={"origin": AWAY}, follow_redirects=False, client=stranger)
    for path, data in (("/sign-in/guest", {"name": payload}), ("/sign-in", {"name": payload, "password": payload})):
        page = client.post(path, data=data, params={"to": payload})
        assert page.status_code in (303, 401, 422)
        assert payload not in page.text.replace(html.escape(payload), "") or payload in (
            "javascript:alert(1)",
            "{{7*7}}${7*7}",
            "' onfocus='alert(1)",
        )
        assert "49" not in page.text.partition("value=")[2][:40]


@pytest.mark.parametrize("payload", MARKUP)
def test_a_pair_in_the_judging_page_s_script_ends_nothing(payload: str) -> None:
    said = inline_json({"prompt": payload, "a": payload, payload: 1})
    assert "<" not in said and ">" not in said and "&" not in said


@pytest.mark.parametrize("payload", MARKUP)
def test_a_card_of_a_version_shows_text(lab: Lab, tmp_path: Path, payload: str) -> None:
    annotation = Annotation(lab.store)
    collection = sums(annotation, 3)
    annotation.change(collection, name=payload[:80])
    judge_all(annotation, ANNA, collection)
    folder = annotation.export(annotation.freeze(collection, name=payload[:80]).id, tmp_path / "out")
    card = (folder / "README.md").read_text("utf-8")
    front, body = card.split("---\n", 2)[1:]
    assert payload not in front or not any(letter in payload for letter in "<>&'\"{")
    for tag in ("<script", "<img", "<svg", "<iframe", "<style", "<base", "<a "):
        assert tag not in body, body[:400]


@pytest.mark.parametrize("payload", TERMINAL)
@pytest.mark.parametrize("kind", ["run", "collection", "person"])
def test_a_name_holds_nothing_that_a_terminal_obeys(kind: str, payload: str) -> None:
    clean = {"run": run_name, "collection": collection_name, "person": clean_name}[kind]
    try:
        name = clean(f"name {payload} end")
    except LabError:
        return
    assert name.isprintable() and not set(name) & set("\u202e\u2066\u200b\x1b\x9b\x07\x08\x00\u2028")


@pytest.mark.parametrize("payload", TERMINAL)
def test_a_sentence_of_an_error_says_it_without_obeying(payload: str, open_lab: Lab) -> None:
    """On a terminal and on a page; the words are filled with what was typed."""
    answer = open_lab.client(Access.VIEWER).get("/api/runs/" + quote(payload, safe=""))
    assert answer.status_code in (404, 422, 401)
    for locale in LOCALES:
        sentence = word(StateError("no_such_run", run=payload), locale)
        assert not set(sentence) & set("\x1b\x07\x08\x9b\u202e\u2066\x00"), repr(sentence)


@pytest.mark.parametrize("payload", FORMULAS)
def test_a_cell_that_looks_like_a_formula_is_quoted(tmp_path: Path, payload: str) -> None:
    write_rows(tmp_path / "rows.csv", [{"prompt": payload, payload: "x"}])
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        cells: list[Any] = [cell for row in csv.reader(file) for cell in row]
    assert len(cells) == 4
    for cell in cells:
        assert not cell.lstrip(" \t\r\n").startswith(("=", "+", "-", "@", "＝")), cell

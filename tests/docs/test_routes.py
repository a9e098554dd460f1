"""The document of the routes is the application's own word."""

from __future__ import annotations

import pytest

from tests.docs import routes


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return routes.document(routes.application(tmp_path_factory.mktemp("home")))


def test_the_document_is_what_the_application_says(text: str) -> None:
    assert routes.DOCUMENT.read_text("utf-8") == text, "make it again: python -m tests.docs.routes"


def test_every_route_says_what_it_does(text: str) -> None:
    assert "(closed)" not in text
    silent = [part.split("\n", 1)[0] for part in text.split("\n### ")[1:] if not part.split("\n", 1)[1].strip()]
    assert silent == []

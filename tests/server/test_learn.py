"""The routes of the Learn tab: who may ask, what is refused, and the glossary in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from lab.core.access import Access
from lab.core.lessons import Warm
from lab.runs.lessons import Lessons
from tests.server.conftest import Lab


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reaches the process; it is not started."""
    questions: list[Any] = []

    def ask(_self: Lessons, question: Any) -> dict[str, Any]:
        questions.append(question)
        return {"logps": []}

    monkeypatch.setattr(Lessons, "ask", ask)
    return questions


def test_a_viewer_may_ask_and_nobody_may_not(shared_lab: Lab, asked: list[Any]) -> None:
    answer = shared_lab.client(Access.VIEWER).post("/api/learn", json={"kind": "warm"})
    assert answer.status_code == 200 and asked == [Warm()]
    assert shared_lab.client().post("/api/learn", json={"kind": "warm"}).status_code in (401, 403)
    assert len(asked) == 1


def test_nonsense_is_refused_before_any_process_hears_of_it(lab: Lab, asked: list[Any]) -> None:
    for body in ({"kind": "dream"}, {"kind": "logps", "prompt": "p", "answers": []}, {}):
        answer = lab.client(Access.OWNER).post("/api/learn", json=body)
        assert answer.status_code == 422 and answer.json()["error"]["key"] == "lesson_value", body
    assert lab.client(Access.OWNER).post("/api/learn", json=[1]).status_code == 422
    assert asked == []


def test_the_glossary_explains_in_both_languages(lab: Lab) -> None:
    answer = lab.client(Access.VIEWER).get("/api/glossary").json()
    assert answer["en"].keys() == answer["zh"].keys() and len(answer["en"]) > 40
    assert "r − μ" in answer["en"]["advantage"]["text"] and answer["zh"]["advantage"]["term"] == "优势"

"""What somebody sends to be run gets only so much time and only so many places, and never the owner's trusted file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.testclient import TestClient

from lab.core.access import Access, User
from lab.core.recipes import parse
from lab.core.rules import NOT_RUN
from lab.errors import LabError
from lab.sandbox import trusted
from lab.server import rules as routes
from lab.server.rule_bench import Bench, score_bench
from lab.server.scoring import MOST_OF_AN_ADDRESS, Scoring
from lab.store.presets import PRESETS
from lab.ui.presets import Presets
from lab.ui.tabs.rules.tab import RulesTab
from lab.words import word
from tests.core.test_what_if import line_of
from tests.server.conftest import Lab, Make

BENCH, WHAT_IF, IMPORT = "/api/rules/bench", "/api/rules/what-if", "/api/rules/import"
ENDLESS = {"name": "endless", "source": "def reward(p, c, a):\n    while True:\n        pass\n"}
GOOD = {"name": "good", "source": "def reward(p, c, a):\n    return 1.0\n"}
ROW = {"prompt": "p", "completion": "c"}


@pytest.fixture
def guests(make_lab: Make) -> Iterator[Lab]:
    """A lab with sign-in that guests may enter, and a trusted file that leaves a trace where it runs."""
    lab = make_lab(host="0.0.0.0", guests=True)
    yield lab
    trusted.worker().close()


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file, trace = tmp_path / "mine.py", tmp_path / "trace"
    file.write_text(f"def runs_it(p, c, a):\n    open({str(trace)!r}, 'w').write(c)\n    return 1.0\n", "utf-8")
    monkeypatch.setenv(trusted.VARIABLE, str(file))
    return trace


def guest(lab: Lab, name: str = "Guest") -> TestClient:
    client = lab.client()
    assert client.post("/sign-in/guest", data={"name": name}).status_code == 303
    return client


def recorded(lab: Lab, steps: int = 1, completions: int = 5) -> str:
    run = lab.store.create_run(parse({"algorithm": "grpo", "name": "recorded"}))
    for step in range(1, steps + 1):
        lab.store.folder(run.id).append("groups", line_of([1.0] * completions) | {"step": step})
    return run.id


def asked(lab: Lab, client: TestClient, path: str, rule: dict[str, Any]) -> Any:
    """What a route says of one rule: the key of its error, or None."""
    sent: dict[str, Any] = {"rules": [rule], "rows": [ROW]}
    if path == WHAT_IF:
        sent = {"rules": [rule], "run": recorded(lab), "first": 1, "last": 1}
    elif path == IMPORT:
        sent = {"text": f'[[rules]]\nname = "{rule["name"]}"\n'}
    found = client.post(path, json=sent).json()
    problems = found["rules"][0]["problems"] if path == BENCH else [found["error"]] if "error" in found else []
    return problems[0] if problems else None


@pytest.mark.parametrize("path", [BENCH, WHAT_IF, IMPORT])
def test_a_trusted_rule_is_the_owners_alone(path: str, guests: Lab, trace: Path) -> None:
    for client in (guest(guests), guests.client(Access.ANNOTATOR)):
        problem = asked(guests, client, path, {"name": "runs_it"})
        assert problem["key"] == "rule_unknown"
        assert "runs_it" not in problem["params"]["known"]
    assert not trace.exists()
    assert asked(guests, guests.client(Access.OWNER), path, {"name": "runs_it"}) is None
    assert trace.exists() == (path != IMPORT)


def test_its_name_is_free_for_everybody_else(guests: Lab, trace: Path) -> None:
    assert asked(guests, guest(guests), BENCH, {**GOOD, "name": "runs_it"}) is None
    assert asked(guests, guests.client(Access.OWNER), BENCH, {**GOOD, "name": "runs_it"})["key"] == "rule_name_taken"


def test_a_page_for_all_does_not_list_it(trace: Path) -> None:
    assert "runs_it" in RulesTab(Presets(PRESETS), trusting=True).bench.props["rules"]
    assert "runs_it" not in str(RulesTab(Presets(PRESETS), trusting=False).bench.props)


def test_the_bench_ends_in_time_and_says_what_was_not_run() -> None:
    sent = Bench.model_validate({"rules": [ENDLESS, {**ENDLESS, "name": "other"}, GOOD], "rows": [ROW] * 200})
    start = time.monotonic()
    found = score_bench(sent, start + 1.0)
    assert time.monotonic() - start < 30, "all of them would take minutes"
    (problem,) = found["rules"][1]["problems"]
    assert problem["key"] == "rules_check_over"
    assert found["rules"][0]["problems"][0]["params"] == {"rule": "endless", "count": 200 - 64, "of": 200}
    scores = [completion["scores"] for completion in found["completions"]]
    assert scores[-1][0] == {"error": NOT_RUN}
    assert all("error" in each[0] and "error" in each[1] for each in scores)


def test_a_rule_that_loops_leaves_time_for_the_next() -> None:
    sent = Bench.model_validate({"rules": [ENDLESS, GOOD], "rows": [ROW] * 130})
    found = score_bench(sent, time.monotonic() + routes.BENCH_SECONDS)
    assert found["rules"][1]["problems"] == []
    assert {completion["scores"][1] for completion in found["completions"]} == {1.0}


def test_a_what_if_ends_in_time_and_what_was_not_run_is_unscored(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "WHAT_IF_SECONDS", 0.5)
    sent = {"run": recorded(lab, steps=30), "first": 1, "last": 30, "rules": [ENDLESS]}
    start = time.monotonic()
    found = lab.client().post(WHAT_IF, json=sent).json()
    assert time.monotonic() - start < 30, "all of them would take minutes"
    assert found["summary"]["not_run"] > 0
    (problem,) = found["problems"]
    assert (problem["key"], problem["params"]["of"]) == ("what_if_time_over", 150)
    late = next(one for one in found["groups"] if one["step"] == 30)["completions"][0]
    assert late["scores"] == {"endless": {"error": NOT_RUN}}
    assert late["new"] == {**late["new"], "reward": None, "kept": False, "why_dropped": "unscored"}


def test_a_file_whose_rules_take_long_to_load_is_refused_in_time(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "BENCH_SECONDS", 0.5)
    text = "".join(f'[[rules]]\nname = "r{n}"\nsource = "while True: pass"\n' for n in range(32))
    start = time.monotonic()
    answer = lab.client().post(IMPORT, json={"text": text})
    assert time.monotonic() - start < 30, "all of them would take minutes"
    assert answer.status_code == 422 and answer.json()["error"]["key"].startswith("rule")


class Asked:
    """A request as the places see it."""

    def __init__(self, user: Any, address: str) -> None:
        self.scope = {"client": (address, 1), "lab.user": user}


def test_guests_of_one_address_count_together_whatever_they_are_called(guests: Lab) -> None:
    scoring = Scoring(at_once=4, of_guests=2)

    def statuses(guest: bool, count: int) -> list[int]:
        async def ask_all() -> list[int]:
            found: list[int] = []

            async def ask(number: int) -> None:
                user = User(f"n{number}", Access.ANNOTATOR, id=f"g-{number}", guest=guest)
                answer = await scoring.answer(Asked(user, "10.0.0.1"), 1.0, lambda until: time.sleep(0.05) or {})
                found.append(answer.status_code)

            async with anyio.create_task_group() as group:
                for number in range(count):
                    group.start_soon(ask, number)
            return found

        return anyio.run(ask_all)

    at_once = statuses(guest=True, count=20)
    assert at_once.count(200) == MOST_OF_AN_ADDRESS
    assert not scoring.busy
    assert set(statuses(guest=False, count=20)) == {200}
    scoring.address_rate.burst = 5
    scoring.address_rate._left.clear()
    assert statuses(guest=True, count=8).count(200) == 5


@pytest.mark.parametrize("name", ["a\u200b", "　", "\u3000a"])
def test_a_name_that_is_none_is_a_problem_of_that_rule(name: str, lab: Lab) -> None:
    for path in (BENCH, WHAT_IF):
        problem = asked(lab, lab.client(), path, {**GOOD, "name": name})
        assert problem["key"] == "rule_name"
        assert repr(name) in word(problem)


def test_what_if_refuses_two_rules_of_one_name_and_a_source_that_is_too_large(lab: Lab) -> None:
    sent = {"run": recorded(lab), "first": 1, "last": 1}
    twice = lab.client().post(WHAT_IF, json={**sent, "rules": [GOOD, GOOD]})
    assert (twice.status_code, twice.json()["error"]["key"]) == (422, "rule_name_twice")
    large = {**GOOD, "source": "#" * 70_000}
    assert asked(lab, lab.client(), WHAT_IF, large)["key"] == "rule_source_large"
    assert asked(lab, lab.client(), WHAT_IF, {"name": "equals_answer", "fallback": 50})["key"] == "rule_fallback"
    assert asked(lab, lab.client(), BENCH, {"name": "equals_answer", "fallback": 50})["key"] == "rule_fallback"
    wide = {**GOOD, "low": 200, "high": 1000, "fallback": 500}
    assert asked(lab, lab.client(), BENCH, wide) is None


def test_words_of_every_refusal() -> None:
    for key in ("rule_time_over", "rules_check_over", "what_if_time_over", "rule_name"):
        assert word(LabError(key), "zh") != word(LabError(key), "en") != key


@pytest.mark.parametrize("text", ["[[[[", "a." * 1000 + "a = 1", "a = " + "9" * 5000, "a." * 60_000 + "a = 1"])
def test_a_hostile_file_is_refused_in_one_sentence(text: str, lab: Lab) -> None:
    start = time.monotonic()
    answer = lab.client().post(IMPORT, json={"file": "x.toml", "text": text})
    assert (answer.status_code, answer.json()["error"]["key"]) == (422, "rules_file")
    assert time.monotonic() - start < 4

"""The bench's routes: what it answers, for whom, and how often."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest

from lab.core.access import Access
from lab.core.groups import ADVANTAGE_EPSILON, ThresholdKind, make_group
from lab.core.recipes import parse
from lab.rules import RULES
from lab.rules.sources import source_of
from lab.server.rule_bench import A_PAGE, Bench, groups_of, score_bench
from lab.ui.components.rule_bench.component import examples
from lab.ui.tabs.rules.tab import WORKED
from tests.server.conftest import Lab, Make

BENCH = "/api/rules/bench"
EQUATION = WORKED["equation"]["groups"][0]
ROWS = [
    {"prompt": EQUATION["prompt"], "completion": text, "answer": EQUATION["answer"]} for text in EQUATION["completions"]
]
BY_NAME = [{"name": name} for name in WORKED["equation"]["rules"]]
MINE = {"name": "mine", "source": "def reward(prompt, completion, answer):\n    return float(len(completion) < 6)\n"}


def scored(rules: list[dict[str, Any]], rows: list[dict[str, Any]] = ROWS, **more: Any) -> dict[str, Any]:
    return score_bench(Bench.model_validate({"rules": rules, "rows": rows, **more}))


def test_the_worked_example_has_exactly_the_numbers_of_the_course(lab: Lab) -> None:
    answer = lab.client().post(BENCH, json={"rules": BY_NAME, "rows": ROWS, "fraction": 0.2})
    assert answer.status_code == 200
    found = answer.json()
    assert [completion["scores"] for completion in found["completions"]] == [
        [1, 1, 1], [0.5, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1],
    ]  # fmt: skip
    assert [completion["reward"] for completion in found["completions"]] == [3, 2.5, 3, 0, 3]
    (group,) = found["groups"]
    assert group["rows"] == [0, 1, 2, 3, 4]
    assert math.isclose(group["mean"], 2.3)
    assert round(group["std"], 4) == 1.3038
    expected = [(reward - 2.3) / (group["std"] + ADVANTAGE_EPSILON) for reward in (3, 2.5, 3, 0, 3)]
    assert group["advantages"] == pytest.approx(expected)
    assert group["differences"] == pytest.approx([0.7, 0.2, 0.7, -2.3, 0.7])
    assert group["thresholds"]["all"]["kept"] == [True] * 5
    assert group["thresholds"]["above_mean"]["kept"] == [True, True, True, False, True]
    assert group["thresholds"]["top_fraction"]["kept"] == [True, False, False, False, False]
    assert group["thresholds"]["above_mean"]["why_dropped"][3] == "below_mean"
    assert group["tie_at_cut"] is True


@pytest.mark.parametrize("name", sorted(set(examples()) - {"blank"} | {name for name in RULES if source_of(name)}))
def test_a_source_to_begin_from_scores_the_worked_example_as_the_ready_made_rule_does(name: str) -> None:
    tagged = "<think>3x = 15</think>\n<answer>5</answer>"
    rows = [*ROWS, {"prompt": "说明", "completion": tagged, "answer": "5"}] if name == "format_tags" else ROWS
    found = scored([{"name": name}, {"name": "copy", "source": source_of(name) or examples()[name]}], rows)
    assert [rule["problems"] for rule in found["rules"]] == [[], []]
    for completion in found["completions"]:
        assert completion["scores"][0] == pytest.approx(completion["scores"][1])


def test_code_that_does_not_parse_scores_0_and_sloppy_code_fails_the_static_check() -> None:
    (group,) = WORKED["code"]["groups"]
    rows = [{"prompt": group["prompt"], "completion": text} for text in group["completions"]]
    found = scored([{"name": name} for name in WORKED["code"]["rules"]], rows)
    assert [completion["scores"] for completion in found["completions"]] == [[1, 1], [0, 0], [1, 0], [1, 0], [1, 1]]


def test_shares_are_weighted_and_add_up_to_the_reward() -> None:
    found = scored([{"name": "equals_answer", "weight": 2}, {"name": "integer_answer", "weight": -0.5}])
    second = found["completions"][1]
    assert second["shares"] == [2, -0.25]
    assert second["reward"] == 1.75


def test_an_error_of_the_source_has_its_line_and_the_fallback_stands_in() -> None:
    broken = {
        **MINE,
        "source": "def reward(prompt, completion, answer):\n    return (1\n",
        "weight": 2,
        "fallback": 0.5,
    }
    found = scored([{"name": "equals_answer"}, broken])
    (problem,) = found["rules"][1]["problems"]
    assert (problem["key"], problem["params"]["line"]) == ("rule_source_syntax", 2)
    assert found["completions"][0]["reward"] == 2
    assert "error" in found["completions"][0]["scores"][1]


def test_an_error_on_one_completion_is_told_beside_it_and_harms_no_other() -> None:
    last = {**MINE, "source": "def reward(prompt, completion, answer):\n    return float(completion[4:]) / 5\n"}
    scores = [completion["scores"][0] for completion in scored([last])["completions"]]
    assert scores[0] == scores[2] == 1
    assert "15/3" in scores[1]["error"]
    assert "(line 2)" in scores[1]["error"]


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        ([{"name": "nonsense"}], "rule_unknown"),
        ([MINE, MINE], "rule_name_twice"),
        ([{**MINE, "name": "equals_answer"}], "rule_name_taken"),
        ([{**MINE, "low": 1, "high": 0}], "rule_bounds"),
        ([{**MINE, "fallback": 3}], "rule_fallback"),
        ([{**MINE, "source": ""}], "rule_reward_missing"),
        ([{**MINE, "source": "x" * 70_000}], "rule_source_large"),
        ([{**MINE, "source": "é" * 40_000}], "rule_source_large"),
    ],
)
def test_what_is_wrong_with_a_rule_is_part_of_the_answer(rules: list[dict[str, Any]], key: str) -> None:
    found = scored(rules)
    assert found["rules"][-1]["problems"][0]["key"] == key
    assert len(found["completions"]) == 5


def test_expected_scores_are_checked_whatever_stands_on_the_bench() -> None:
    pins = [{**ROWS[0], "expected": 1}, {"prompt": "p", "completion": "far too long", "expected": 1}]
    found = scored([{**MINE, "pins": pins}], ROWS[:1])
    assert [pin["passed"] for pin in found["rules"][0]["pins"]] == [True, False]
    assert found["rules"][0]["pins"][1]["score"] == 0


def test_completions_of_one_prompt_are_one_group_and_a_single_one_has_no_spread() -> None:
    rows = [ROWS[0], {"prompt": "other", "completion": "x", "answer": ""}, ROWS[3]]
    groups = scored(BY_NAME, rows)["groups"]
    assert [group["rows"] for group in groups] == [[0, 2], [1]]
    assert groups[1]["std"] == 0
    assert groups[1]["thresholds"]["above_mean"]["why_dropped"] == ("no_spread",)


def test_groups_of_one_prompt_stay_apart_where_the_request_tells_them_apart() -> None:
    """As when “another prompt” was added twice and nothing is typed yet."""
    rows = [{"prompt": "", "completion": text, "group": group} for group, text in [(0, "a"), (1, "b"), (0, "c")]]
    assert [group["rows"] for group in scored([{"name": "length_range"}], rows)["groups"]] == [[0, 2], [1]]
    joined = [{**row, "group": 0} for row in rows]
    assert [group["rows"] for group in scored([{"name": "length_range"}], joined)["groups"]] == [[0, 1, 2]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": [], "rows": ROWS},
        {"rules": BY_NAME, "rows": []},
        {"rules": BY_NAME, "rows": ROWS, "fraction": 0},
        {"rules": [{"name": "mine", "weight": 1000}], "rows": ROWS},
        {"rules": BY_NAME, "rows": ROWS, "path": "/etc/passwd"},
        {"rules": BY_NAME * 20, "rows": ROWS},
    ],
)
def test_a_request_out_of_bounds_is_refused_in_one_sentence(lab: Lab, wrong: dict[str, Any]) -> None:
    answer = lab.client().post(BENCH, json=wrong)
    assert answer.status_code == 422
    assert answer.json()["error"]["key"] == "request_value"


def test_annotators_may_try_rules_and_strangers_and_viewers_may_not(shared_lab: Lab) -> None:
    sent = {"rules": BY_NAME, "rows": ROWS}
    assert shared_lab.client(Access.ANNOTATOR).post(BENCH, json=sent).status_code == 200
    assert shared_lab.client(Access.VIEWER).post(BENCH, json=sent).status_code == 403
    assert shared_lab.client().post(BENCH, json=sent).status_code == 401
    assert shared_lab.client(Access.VIEWER).get("/api/rules/groups?dataset=equations").status_code == 403


def test_nobody_tries_rules_without_end(make_lab: Make) -> None:
    lab = make_lab()
    client = lab.client()
    statuses = {client.post(BENCH, json={"rules": BY_NAME[:1], "rows": ROWS[:1]}).status_code for _ in range(120)}
    assert statuses == {200, 429}


def test_a_rule_that_never_ends_is_an_error_of_that_rule_in_time() -> None:
    endless = {**MINE, "source": "def reward(prompt, completion, answer):\n    while True:\n        pass\n"}
    started = time.monotonic()
    found = scored([endless, {"name": "equals_answer"}])
    assert time.monotonic() - started < 6
    assert all("error" in completion["scores"][0] for completion in found["completions"])
    assert found["completions"][0]["reward"] == 1


def test_the_equations_come_in_groups_that_differ_and_page_by_page(lab: Lab) -> None:
    assert lab.client().get("/api/rules/datasets").json() == {"datasets": ["equations"]}
    first = lab.client().get("/api/rules/groups?dataset=equations").json()
    assert len(first["groups"]) == A_PAGE == first["next"]
    second = lab.client().get(f"/api/rules/groups?dataset=equations&first={first['next']}").json()
    assert second["groups"][0] not in first["groups"]
    rows = [{**group, "completion": text} for group in first["groups"] for text in group.pop("completions")]
    assert all(group["std"] > 0 for group in scored([{"name": "equals_answer"}], rows)["groups"])


def test_only_data_that_the_lab_knows_can_be_named(make_lab: Make, tmp_path: Any) -> None:
    lab = make_lab()
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "p", "chosen": "good", "rejected": "bad"}\n', "utf-8")
    refused = lab.client().get("/api/rules/groups", params={"dataset": str(file)})
    assert refused.json()["error"]["key"] == "dataset_missing"
    lab.store.create_run(parse({"algorithm": "dpo", "name": "pairs", "dataset": str(file)}))
    assert lab.client().get("/api/rules/datasets").json()["datasets"] == ["equations", str(file)]
    found = groups_of(str(file), 0, lab.store)
    assert list(found["groups"]) == [{"prompt": "p", "answer": "", "completions": ["good", "bad"]}]
    assert found["next"] == 0


def test_groups_of_chats_and_of_columns_with_other_names(make_lab: Make, tmp_path: Any) -> None:
    lab = make_lab()
    file = tmp_path / "chats.jsonl"
    chat = [
        {"role": "system", "content": "Short."},
        {"role": "user", "content": "p"},
        {"role": "assistant", "content": "good"},
    ]
    file.write_text(json.dumps({"talk": chat, "answer": 4}) + "\n", "utf-8")
    name = f"{file}?messages=talk"
    lab.store.create_run(parse({"algorithm": "sft", "name": "chats", "dataset": name}))
    assert list(groups_of(name, 0, lab.store)["groups"]) == [{"prompt": "p", "answer": "4", "completions": ["good"]}]


def test_a_rule_set_is_saved_in_versions_opened_and_deleted(make_lab: Make) -> None:
    client = make_lab().client()
    pin = {**ROWS[0], "expected": 1}
    first = client.post("/api/rules/sets", json={"name": "Short ones", "rules": [{**MINE, "weight": 2, "pins": [pin]}]})
    assert (first.json()["name"], first.json()["version"]) == ("Short ones", 1)
    second = client.post("/api/rules/sets", json={"name": "Short ones", "rules": [MINE, BY_NAME[0]]}).json()
    assert second["version"] == 2
    (listed,) = client.get("/api/rules/sets").json()["sets"]
    assert (listed["name"], listed["version"], listed["rules"]) == ("Short ones", 2, ["mine", "integer_answer"])
    versions = client.get("/api/rules/sets/versions", params={"name": "Short ones"}).json()["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    older = client.get("/api/rules/sets/one", params={"name": "Short ones", "version": 1}).json()
    assert older["rules"] == [
        {**MINE, "description": "", "low": 0, "high": 1, "fallback": 0, "weight": 2, "pins": [pin]}
    ]
    assert client.post("/api/rules/sets/delete", json={"name": "Short ones"}).status_code == 200
    assert client.get("/api/rules/sets").json() == {"sets": []}
    gone = client.get("/api/rules/sets/one", params={"name": "Short ones"})
    assert (gone.status_code, gone.json()["error"]["key"]) == (404, "no_such_rule_set")


def test_a_rule_set_that_cannot_be_used_is_not_saved(lab: Lab) -> None:
    broken = {**MINE, "source": "def reward(prompt):\n    return 1\n"}
    answer = lab.client().post("/api/rules/sets", json={"name": "broken", "rules": [broken]})
    assert answer.status_code == 422
    assert answer.json()["error"]["params"]["line"] == 1
    twice = lab.client().post("/api/rules/sets", json={"name": "twice", "rules": [MINE, MINE]})
    assert twice.json()["error"]["key"] == "recipe_rule_twice"
    assert lab.client().get("/api/rules/sets").json() == {"sets": []}


def test_only_the_owner_saves_and_deletes(shared_lab: Lab) -> None:
    sent = {"name": "mine", "rules": [MINE]}
    annotator = shared_lab.client(Access.ANNOTATOR)
    assert annotator.post("/api/rules/sets", json=sent).status_code == 403
    assert annotator.post("/api/rules/sets/delete", json={"name": "mine"}).status_code == 403
    assert annotator.get("/api/rules/sets").status_code == 200
    assert shared_lab.client(Access.OWNER).post("/api/rules/sets", json=sent).status_code == 200


def test_a_set_goes_into_a_file_and_comes_back_the_same(lab: Lab) -> None:
    rules = [{**MINE, "weight": 0.5, "pins": [{**ROWS[3], "expected": 1}]}, BY_NAME[0]]
    file = lab.client().post("/api/rules/share", json={"form": "toml", "name": "短的 rules/1", "rules": rules}).json()
    assert file["file"] == "短的-rules-1.toml"
    taken = lab.client().post("/api/rules/import", json={"file": file["file"], "text": file["text"]}).json()["rules"]
    assert [rule["name"] for rule in taken] == ["mine", "integer_answer"]
    assert taken[0]["source"] == MINE["source"]
    assert taken[0]["pins"] == [{**ROWS[3], "expected": 1}]
    wrong = lab.client().post("/api/rules/import", json={"file": "x.toml", "text": "[[rules]"})
    assert wrong.json()["error"]["key"] == "rules_file"


def test_a_set_becomes_a_python_file(lab: Lab) -> None:
    sent = {"form": "python", "name": "mine", "rules": [MINE, BY_NAME[0]]}
    file = lab.client().post("/api/rules/share", json=sent).json()
    assert file["file"] == "mine.py"
    compile(file["text"], "mine.py", "exec")
    assert "REWARD_FUNCS" in file["text"]


def a_recorded_run(lab: Lab) -> str:
    """A run with one recorded group: the worked example, rewarded by the answer alone."""
    run = lab.store.create_run(parse({"algorithm": "grpo", "name": "recorded", "steps": 3}))
    rewards = [1.0, 1.0, 1.0, 0.0, 1.0]
    made = make_group(rewards, ThresholdKind.ABOVE_MEAN)
    completions = [
        {
            "text": row["completion"], "tokens": 5, "truncated": False, "scores": {"equals_answer": reward},
            "reward": reward, "advantage": made.advantages[n], "kept": made.kept[n],
            "why_dropped": made.why_dropped[n], "logp": None, "ref_logp": None,
        }
        for n, (row, reward) in enumerate(zip(ROWS, rewards, strict=True))
    ]  # fmt: skip
    line = {"version": 1, "step": 1, "group": 0, "prompt": EQUATION["prompt"], "answer": "5", "mean": made.mean}
    about = {"std": made.std, "threshold": {"kind": "above_mean", "fraction": 1.0}, "completions": completions}
    lab.store.folder(run.id).append("groups", {**line, **about})
    return run.id


def test_a_recorded_run_is_scored_anew_beside_what_it_was(lab: Lab) -> None:
    sent = {
        "run": a_recorded_run(lab),
        "first": 1,
        "last": 1,
        "rules": BY_NAME,
        "threshold": "top_fraction",
        "fraction": 0.2,
    }
    found = lab.client().post("/api/rules/what-if", json=sent).json()
    (group,) = found["groups"]
    assert [one["old"]["reward"] for one in group["completions"]] == [1, 1, 1, 0, 1]
    assert [one["new"]["reward"] for one in group["completions"]] == [3, 2.5, 3, 0, 3]
    assert [one["new"]["kept"] for one in group["completions"]] == [True, False, False, False, False]
    assert [one["new"]["rank"] for one in group["completions"]] == [1, 4, 1, 5, 1]
    assert group["changed"] == 3
    assert found["summary"]["newly_dropped"] == 3


def test_a_what_if_of_a_broken_rule_or_of_no_run_is_one_sentence(lab: Lab) -> None:
    sent = {"run": a_recorded_run(lab), "first": 1, "last": 1}
    broken = lab.client().post("/api/rules/what-if", json={**sent, "rules": [{**MINE, "source": "def"}]})
    assert broken.json()["error"]["key"] == "rule_source_syntax"
    assert lab.client().post("/api/rules/what-if", json={**sent, "run": "nothing"}).status_code == 404
    assert lab.client().post("/api/rules/what-if", json={**sent, "last": 0}).json()["error"]["key"] == "steps_asked"

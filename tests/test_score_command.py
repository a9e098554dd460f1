"""``python -m lab score``: a rule set in a file, completions in another, a table or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import __main__ as cli

GOOD = '''
[[rules]]
name = "equals_answer"
weight = 2

[[rules]]
name = "short"
weight = 0.5
description = "Short is better."
fallback = 0.25
source = """
def reward(prompt, completion, answer):
    if completion == "无解":
        raise ValueError("nothing to measure")
    return 1.0 if len(completion) < 6 else 0.0
"""
'''
COMPLETIONS = ["x = 5", "x = 15/3", "无解"]


@pytest.fixture
def completions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    path = tmp_path / "completions.jsonl"
    rows = [{"prompt": "解方程 3x + 5 = 20", "completion": text, "answer": "5"} for text in COMPLETIONS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def score(tmp_path: Path, rules: str, completions: Path, *more: str) -> int:
    path = tmp_path / "rules.toml"
    path.write_text(rules, "utf-8")
    return cli.main(["score", str(path), str(completions), *more])


def test_json(tmp_path: Path, completions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(tmp_path, GOOD, completions, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["reward"] for one in shown["completions"]] == [2.5, 2.0, 0.125]
    assert shown["completions"][0]["scores"] == {"equals_answer": 1.0, "short": 1.0}
    assert shown["completions"][2]["scores"]["short"] == {"error": "ValueError: nothing to measure (line 3)"}
    assert shown["errors"] == {"equals_answer": 0, "short": 1}


def test_table(tmp_path: Path, completions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(tmp_path, GOOD, completions) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].split() == ["#", "equals_answer", "short", "reward", "completion"]
    assert lines[1].split(maxsplit=4) == ["1", "1", "1", "2.5", "x = 5"]
    assert lines[3].split() == ["3", "0", "error", "0.125", "无解"]
    assert "3 completions, mean reward 1.542" in shown.out
    assert shown.err == "short failed 1 times: ValueError: nothing to measure (line 3)\n"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("", "rules cannot be"),
        ("[[rules]\n", "cannot be read"),
        ('[[rules]]\nname = "equals_anser"\n', "There is no rule “equals_anser”"),
        ('[[rules]]\nname = "consistent"\nweigth = 2\n', "rules.1.weigth"),
        ('[[rules]]\nname = "consistent"\nweight = nan\n', "rules.1.weight"),
        ('[[rules]]\nname = "consistent"\nhigh = 2\n', "has no source, so it cannot have high"),
        ('[[rules]]\nname = "consistent"\n[[rules]]\nname = "consistent"\n', "stands twice in"),
        ('[[rules]]\nname = "mine"\nsource = "x = ("\n', "Line 1 of the rule “mine” is no Python"),
        ('[[rules]]\nname = "mine"\nlow = 2\nsource = "def reward(p, c, a): return 1.0"\n', "bounds 2"),
    ],
)
def test_a_broken_rule_set_is_a_sentence(
    tmp_path: Path, completions: Path, capsys: pytest.CaptureFixture[str], rules: str, said: str
) -> None:
    assert score(tmp_path, rules, completions) == 1
    shown = capsys.readouterr()
    assert said in shown.err and shown.out == "" and "Traceback" not in shown.err


def test_broken_completions_are_a_sentence(
    tmp_path: Path, completions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    completions.write_text('{"prompt": "a"}\n')
    assert score(tmp_path, GOOD, completions) == 1
    assert "no column “completion”" in capsys.readouterr().err
    assert score(tmp_path, GOOD, tmp_path / "none.jsonl") == 1
    assert cli.main(["score", str(tmp_path / "none.toml"), str(completions)]) == 1


def test_wrong_usage_is_2() -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["score"])
    assert caught.value.code == 2


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    """A run with one group: the worked example, kept above the mean."""
    from lab.core.recipes import parse
    from lab.store.runs import Store
    from tests.core.test_what_if import REWARDS, line_of

    store = Store(tmp_path / "home")
    run = store.create_run(parse({"algorithm": "grpo"}))
    line = line_of(REWARDS) | {"step": 3}
    for completion, text in zip(
        line["completions"], ["x = 5", "x = 15/3", "x = 5", "无解", "3x = 15 → x = 5"], strict=True
    ):
        completion["text"] = text
    store.folder(run.id).append("groups", line)
    store.close()
    return run.id


def test_a_run_is_scored_anew(tmp_path: Path, recorded: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '[[rules]]\nname = "short"\nsource = "def reward(p, c, a): return 1.0 if len(c) < 3 else 0.0"\n', "utf-8"
    )
    flags = ["--run", recorded, "--home", str(tmp_path / "home")]
    assert cli.main(["score", str(path), *flags, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["new"]["kept"] for one in shown["groups"][0]["completions"]] == [False, False, False, True, False]
    assert (shown["summary"]["old"]["reward"], shown["summary"]["new"]["reward"]) == (2.3, 0.2)
    assert cli.main(["score", *flags, "--threshold", "top_fraction", "--fraction", "0.2", "--steps", "3"]) == 0
    assert "0 completions newly kept, 3 newly dropped" in capsys.readouterr().out
    assert cli.main(["score", *flags, "--steps", "4-5"]) == 1
    assert "4–5" in capsys.readouterr().err


def test_a_rule_set_is_written_as_python(tmp_path: Path, completions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rules.toml").write_text(GOOD, "utf-8")
    assert cli.main(["score", str(tmp_path / "rules.toml"), "--as-python", str(tmp_path / "rules.py")]) == 0
    assert "REWARD_WEIGHTS = [2.0, 0.5]" in (tmp_path / "rules.py").read_text("utf-8")
    assert cli.main(["score", str(tmp_path / "rules.toml"), "--as-python", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [[], ["rules.toml"], ["a", "b", "--run", "c"], ["--run", "c", "--threshold", "some"]])
def test_wrong_usage(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", *wrong])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (
            {
                "messages": [{"role": "user", "content": "3x + 5 = 20"}, {"role": "assistant", "content": "x = 5"}],
                "answer": "5",
            },
            "",
        ),
        (
            {
                "prompt": [{"role": "user", "content": "3x"}],
                "completion": [{"role": "assistant", "content": "x = 5"}],
                "answer": 5,
            },
            "",
        ),
        ({"conversations": [{"from": "human", "value": "3x"}, {"from": "gpt", "value": "x = 5"}], "answer": "5"}, ""),
        ({"task": "3x + 5 = 20", "reply": "x = 5", "answer": "5"}, "?prompt=task,completion=reply"),
        ({"prompt": "3x", "completion": "x = 5", "answer": "5", "label": False}, ""),
    ],
)
def test_conversations_and_columns_of_other_names(
    tmp_path: Path, row: dict[str, object], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps(row) + "\n", "utf-8")
    assert score(tmp_path, '[[rules]]\nname = "equals_answer"\nweight = 1\n', Path(f"{path}{name}"), "--json") == 0
    (scored,) = json.loads(capsys.readouterr().out)["completions"]
    assert (scored["completion"], scored["answer"], scored["reward"]) == ("x = 5", "5", 1.0)


def test_what_cannot_be_scored_is_counted_and_an_empty_completion_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": "a", "completion": ""}, {"prompt": "a", "completion": None}, {"prompt": "", "completion": "b"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert score(tmp_path, GOOD, path, "--json") == 0
    shown = capsys.readouterr()
    assert [one["completion"] for one in json.loads(shown.out)["completions"]] == ["", "b"]
    assert "1 × no “completion”" in shown.err

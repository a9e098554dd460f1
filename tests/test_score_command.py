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

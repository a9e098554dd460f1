"""``python -m lab sample`` and ``preflight`` as a person runs them, with a worker that only writes what the real one would."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.annotation.collections import Annotation
from lab.core.preflight import report
from lab.core.preflight_numbers import People, RuleInSet, Scored
from lab.core.rules import Score
from lab.core.shares import Share
from lab.runs import foreground
from lab.runs.launcher import LocalLauncher
from lab.store.jobs import JobStore
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, judge_all, sums

FAKE = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
result = {"state": "finished", "error": None, "completions": 2}
if job["kind"] == "sample":
    for number, asked in enumerate(job["spec"]["prompts"]):
        for nth in range(job["spec"]["completions"]):
            line = {"prompt_number": number, "completion_number": nth, **asked, "text": f"x = {nth}", "tokens": 5, "truncated": nth > 0}
            with (folder / "result.jsonl").open("a") as file:
                file.write(json.dumps(line) + chr(10))
else:
    result["report"] = json.loads(pathlib.Path(sys.argv[2]).read_text())
if job["spec"].get("model") == "tiny" and job["spec"]["seed"] == 13:
    result = {"state": "failed", "error": {"key": "job_failed", "params": {"kind": "OSError", "why": "no"}}}
(folder / "result.json").write_text(json.dumps(result))
"""


@pytest.fixture
def home(lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def scored(reward: float) -> Scored:
        return Scored(reward, {"short": Score(reward), "terse": Score(1 - reward)}, 5 - int(reward), False)

    groups = [[scored(reward) for reward in (0.0, 0.0)]] * 61 + [[scored(reward) for reward in (0.0, 1.0)]] * 39
    rules = [RuleInSet("short", 1.0, 0.0, 1.0), RuleInSet("terse", 0.0, 0.0, 1.0)]
    made = tmp_path / "report.json"
    made.write_text(json.dumps(report(groups, rules, people=People(Share(14.5, 20), 3)).as_json()))
    launcher = LocalLauncher(lambda path: [sys.executable, "-c", FAKE, str(path), str(made)])
    monkeypatch.setattr(foreground, "LocalLauncher", lambda **_: launcher)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return lab_home


def test_sample_from_a_file(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "3x = 15", "answer": "5"}\n{"prompt": "解方程 2x = 4"}\n{"prompt": "third"}\n', "utf-8")
    assert cli.main(["sample", "tiny", "--prompts", str(path), "-k", "2", "-n", "2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(line["prompt"], line["answer"], line["text"]) for line in shown["completions"]] == [
        ("3x = 15", "5", "x = 0"), ("3x = 15", "5", "x = 1"), ("解方程 2x = 4", None, "x = 0"), ("解方程 2x = 4", None, "x = 1"),
    ]  # fmt: skip
    assert JobStore(home).job(shown["job"]).spec["completions"] == 2


def test_sample_as_a_table(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("3x = 15\n\n  解方程 2x = 4\n", "utf-8")
    assert cli.main(["sample", "tiny", "--prompts", str(path), "-k", "2"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "3x = 15",
        "      5  x = 0",
        "      5+ x = 1",
        "解方程 2x = 4",
        "      5  x = 0",
        "      5+ x = 1",
    ]


def test_what_goes_wrong_is_a_sentence(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sample", "tiny", "--prompt", "p", "--seed", "13"]) == 1
    assert "The job failed with OSError: no" in capsys.readouterr().err
    assert cli.main(["sample", "tiny", "--prompts", str(tmp_path / "none.txt")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert cli.main(["sample", "tiny", "--prompt", "p", "-k", "0"]) == 2
    assert "completions is 0" in capsys.readouterr().err
    assert cli.main(["preflight", "tiny/sft"]) == 2
    assert "GRPO and PPO" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["sample", "tiny"])


def test_preflight_in_words(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.main(["preflight", "tiny/grpo", "-n", "100", "--set", "group_size=4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "It may learn little: 61 % of the groups have no spread (51–70 %), most of them with low rewards"
    )
    assert "61 / 100 = 61% (51% – 70%)" in out
    job = JobStore(home).jobs()[0]
    assert (job.spec["prompts"], job.spec["recipe"]["group_size"]) == (100, 4)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert cli.main(["preflight", "tiny/grpo"]) == 0
    assert capsys.readouterr().out.startswith("可能学到很少: 61% 的组没有差异")
    assert cli.main(["preflight", "tiny/grpo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["key"] == "too_hard"


def test_preflight_tells_how_rules_go_together_and_what_people_say(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(home, allow_unsafe_disk=True)
    annotation = Annotation(store)
    collection = sums(annotation)
    store.close()
    assert cli.main(["preflight", "tiny/grpo", "--collection", "nobody's"]) == 1
    assert "Known are: sums" in capsys.readouterr().err
    assert cli.main(["preflight", "tiny/grpo", "--collection", "sums"]) == 1
    assert "Nobody has decided a pair of “sums” yet" in capsys.readouterr().err
    store = Store(home, allow_unsafe_disk=True)
    judge_all(Annotation(store), ANNA, collection)
    store.close()
    assert cli.main(["preflight", "tiny/grpo", "--collection", "sums"]) == 0
    out = capsys.readouterr().out
    assert JobStore(home).jobs()[0].spec["collection"] == collection
    assert "Agreement with people on 20 judged pairs (95 % interval): 72% (51% – 87%)" in out
    assert "3 of them ranked alike" in out
    assert [line.split() for line in out.splitlines()[-4:]] == [
        ["1", "length"], ["1", "short", "−1.00"], ["2", "terse", "−1.00", "+1.00"], ["the", "reward", "−1.00"],
    ]  # fmt: skip

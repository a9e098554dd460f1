"""``python -m lab study`` and ``report`` as a person runs them: what is trained, printed, written, and how they end."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.commands import study as command
from lab.runs import foreground
from lab.runs.launcher import LocalLauncher
from lab.runs.progress import Summary
from lab.store.runs import RunState, Store
from tests.runs.test_studies import command as study_worker

STUDY = """\
base = "tiny"
seeds = [1]
title = { en = "Two", zh = "两个" }
about = { en = "Two runs.", zh = "两个运行。" }
[[entries]]
name = "sft"
label = { en = "SFT", zh = "SFT" }
preset = "tiny/sft"
changes = { steps = 3, measure_every = 0, about_en = "" }
[[entries]]
name = "grpo"
label = { en = "GRPO", zh = "GRPO" }
preset = "tiny/grpo"
start = "sft"
changes = { steps = 3, measure_every = 0, about_en = "" }
"""


@pytest.fixture
def store(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(foreground, "LocalLauncher", lambda **_: LocalLauncher(study_worker))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Store(lab_home)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    return str(path)


def _with_grpo(how: str) -> str:
    """The study whose GRPO the fake worker runs so."""
    first, second = STUDY.split('start = "sft"')
    return first + 'start = "sft"' + second.replace('about_en = ""', f'about_en = "{how}"')


def test_the_studies_there_are(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", "--json"]) == 0
    rows = {row["study"]: row for row in json.loads(capsys.readouterr().out)["studies"]}
    assert (rows["tiny/course"]["finished"], rows["tiny/course"]["runs"]) == (0, 21)
    assert all("error" not in row for row in rows.values())  # every shipped study is valid


def test_trained_once_reported_and_recorded(
    store: Store, mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["study", mine, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["complete"] and [run["entry"] for run in told["runs"]] == ["sft", "grpo"] and len(told["trained"]) == 2
    assert cli.main(["study", mine]) == 0
    printed = capsys.readouterr()
    assert "nothing was trained" in printed.err and told["runs"][1]["run"] in printed.out
    assert len(store.runs()) == 2

    page = tmp_path / "page.html"
    assert cli.main(["report", mine, "--out", str(page)]) == 0
    assert told["runs"][1]["run"] in page.read_text("utf-8") and str(page) in capsys.readouterr().out
    assert cli.main(["report", told["runs"][0]["run"], "--csv"]) == 0
    assert [row["algorithm"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["sft"]

    assert cli.main(["study", mine, "--record", str(tmp_path / "recorded"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 2 and (tmp_path / "recorded" / "study.json").is_file()


def test_a_failed_member_ends_it_with_1(store: Store, mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(mine).write_text(_with_grpo('{\\"crash_at\\": 2}'))
    assert cli.main(["study", mine]) == 1
    printed = capsys.readouterr()
    assert "GRPO, seed 1: failed: " in printed.err and "1 of 2 runs of mine did not end" in printed.err
    assert "SFT" in printed.out


def test_stopped_it_ends_with_130_and_says_how_to_go_on(
    store: Store, mine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(mine).write_text(_with_grpo('{\\"seconds\\": 0.4}'))
    shown = command._Teller.progress

    def press(teller: command._Teller, now: Summary) -> None:
        shown(teller, now)
        if now["algorithm"] == "grpo" and now["step"] >= 1 and now["state"] == "running" and not pressed:
            pressed.append(1)
            os.kill(os.getpid(), signal.SIGINT)

    pressed: list[int] = []
    monkeypatch.setattr(command._Teller, "progress", press)
    assert cli.main(["study", mine]) == 130
    assert f"python -m lab study {mine}" in capsys.readouterr().err
    assert [run.state for run in store.runs()] == [RunState.STOPPED, RunState.FINISHED]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["study", "nothing"], 2, "There is no study “nothing”"),
        (["study", "tiny/course", "--seeds", "one"], 2, "--seeds one"),
        (["study", "tiny/course", "--seeds", "1,1"], 2, "the seed 1 stands twice"),
        (["study", "tiny/course", "--record", "x"], 1, "21 of 21 have not"),
        (["report", "nothing"], 1, "neither a study nor a run"),
        (["report", "tiny/course"], 1, "has no run yet"),
        (["report", "20260101-000000-aaaa"], 1, "20260101-000000-aaaa"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    store: Store, arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == status
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1 and printed.out == ""

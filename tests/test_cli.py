"""``python -m lab`` as a person runs it: exit status, sentences, tables, Ctrl-C."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.commands.arguments import run_called
from lab.core.recipes import parse
from lab.runs import foreground
from lab.runs.launcher import LocalLauncher
from lab.runs.slots import slot_path
from lab.store.lines import Line
from lab.store.locks import try_lock
from lab.store.runs import RunState, Store
from tests.runs.conftest import fake_command, recipe, wait_for

ROOT = Path(__file__).resolve().parents[1]
FAKE = (
    "import sys; from lab import __main__ as cli; from lab.runs import foreground\n"
    "from lab.runs.launcher import LocalLauncher; from tests.runs.conftest import fake_command\n"
    "foreground.LocalLauncher = lambda **_: LocalLauncher(fake_command)\n"
)
GO = "sys.exit(cli.main(sys.argv[1:]))"
"""Python that is ``python -m lab`` with the fake worker: the one, whatever else is to be replaced, the other."""


@pytest.fixture
def store(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(foreground, "LocalLauncher", lambda **_: LocalLauncher(fake_command))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Store(lab_home)


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('algorithm = "grpo"\nname = "mine"\nmodel = "tiny"\nsteps = 5\nsave_every = 2\n')
    return path


def worked_group(step: int) -> Line:
    """The worked example of the course, as a worker writes it."""
    answers = [("x = 5", 1, 3.0), ("x = 15/3", 0.5, 2.5), ("无解", 0, 0.0)]
    completions = [
        {
            "text": text,
            "tokens": 4,
            "truncated": False,
            "scores": {"integer": score, "consistent": {"error": "timeout"} if not score else 1.0},
            "reward": reward,
            "advantage": round((reward - 2.3) / 1.3038, 4),
            "kept": reward > 2.3,
            "why_dropped": None if reward > 2.3 else "below_mean",
        }
        for text, score, reward in answers
    ]
    threshold = {"kind": "above_mean", "fraction": 0.2}
    named = {"version": 1, "step": step, "group": 0, "prompt": "解方程 3x + 5 = 20", "answer": "5"}
    return {**named, "mean": 2.3, "std": 1.3038, "threshold": threshold, "completions": completions}


def test_every_command_has_help_that_helps(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.COMMANDS:
        module = importlib.import_module(f"lab.commands.{name.replace('-', '_')}")
        assert module.__doc__
        with pytest.raises(SystemExit) as caught:
            cli.main([name, "--help"])
        assert caught.value.code == 0
        assert "--home DIR" in capsys.readouterr().out


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ([], ["trian"], ["train"], ["runs", "--nonsense"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(wrong)
        assert caught.value.code == 2


def test_train_to_the_end(store: Store, preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", str(preset), "--set", "steps=3", "--set", "name=third time", "--json"]) == 0
    printed = capsys.readouterr()
    assert "Time: not measured yet" in printed.err, "time is said at the start, known or not"
    shown = json.loads(printed.out)
    assert (shown["state"], shown["step"], shown["steps"], shown["name"]) == ("finished", 3, 3, "third time")
    assert cli.main(["runs", "--json"]) == 0
    assert [run["id"] for run in json.loads(capsys.readouterr().out)["runs"]] == [shown["id"]]
    assert cli.main(["runs", shown["id"]]) == 0
    assert "s go: " in capsys.readouterr().out, "where the time of its steps goes"
    assert cli.main(["runs"]) == 0
    assert shown["id"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["train", "tiny/nothing"], 2, "tiny/nothing"),
        (["train", "{preset}", "--set", "stepps=3"], 2, "steps"),
        (["train", "{preset}", "--set", "steps"], 2, "steps"),
        (["train", "{preset}", "--set", "steps=-1"], 2, "-1"),
        (["train", "{preset}", "--set", "batch_size=63"], 2, "64"),
        (["runs", "--home", "app.py"], 2, "app.py"),
        (["train", "{preset}", "--set", "model=/no/where"], 1, "/no/where"),
        (["train", "{preset}", "--set", "dataset=none.jsonl"], 1, "none.jsonl"),
        (["resume", "20260101-000000-aaaa"], 1, "20260101-000000-aaaa"),
        (["stop", "../x"], 1, "../x"),
        (["groups", "x"], 1, "x"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    store: Store, preset: Path, arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 where what was typed is wrong, 1 where it failed."""
    assert cli.main([argument.replace("{preset}", str(preset)) for argument in arguments]) == status
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err and output.err.count("\n") == 1 and "Traceback" not in output.err


def test_a_failed_run_says_why(store: Store, preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = json.dumps({"crash_at": 2, "say": "ValueError: boom"})
    assert cli.main(["train", str(preset), "--set", f"about_en={how}"]) == 1
    assert "ValueError: boom" in capsys.readouterr().err


def test_a_busy_slot_names_the_run(store: Store, preset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.create_run(recipe())
    store.change(run.id, state=RunState.RUNNING)
    with try_lock(slot_path(store.home)):  # type: ignore[union-attr]
        assert cli.main(["train", str(preset)]) == 1
    assert run.id in capsys.readouterr().err
    assert len(store.runs()) == 1  # nothing was queued


def test_groups(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.create_run(recipe())
    assert cli.main(["groups", run.id]) == 1
    capsys.readouterr()
    for step in (1, 2):
        store.folder(run.id).append("groups", worked_group(step))
    assert cli.main(["groups", run.id]) == 0
    shown = capsys.readouterr().out
    assert "step 2" in shown and "解方程 3x + 5 = 20" in shown
    dropped = next(line for line in shown.splitlines() if "无解" in line)
    assert dropped.split()[:7] == ["3", "0", "error", "0", "−1.764", "✕", "below"]
    assert cli.main(["groups", run.id, "--step", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"groups": [worked_group(1)]}
    assert cli.main(["groups", run.id, "--step", "9"]) == 1
    assert "1–2" in capsys.readouterr().err


def test_a_ppo_completion_token_by_token(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.create_run(parse({"algorithm": "ppo", "discount": 0.9, "gae_lambda": 0.5}))
    told = {"values": [0.5, 1.0, -0.25], "token_advantages": [-1.0, 0.0, 2.0]}
    old, new = worked_group(1), worked_group(2)
    old["completions"][0] |= told
    new["completions"][1] |= told | {"token_texts": [" x", "", {"special": "<|end|>"}]}
    new["whitening"] = {"mean": 1.0, "std": 0.5}
    for group in (old, new):
        store.folder(run.id).append("groups", group)
    assert cli.main(["groups", run.id, "--tokens", "2"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    # GAE = advantage · std + mean = .5, 1, 2; δ = GAE − γλ GAE' = .05, .1, 2; r = δ − γV' + V = −.35, 1.325, 1.75
    assert ["0", "␣x", "+0.500", "−0.350", "+0.050", "+0.500", "−1.000"] in shown
    assert ["1", "(part", "of", "a", "character)", "+1.000", "+1.325", "+0.100", "+1.000", "0.000"] in shown
    assert ["2", "<|end|>", "−0.250", "+1.750", "+2.000", "+2.000", "+2.000"] in shown
    assert cli.main(["groups", run.id, "--step", "1", "--tokens"]) == 0
    shown_old = capsys.readouterr().out
    assert ["2", "–", "−0.250", "–", "–", "–", "+2.000"] in [line.split() for line in shown_old.splitlines()]
    assert "earlier version" in shown_old
    assert cli.main(["groups", run.id, "--tokens", "9"]) == 2
    assert "from 1 to 3" in capsys.readouterr().err
    grpo = store.create_run(recipe())
    store.folder(grpo.id).append("groups", worked_group(1))
    assert cli.main(["groups", grpo.id, "--tokens"]) == 1
    assert "grpo trains no critic" in capsys.readouterr().err


def test_a_grpo_completion_token_by_token_at_its_last_update(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.create_run(recipe())
    store.folder(run.id).append("groups", worked_group(1))
    told = {"index": 1, "token_texts": [" x", {"special": "<|end|>"}], "token_ids": [4, 1], "logps": [-0.5, -0.25]}
    told |= {"entropies": [1.5, 0.0], "clipped": [True, False], "parts": [-0.125, 0.0625]}
    for update, ratios in ((1, [1.0, 1.0]), (2, [1.25, 0.75])):
        place = {"version": 1, "step": 1, "group": 0, "at": update, "update": update}
        store.folder(run.id).append("tokens", place | {"completions": [told | {"ratios": ratios}]})
    assert cli.main(["groups", run.id, "--tokens", "2"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0", "␣x", "−0.5", "+1.5", "+1.25", "−0.125", "✂"] in shown
    assert ["1", "<|end|>", "−0.25", "+0", "+0.75", "+0.0625"] in shown
    assert cli.main(["groups", run.id, "--tokens", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ratios"] == [1.25, 0.75]
    assert cli.main(["groups", run.id, "--tokens", "1"]) == 1
    assert "completion 1 in group 1 of step 1 were not kept" in capsys.readouterr().err


def test_stop_takes_a_queued_run_out(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.create_run(recipe())
    assert cli.main(["stop", run.id]) == 0
    assert store.run(run.id).state is RunState.STOPPED
    assert cli.main(["stop", run.id]) == 1


def test_ctrl_c_leaves_a_resumable_run(store: Store, preset: Path) -> None:
    process = _train(preset, {"seconds": 0.05}, steps=2000)
    wait_for(lambda: store.runs() and store.folder(store.runs()[0].id).metrics().lines)
    process.send_signal(signal.SIGINT)
    _out, said = process.communicate(timeout=60)
    run = store.runs()[0]
    assert process.returncode == 130
    assert run.state is RunState.STOPPED and store.folder(run.id).last_checkpoint()
    assert f"python -m lab resume {run.id}" in said
    assert cli.main(["stop", run.id]) == 1


def test_ctrl_c_twice_ends_it_now(store: Store, preset: Path) -> None:
    process = _train(preset, {"seconds": 600}, steps=2)
    wait_for(lambda: store.runs() and store.runs()[0].pid)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: store.folder(store.runs()[0].id).stop_requested())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert store.runs()[0].state is RunState.STOPPED


def test_stop_now_when_nobody_watches(store: Store, preset: Path) -> None:
    process = _train(preset, {"seconds": 600}, steps=2)
    wait_for(lambda: store.runs() and store.runs()[0].pid)
    process.kill()
    process.communicate()
    assert cli.main(["stop", store.runs()[0].id, "--now"]) == 0
    assert store.runs()[0].state is RunState.STOPPED


def test_runs_tells_the_truth_without_an_app(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.create_run(recipe())
    store.change(run.id, state=RunState.RUNNING, pid=1, pid_started=1.0, boot_id="an earlier boot")
    assert cli.main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["state"] == "lost"


def test_the_command_line_loads_no_torch() -> None:
    code = "import sys, lab.__main__ as m; m.parser(); print([n for n in ('torch', 'transformers', 'gradio') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_doctor(lab_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["device"] in ("cpu", "cuda", "mps")
    assert {"home", "training", "bf16"} <= {finding["what"] for finding in found["findings"]}
    assert found["versions"]["trl"]


def test_ctrl_c_in_a_tour_keeps_its_runs(store: Store, tmp_path: Path) -> None:
    """Its home is thrown away only where it came to its end."""
    legs = "[Leg(name='slow', preset=sys.argv.pop())]"
    code = (
        FAKE
        + f"from lab.commands import tour; from lab.runs import tour as legs; Leg = legs.Leg\ntour.CHAIN = legs.CHAIN = {legs}\n"
        + GO
    )
    slow = tmp_path / "slow.toml"
    slow.write_text('algorithm = "grpo"\nmodel = "tiny"\nsteps = 2000\nabout_en = \'{"seconds": 0.05}\'\n')
    process = subprocess.Popen(
        [sys.executable, "-c", code, "tour", "--stages", "slow", "--seeds", "1", str(slow)],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: list(tmp_path.glob("lab-tour-*/runs/*/metrics.jsonl")))
    process.send_signal(signal.SIGINT)
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    (home,) = tmp_path.glob("lab-tour-*")
    (run,) = Store(home).runs()
    assert run.state is RunState.STOPPED
    assert f"python -m lab resume {run.id} --home {home}" in said and "Traceback" not in said


def _train(preset: Path, how: dict[str, object], steps: int) -> subprocess.Popen[str]:
    """``lab train`` in a process of its own, with the fake worker."""
    sets = ["--set", f"steps={steps}", "--set", f"about_en={json.dumps(how)}"]
    command = [sys.executable, "-c", FAKE + GO, "train", str(preset), *sets]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_last_is_the_newest_run_that_has_finished(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["groups", "last"]) == 1
    assert "No run has finished" in capsys.readouterr().err
    first, second, _going = (store.create_run(recipe()) for _ in range(3))
    for run in (first, second):
        store.change(run.id, state=RunState.FINISHED)
        store.folder(run.id).append("groups", worked_group(1 if run is first else 7))
    assert cli.main(["groups", "last"]) == 0
    assert "step 7" in capsys.readouterr().out
    assert run_called(store, "last@5") == f"{second.id}@5" and run_called(store, first.id) == first.id

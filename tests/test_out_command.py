"""``python -m lab out`` and ``eject`` as a person runs them, with a worker that only writes what the real one would."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.core.recipes import parse
from lab.runs import foreground, leaving
from lab.runs.launcher import LocalLauncher
from lab.store.jobs import JobStore
from lab.store.models import SHIPPED
from lab.store.runs import RunState, Store
from tests.store.test_moved_bases import make_adapter

FAKE = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
(folder / "out").mkdir()
(folder / "out" / "README.md").write_text(json.dumps(job["spec"]))
result = {"state": "finished", "error": None, "files": ["README.md"], "checked": {"same": 6, "of": 6}, "base": "base", "gguf": None}
(folder / "result.json").write_text(json.dumps(result))
"""


@pytest.fixture
def run(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    launcher = LocalLauncher(lambda path: [sys.executable, "-c", FAKE, str(path)])
    monkeypatch.setattr(foreground, "LocalLauncher", lambda **_: launcher)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    store = Store(lab_home)
    run = store.create_run(parse({"algorithm": "sft", "training": "lora"}))
    store.change(run.id, state=RunState.FINISHED)
    make_adapter(store.folder(run.id).model_path, SHIPPED["tiny"])
    store.close()
    return run.id


def test_a_model_is_put_where_it_was_asked_for(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "deep" / "model"
    assert cli.main(["out", f"run:{run}", str(target), "--merge", "--gguf", "q8_0", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folder"] == str(target) and shown["checked"] == {"same": 6, "of": 6} and shown["pushed"] is None
    assert json.loads((target / "README.md").read_text()) == {"run": run, "merge": True, "gguf": "q8_0"}


def test_a_script_is_put_where_it_was_asked_for(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eject", run, str(tmp_path / "script")]) == 0
    assert str(tmp_path / "script") in capsys.readouterr().out
    assert (tmp_path / "script" / "README.md").is_file()


def test_a_folder_that_is_not_empty_is_refused_before_anything_is_done(
    run: str, lab_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    for command in ("out", "eject"):
        assert cli.main([command, run, str(tmp_path / "full")]) == 2  # what was typed is wrong
        assert "not an empty folder" in capsys.readouterr().err
    assert not list((lab_home / "jobs").glob("2*")) and (tmp_path / "full" / "mine.txt").read_text() == "keep"


def test_what_cannot_leave_is_one_sentence(
    run: str, lab_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(lab_home)
    going = store.create_run(parse({"algorithm": "sft"}))
    store.close()
    for asked, told in ((going.id, "its model is not there yet"), ("20200101-000000-aaaa", "There is no run")):
        assert cli.main(["out", asked, str(tmp_path / "x")]) == 1
        assert told in capsys.readouterr().err
    assert cli.main(["out", "../../etc", str(tmp_path / "x")]) == 1
    assert "There is no run" in capsys.readouterr().err
    assert cli.main(["out", f"{run}@7", str(tmp_path / "x")]) == 1
    assert not (tmp_path / "x").exists()
    assert len(JobStore(lab_home).jobs()) == 0


def test_pushing_needs_a_token_and_says_so(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert cli.main(["out", run, str(tmp_path / "model"), "--push", "me/model"]) == 2
    assert "HF_TOKEN" in capsys.readouterr().err
    assert not (tmp_path / "model").exists(), "it is known before the work"


def test_a_push_sends_the_folder(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, object]]] = []

    class Hub:
        endpoint = "https://hub.example"

        def __init__(self, **_: object) -> None: ...

        def create_repo(self, name: str, **how: object) -> None:
            sent.append((name, how))

        def upload_folder(self, **what: object) -> None:
            sent.append(("folder", what))

    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    assert leaving.push(tmp_path, "me/model") == "https://hub.example/me/model"
    assert sent[0] == ("me/model", {"private": True, "exist_ok": True})
    assert sent[1][1]["folder_path"] == tmp_path and sent[1][1]["repo_id"] == "me/model"

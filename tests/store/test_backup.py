"""Backup, restore, verify: whole or not at all, of a home in use, and nothing is trusted on the way back."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import sqlite3
import tarfile
import threading
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.classroom.state import StateFile
from lab.core.recipes import parse
from lab.errors import InputError, MachineError, StateError
from lab.store.backup import backup, restore
from lab.store.run_folder import RunFolder
from lab.store.runs import Run, RunState, Store
from lab.store.verify import verify_backup, verify_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in use: a finished run, one that goes on from it, users, a fetched model."""
    home = tmp_path / "home"
    store = Store(home)
    base = made(store, "finished", RunState.FINISHED)
    child = made(store, "going on", RunState.RUNNING)
    store.change(child.id, pid=2**22 + 1, pid_started=1.0, boot_id="this boot")
    adapter = store.folder(child.id).checkpoint_path(5)
    adapter.mkdir(parents=True)
    config = {"base_model_name_or_path": str(store.folder(base.id).model_path), "r": 16}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    (adapter / "complete").touch()
    (home / "users.toml").write_text("version = 1\n")
    (home / "secret_key").write_text("nobody may know")
    model = home / "models" / "big"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    return home


def made(store: Store, name: str, state: RunState) -> Run:
    run = store.create_run(parse({"algorithm": "grpo", "name": name}))
    store.change(run.id, state=state)
    for step in (1, 2):
        store.folder(run.id).append("metrics", {"step": step})
    if state is RunState.FINISHED:
        store.folder(run.id).write("result.json", {"state": "finished"})
        store.folder(run.id).model_path.mkdir()
    return run


@pytest.fixture(params=["lab.tar", "lab"])
def saved(home: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    target = tmp_path / str(request.param)
    copied = backup(home, target)
    assert (copied.runs, copied.listed) == (2, ("models/big",))
    return target


def test_a_home_comes_back(home: Path, saved: Path, tmp_path: Path) -> None:
    assert all(finding.ok for finding in verify_backup(saved))
    other = tmp_path / "other"
    restore(saved, other)
    assert all(finding.ok for finding in verify_home(other))
    store, before = Store(other), Store(home)
    lost, finished = store.runs()
    assert (finished, [run.id for run in store.runs()]) == (before.runs()[1], [run.id for run in before.runs()])
    assert store.folder(lost.id).metrics().lines == [{"step": 1}, {"step": 2}]
    assert (lost.state, lost.pid, lost.boot_id) == (RunState.LOST, None, None), "its worker is the other home's"
    assert lost.error == {"key": "worker_lost", "params": {"step": 5}}
    _step, adapter = store.folder(lost.id).last_checkpoint() or (0, Path())
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config == {"base_model_name_or_path": str(store.folder(finished.id).model_path), "r": 16}
    assert (other / "users.toml").stat().st_mode & 0o077 == 0
    assert not (other / "secret_key").exists() and not (other / "models" / "big").exists()
    assert before.run(lost.id).state is RunState.RUNNING


def test_fetched_models_come_along_when_asked_for(home: Path, tmp_path: Path) -> None:
    assert backup(home, tmp_path / "all.tar", fetched=True).listed == ()
    restore(tmp_path / "all.tar", tmp_path / "other")
    assert (tmp_path / "other" / "models" / "big" / "model.safetensors").read_bytes() == b"weights"


def test_the_database_is_of_one_moment(home: Path, tmp_path: Path) -> None:
    """Beside an open transaction: what is not committed is not in it, and a folder without a row stays away."""
    with sqlite3.connect(home / "lab.db") as other:
        other.execute("UPDATE runs SET name = 'not yet'")
        (home / "runs" / "20260101-000000-aaaa").mkdir()
        (home / "runs" / "20260101-000000-aaaa" / "recipe.json").write_text("{}")
        backup(home, tmp_path / "lab")
        other.rollback()
    restore(tmp_path / "lab", tmp_path / "other")
    assert {run.name for run in Store(tmp_path / "other").runs()} == {"finished", "going on"}
    assert not (tmp_path / "other" / "runs" / "20260101-000000-aaaa").exists()


@pytest.mark.parametrize("name", ["lab.tar", "lab"])
def test_a_run_goes_on_meanwhile(home: Path, tmp_path: Path, name: str) -> None:
    folder, done = RunFolder(home / "runs" / Store(home).runs()[0].id), threading.Event()

    def work() -> None:
        for step in itertools.count(3):
            folder.append("metrics", {"step": step})
            if done.is_set():
                return

    worker = threading.Thread(target=work)
    worker.start()
    backup(home, tmp_path / name)
    done.set()
    worker.join()
    assert all(finding.ok for finding in verify_backup(tmp_path / name))
    restore(tmp_path / name, tmp_path / "other")
    lines = RunFolder(tmp_path / "other" / "runs" / folder.path.name).metrics().lines
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))


def test_nothing_is_written_over(home: Path, saved: Path) -> None:
    with pytest.raises(InputError, match="backup_target_taken"):
        backup(home, saved)
    with pytest.raises(StateError, match="restore_home_not_empty"):
        restore(saved, home)
    assert all(finding.ok for finding in verify_home(home))


def test_a_changed_backup_is_seen_and_not_restored(saved: Path, tmp_path: Path) -> None:
    if saved.is_dir():
        changed = next(saved.glob("runs/*/metrics.jsonl"))
        changed.write_text(changed.read_text().replace("1", "3"))
    else:
        saved.write_bytes(saved.read_bytes().replace(b'{"step":1}', b'{"step":3}'))
    assert next(finding.key for finding in verify_backup(saved) if not finding.ok) == "file_changed"
    with pytest.raises(InputError, match="backup_changed"):
        restore(saved, tmp_path / "other")
    assert not list(tmp_path.glob("*other*")) and not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize("path", ["../outside", "/tmp/outside", "runs/../../outside", "manifest.json"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    manifest = {"version": 1, "home": "/x", "runs": 0, "listed": [], "files": [{"path": path, "size": 0, "sha256": ""}]}
    text = json.dumps(manifest).encode()
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    with pytest.raises(InputError, match="backup_unreadable"):
        restore(tmp_path / "evil.tar", tmp_path / "other")


def test_what_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "file.tar").write_text("no tar")
    for wrong in ("file.tar", "nowhere", "."):
        with pytest.raises(InputError, match="backup_unreadable"):
            verify_backup(tmp_path / wrong)
    with pytest.raises(InputError, match="backup_no_home"):
        backup(tmp_path, tmp_path / "lab.tar")
    assert not (tmp_path / "lab.tar").exists()


def test_a_disk_that_fills_up_leaves_nothing_behind(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lab.store.archive._Folder.put", full)
    with pytest.raises(MachineError, match="disk_full"):
        backup(home, tmp_path / "lab")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_verify_names_what_is_wrong(home: Path) -> None:
    going_on, finished = (RunFolder(home / "runs" / run.id) for run in Store(home).runs())
    (finished.path / "result.json").unlink()
    (going_on.path / "recipe.json").write_text("half of")
    (home / "runs" / "20260101-000000-aaaa").mkdir()
    wrong = {finding.key for finding in verify_home(home) if not finding.ok}
    assert wrong == {"run_without_result", "run_without_recipe", "run_without_row"}
    shutil.rmtree(finished.path)
    assert "run_without_folder" in {finding.key for finding in verify_home(home)}
    with sqlite3.connect(home / "lab.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert "schema_older" in {finding.key for finding in verify_home(home) if not finding.ok}


def test_verify_sees_a_broken_database(home: Path) -> None:
    for beside in ("-wal", "-shm"):
        (home / f"lab.db{beside}").unlink(missing_ok=True)
    data = bytearray((home / "lab.db").read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    (home / "lab.db").write_bytes(data)
    assert next(finding.key for finding in verify_home(home) if not finding.ok) == "database_broken"


def test_the_commands(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, other = str(tmp_path / "lab.tar"), str(tmp_path / "other")
    assert cli.main(["backup", target, "--home", str(home)]) == 0
    assert "2 runs" in (said := capsys.readouterr().out) and "models/big" in said
    assert cli.main(["verify", target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["whole"] is True
    assert cli.main(["restore", target, "--home", other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == other
    assert cli.main(["verify", "--home", other]) == 0
    assert "✓  runs" in capsys.readouterr().out
    assert cli.main(["restore", target, "--home", other]) == 1
    assert other in capsys.readouterr().err
    assert cli.main(["backup", target, "--home", str(home)]) == 2
    assert cli.main(["verify", "--home", str(tmp_path / "nowhere")]) == 2
    assert not (tmp_path / "nowhere").exists()


def test_the_class_and_own_studies_are_in_it(home: Path, tmp_path: Path) -> None:
    """What the owner chose, who came, the leaderboard, whose run is whose, the votes; and the studies that were made here."""
    store = Store(home)
    state = StateFile(home)
    code = state.change(paused=True, ask_code=True).code
    run = store.runs()[0].id
    with sqlite3.connect(home / "lab.db") as database:
        database.execute("INSERT INTO class_people VALUES ('g-1', 'Lin', 1, 1.0)")
        database.execute("INSERT INTO class_runs VALUES (?, 'g-1', 2.0)", (run,))
        database.execute("INSERT INTO class_votes VALUES ('q', 'g-1', '[0]', 3.0)")
    (home / "studies").mkdir(exist_ok=True)
    (home / "studies" / "mine.json").write_text("{}")
    (home / "recordings" / "taken-1").mkdir(parents=True)
    (home / "recordings" / "taken-1" / "groups.jsonl").write_text("{}\n")
    target = tmp_path / "class.tar"
    backup(home, target)
    assert all(finding.ok for finding in verify_backup(target))
    other = tmp_path / "other"
    restore(target, other)
    restored = StateFile(other).now
    assert (restored.paused, restored.ask_code, restored.code) == (True, True, code)
    with sqlite3.connect(other / "lab.db") as database:
        assert database.execute("SELECT name FROM class_people").fetchall() == [("Lin",)]
        assert database.execute("SELECT run, person FROM class_runs").fetchall() == [(run, "g-1")]
        assert database.execute("SELECT chosen FROM class_votes").fetchall() == [("[0]",)]
    assert (other / "studies" / "mine.json").read_text() == "{}"
    assert (other / "recordings" / "taken-1" / "groups.jsonl").read_text() == "{}\n"


def test_verify_says_where_a_class_cannot_be_read(home: Path) -> None:
    def told() -> list[tuple[bool, str]]:
        return [(finding.ok, finding.key) for finding in verify_home(home) if finding.what == "class"]

    assert told() == []
    StateFile(home).change(paused=True)
    assert told() == [(True, "class_whole")]
    (home / "class.json").write_text('{"paused": tr')
    assert told() == [(False, "class_unreadable")]


@pytest.mark.parametrize("name", ["lab.tar", "lab"])
@pytest.mark.parametrize(("text", "ok"), [('{"paused": true}', True), ('{"paused": tr', False), ("[]", False)])
def test_verify_reads_the_class_in_a_backup_too(home: Path, tmp_path: Path, name: str, text: str, ok: bool) -> None:
    (home / "class.json").write_text(text)
    backup(home, tmp_path / name)
    findings = {finding.what: finding for finding in verify_backup(tmp_path / name)}
    assert findings["class"].ok is ok and findings["files"].ok
    assert (cli.main(["verify", str(tmp_path / name)]) == 0) is ok


@pytest.mark.parametrize(
    ("language", "said"), [("en_US.UTF-8", "what people uploaded"), ("zh_CN.UTF-8", "用户上传的数据")]
)
def test_uploads_that_stay_behind_are_named_with_what_takes_them_along(
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    said: str,
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    upload = "data/upload-20260101-000000-abcd"
    (home / upload).mkdir(parents=True)
    (home / upload / "rows.jsonl").write_text("{}\n")
    assert cli.main(["backup", str(tmp_path / "a.tar"), "--home", str(home)]) == 0
    *_, fetched, left = capsys.readouterr().out.splitlines()
    assert upload in left and said in left and "--models" in left
    assert "models/big" in fetched and upload not in fetched
    assert cli.main(["restore", str(tmp_path / "a.tar"), "--home", str(tmp_path / "b")]) == 0
    assert upload in capsys.readouterr().out.splitlines()[-1]
    assert cli.main(["backup", str(tmp_path / "c.tar"), "--home", str(home), "--models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uploads"] == []
    assert cli.main(["restore", str(tmp_path / "c.tar"), "--home", str(tmp_path / "d")]) == 0
    assert (tmp_path / "d" / upload / "rows.jsonl").read_text() == "{}\n"

"""The database: what is written stays, ids are ours, and an unsafe disk is refused."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from sqlalchemy import event, text

from lab.core.recipes import parse
from lab.errors import InputError, LabError, MachineError, StartError, StateError
from lab.store import database
from lab.store.runs import RunState, Store, new_run_id, valid_run_id

RECIPE = parse({"algorithm": "grpo", "name": "first", "seed": 7})


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store(lab_home)


def test_a_run_is_there_after_a_restart(store: Store) -> None:
    run = store.create_run(RECIPE, dataset_hash="sha256:ab")
    assert run.state is RunState.QUEUED and valid_run_id(run.id)
    store.close()
    again = Store(store.home)
    assert again.run(run.id) == run and again.runs() == [run]
    written = again.folder(run.id).recipe()
    assert (written["version"], written["seed"], written["dataset_hash"]) == (1, 7, "sha256:ab")
    assert written["recipe"] == run.recipe == RECIPE.model_dump(mode="json")
    assert written["versions"]["trl"]


def test_sqlite_is_set_for_safety(store: Store) -> None:
    with store._engine.begin() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        other = sqlite3.connect(store.home / "lab.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError):  # BEGIN IMMEDIATE: we have the write lock already
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_the_newest_first_and_the_queue_in_order(store: Store) -> None:
    runs = [store.create_run(RECIPE) for _ in range(3)]
    assert [run.id for run in store.runs()] == [run.id for run in reversed(runs)]
    assert [run.id for run in store.queue()] == [run.id for run in runs]


def test_names(store: Store) -> None:
    run = store.create_run(parse({"algorithm": "grpo"}))
    assert run.name == "grpo"
    assert store.rename_run(run.id, "  乙\n run ").name == "乙 run"
    for bad in ("", " \t", "\x00", "x" * 121):
        with pytest.raises(InputError):
            store.rename_run(run.id, bad)


@pytest.mark.parametrize(
    "bad", ["", "..", "../x", "20261122-154501-k3f9/..", "20261122-154501-k3f9\n", "20261122-154501-K3F9", "x" * 10_000]
)
def test_no_path_can_be_made_of_an_id(store: Store, bad: str) -> None:
    assert not valid_run_id(bad)
    for call in (store.run, store.folder, store.delete_run):
        with pytest.raises(StateError) as caught:
            call(bad)
        assert caught.value.key == "no_such_run"


def test_new_ids_are_valid() -> None:
    assert all(valid_run_id(new_run_id(now)) for now in (0.0, 1e9, 1.79e9))


def test_delete(store: Store) -> None:
    first = store.create_run(RECIPE)
    with pytest.raises(StateError):
        store.delete_run(first.id)
    store.change(first.id, state=RunState.FINISHED)
    successor = store.create_run(parse({"algorithm": "grpo", "model": f"run:{first.id}"}))
    assert successor.parent == first.id
    store.change(successor.id, state=RunState.FINISHED)
    store.delete_run(first.id)
    assert [run.id for run in store.runs()] == [successor.id]
    assert not (store.home / "runs" / first.id).exists()


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.FINISHED])
@pytest.mark.parametrize(
    "recipe",
    [
        {"algorithm": "grpo", "model": "run:{run}"},
        {"algorithm": "grpo", "model": "run:{run}@50"},
        {"algorithm": "ppo", "reward_model": "run:{run}"},
        {"algorithm": "dpo", "dataset": "groups:{run}"},
    ],
)
def test_what_may_still_go_on_keeps_the_runs_that_it_names(
    store: Store, recipe: dict[str, str], state: RunState
) -> None:
    run = store.create_run(RECIPE)
    store.change(run.id, state=RunState.FINISHED)
    named = {name: value.format(run=run.id) for name, value in recipe.items()}
    needs = store.create_run(parse({"name": "needs it", **named}))
    store.change(needs.id, state=state)
    with pytest.raises(StateError) as caught:
        store.delete_run(run.id)
    assert (caught.value.key, caught.value.params["by"]) == ("run_is_needed", f"needs it ({needs.id})")
    assert store.folder(run.id).recipe(), "nothing was deleted"
    store.change(needs.id, state=RunState.FINISHED)
    store.delete_run(run.id)


@pytest.mark.parametrize("place", ["model", "checkpoints/step-5"])
def test_the_base_of_an_adapter_stays(store: Store, place: str) -> None:
    base, adapted = store.create_run(RECIPE), store.create_run(RECIPE)
    for run in (base, adapted):
        store.change(run.id, state=RunState.FINISHED)
    adapter = store.folder(adapted.id).path / place
    adapter.mkdir(parents=True)
    config = {"base_model_name_or_path": str(store.folder(base.id).model_path)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(StateError) as caught:
        store.delete_run(base.id)
    assert caught.value.key == "run_is_a_base"
    store.delete_run(adapted.id)
    store.delete_run(base.id)


def test_a_state_changes_once(store: Store) -> None:
    run = store.create_run(RECIPE)
    changed = []

    def settle() -> None:
        changed.append(store.change(run.id, only_if=[RunState.QUEUED], state=RunState.STOPPED))

    threads = [threading.Thread(target=settle) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [False] * 7 + [True]


def test_an_error_is_kept_with_its_parameters(store: Store) -> None:
    run = store.create_run(RECIPE)
    store.change(run.id, error=MachineError("disk_full", path=Path("/data")))
    assert store.run(run.id).error == {"key": "disk_full", "params": {"path": "/data"}}


def test_many_processes_make_the_same_home(lab_home: Path) -> None:
    code = f"from lab.store.runs import Store; Store({str(lab_home)!r}).runs()"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "fuseblk", "9p"])
def test_an_unsafe_disk_is_refused(lab_home: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="ext4"),
        SimpleNamespace(mountpoint=str(lab_home), fstype=kind),
        SimpleNamespace(mountpoint=f"{lab_home}-not", fstype="ext4"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    with pytest.raises(MachineError) as caught:
        Store(lab_home)
    assert caught.value.key == "unsafe_disk" and caught.value.params["file_system"] == kind
    Store(lab_home, allow_unsafe_disk=True).close()


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError) as caught:
        Store(tmp_path / "file" / "home")
    assert caught.value.key == "home_not_writable"


def test_a_database_of_a_later_lab_is_refused(store: Store) -> None:
    store.close()
    with sqlite3.connect(store.home / "lab.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(StartError) as caught:
        Store(store.home)
    assert caught.value.key == "database_too_new"


def start_error(home: Path) -> LabError:
    with pytest.raises(LabError) as caught:
        Store(home)
    return caught.value


def test_an_empty_database_beside_runs_is_not_a_new_lab(store: Store) -> None:
    store.create_run(parse({"algorithm": "sft"}))
    store.close()
    for suffix in ("", "-wal", "-shm"):
        (store.home / f"lab.db{suffix}").unlink(missing_ok=True)
    assert (start_error(store.home).key, start_error(store.home).params["runs"]) == ("database_empty", 1)
    (store.home / "lab.db").touch()
    assert start_error(store.home).key == "database_empty"


@pytest.mark.parametrize("content", [b"no database at all " * 400, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_database_is_one_sentence(lab_home: Path, content: bytes) -> None:
    lab_home.mkdir(exist_ok=True)
    (lab_home / "lab.db").write_bytes(content)
    assert start_error(lab_home).key == "database_damaged"
    assert (lab_home / "lab.db").read_bytes() == content


def test_a_database_that_was_cut_short_is_one_sentence(store: Store) -> None:
    store.close()
    path = store.home / "lab.db"
    path.write_bytes(path.read_bytes()[:5000])
    assert start_error(store.home).key == "database_damaged"


def test_a_folder_in_the_place_of_the_database_is_one_sentence(lab_home: Path) -> None:
    (lab_home / "lab.db").mkdir(parents=True)
    assert start_error(lab_home).key == "database_no_file"


def test_a_link_to_nowhere_in_the_place_of_the_database_is_one_sentence(lab_home: Path) -> None:
    lab_home.mkdir(exist_ok=True)
    (lab_home / "lab.db").symlink_to(lab_home / "missing" / "lab.db")
    assert start_error(lab_home).key == "home_not_writable"


def test_a_database_that_stays_locked_is_one_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    with sqlite3.connect(store.home / "lab.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert start_error(store.home).key == "database_locked"


def test_what_a_crash_left_of_a_deletion_is_swept(store: Store) -> None:
    rest = store.home / "runs" / ".deleted-20260101-000000-aaaa"
    rest.mkdir()
    Store(store.home).close()
    assert not rest.exists()


def test_a_full_disk_gives_up_the_reserve(store: Store) -> None:
    run = store.create_run(RECIPE)
    assert (store.home / "reserve").stat().st_size > 100_000

    def full(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(store._engine, "checkout", full)
    with pytest.raises(MachineError) as caught:
        store.change(run.id, error={"key": "long", "params": {"text": "x" * 100_000}})
    assert caught.value.key == "disk_full"
    assert not (store.home / "reserve").exists()
    assert store.run(run.id).error is None
    event.remove(store._engine, "checkout", full)
    store.change(run.id, state=RunState.FAILED)
    store.delete_run(run.id)
    assert (store.home / "reserve").exists()  # there is space again

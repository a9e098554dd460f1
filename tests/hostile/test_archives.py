"""What is restored or loaded: backups that list more than a backup holds, homes that are broken, models whose files are built to harm."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError, LabError, StartError
from lab.store.archive import Archive
from lab.store.backup import backup, restore
from lab.store.runs import Store
from lab.store.verify import verify_backup
from lab.words import LOCALES, word

RUN = "20260101-000000-aaaa"


def archive(target: Path, members: dict[str, bytes], **changes: Any) -> Path:
    """A backup with these files, whose manifest says what ``changes`` say."""
    entries = [
        {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    ]
    manifest = {"version": 1, "home": "/x", "runs": 0, "listed": [], "files": entries} | changes
    with tarfile.open(target, "w") as tar:
        for name, content in {"manifest.json": json.dumps(manifest).encode(), **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target


def refused(path: Path, folder: Path, key: str = "backup_unreadable") -> None:
    with pytest.raises(InputError) as caught:
        restore(path, folder / "other")
    assert caught.value.key == key
    for locale in LOCALES:
        assert "\n" not in word(caught.value, locale) and "\x1b" not in word(caught.value, locale)
    assert not (folder / "other").exists() and not list(folder.glob(".*part"))


NAMES = (
    *(
        "secret_key",
        "cache/x",
        "slots/x",
        "jobs/x",
        "reserve",
        "users.lock",
        "lab.db-wal",
        "lab.db-journal",
        "ended_sessions",
        "outside.json",
    ),
    *(
        "lab.db/x",
        "users.toml/x",
        "runs/x",
        "runs/../secret_key",
        f"runs/{RUN}",
        f"runs/{RUN}/../../secret_key",
        "runs/other/recipe.json",
    ),
    *(
        "runs/./x",
        f"runs//{RUN}/x",
        f"./runs/{RUN}/x",
        "/etc/passwd",
        "exports/a\nb",
        "exports/\x1b[2J",
        "exports/\u202eevil",
        "exports/a\0b",
    ),
    *("exports\\x", "exports/../lab.db", "", ".", "..", "LAB.DB", " lab.db", "lab.db ", "data/../../x", "models/\r"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_restore_writes_nothing_that_a_backup_does_not_hold(tmp_path: Path, name: str) -> None:
    files = {"lab.db": b""}
    entry = {"path": name, "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    refused(archive(tmp_path / "evil.tar", files, files=[entry]), tmp_path)


MANIFESTS: tuple[dict[str, Any], ...] = (
    {"runs": None}, {"runs": "3"}, {"runs": [1]}, {"listed": None}, {"listed": "x"}, {"listed": [1]}, {"listed": ["\x1b[2J"]}, {"home": None},
    {"home": 5}, {"home": "/x\ny"}, {"home": "\x1b]0;"}, {"version": None}, {"version": 2}, {"files": None}, {"files": {}}, {"files": [None]},
    {"files": [{"path": None, "size": 1, "sha256": ""}]}, {"files": [{"path": "lab.db"}]}, {"files": "lab.db"},
    {"files": [{"path": "lab.db", "size": 1e400, "sha256": ""}]},
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(MANIFESTS)))
def test_a_manifest_of_another_form_is_one_sentence(tmp_path: Path, number: int) -> None:
    path = archive(tmp_path / "evil.tar", {"lab.db": b""}, **MANIFESTS[number])
    refused(path, tmp_path)
    with pytest.raises(InputError):
        verify_backup(path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"null", b"[]", b"5", b"", b"\xff", b'{"files": NaN}'])
def test_a_manifest_that_is_none(tmp_path: Path, content: bytes) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    refused(tmp_path / "evil.tar", tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_no_file(tmp_path: Path, kind: bytes) -> None:
    path = archive(
        tmp_path / "evil.tar", {}, files=[{"path": "exports/x", "size": 0, "sha256": hashlib.sha256(b"").hexdigest()}]
    )
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("exports/x")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    refused(path, tmp_path, "backup_changed")


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are POSIX's")
@pytest.mark.parametrize("how", ["link", "folder link", "pipe", "device"])
def test_a_folder_that_leads_elsewhere(tmp_path: Path, how: str) -> None:
    saved, outside = tmp_path / "saved", tmp_path / "outside"
    (saved / "exports").mkdir(parents=True)
    outside.mkdir()
    (outside / "x").write_text("secret")
    target = saved / "exports" / "x"
    name = "exports/x"
    if how == "link":
        target.symlink_to(outside / "x")
    elif how == "folder link":
        (saved / "exports" / "in").symlink_to(outside)
        name = "exports/in/x"
    elif how == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to("/dev/zero")
    entry = {"path": name, "size": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    (saved / "manifest.json").write_text(
        json.dumps({"version": 1, "home": "/x", "runs": 0, "listed": [], "files": [entry]})
    )
    refused(saved, tmp_path, "backup_changed")


def test_a_restored_lab_has_a_key_of_its_own(tmp_path: Path) -> None:
    from lab.server.session import KEY_FILE, secret_key

    home = tmp_path / "home"
    Store(home, allow_unsafe_disk=True).close()
    before = secret_key(home)
    backup(home, tmp_path / "lab.tar")
    with closing(Archive(tmp_path / "lab.tar")) as saved:
        assert "lab.db" in {entry.path for entry in saved.entries}
        assert KEY_FILE not in {entry.path for entry in saved.entries}
    restore(tmp_path / "lab.tar", tmp_path / "other")
    assert secret_key(tmp_path / "other") != before


# ---- a home that is broken


def home_with(folder: Path, content: bytes | None) -> Path:
    home = folder / "home"
    Store(home, allow_unsafe_disk=True).close()
    for beside in ("-wal", "-shm"):
        (home / f"lab.db{beside}").unlink(missing_ok=True)
    if content is None:
        (home / "lab.db").unlink()
        (home / "lab.db").mkdir()
    else:
        (home / "lab.db").write_bytes(content)
    return home


@pytest.mark.parametrize(
    "content",
    [None, b"no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096, b"\0" * 8192],
    ids=["folder", "text", "header", "zeros"],
)
def test_a_database_that_is_none_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    with pytest.raises(StartError) as caught:
        Store(home_with(tmp_path, content), allow_unsafe_disk=True)
    assert caught.value.key in ("database_no_file", "database_damaged")


def test_an_empty_database_beside_runs_is_not_no_runs(tmp_path: Path) -> None:
    home = home_with(tmp_path, b"")
    (home / "runs" / RUN).mkdir()
    (home / "runs" / RUN / "recipe.json").write_text("{}")
    with pytest.raises(StartError, match="database_empty"):
        Store(home, allow_unsafe_disk=True)


def test_a_database_that_another_program_holds_is_one_sentence(make_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.annotation.collections import Annotation
    from tests.annotation.annotating import sums

    monkeypatch.setattr("lab.store.database.BUSY_SECONDS", 0.3)
    lab = make_lab()
    collection = sums(Annotation(lab.store), 2)
    with sqlite3.connect(lab.settings.home / "lab.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = lab.client().get(f"/api/annotate/collections/{collection}/pairs")
        assert answer.status_code == 503 and answer.json()["error"]["key"] == "database_busy"
        other.execute("ROLLBACK")
    assert lab.client().get(f"/api/annotate/collections/{collection}/pairs").status_code == 200


LINES = (b"5\n", b"[]\n", b'"x"\n', b"null\n", b"{}\n", b'{"step": "x"}\n', b'{"step": null}\n', b'{"step": [1]}\n', b'{"resumed_from": "x"}\n',
    b'{"step": 1e999}\n', b'{"step": true}\n', b"[" * 100_000 + b"\n", b"\xff\xfe\n", b'{"step": -1}\n', b'{"step": 1, "completions": 5}\n',
    b'{"step": 1, "group": "x", "completions": []}\n')  # fmt: skip


@pytest.mark.parametrize("name", ["metrics", "groups"])
@pytest.mark.parametrize("number", range(len(LINES)))
def test_one_line_of_another_form_leaves_the_run_readable(lab: Any, name: str, number: int) -> None:
    from tests.server.conftest import a_run, add_step

    run, folder = a_run(lab.store)
    with (folder.path / f"{name}.jsonl").open("ab") as file:
        file.write(LINES[number])
    add_step(folder, 4)
    client = lab.client(accept="application/json")
    frame = client.get(f"/api/runs/{run.id}/events")
    assert frame.status_code == 200 and {1, 2, 3, 4} <= {line.get("step") for line in frame.json()["metrics"]}
    assert client.get(f"/api/runs/{run.id}/groups").status_code == 200
    assert client.get("/api/runs").status_code == 200


# ---- models

CONFIGS = (b"[" * 100_000, b"{}", b"[]", b"null", b"5", b"", b"\xff", b'{"model_type": 5}', b'{"model_type": NaN}', b'{"model_type": "llama", "hidden_size": NaN}',
    b'{"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "evil.Evil"}}', b'{"a":' * 20_000)  # fmt: skip


@pytest.mark.parametrize("number", range(len(CONFIGS)))
def test_a_model_whose_config_is_built_to_harm(tmp_path: Path, number: int) -> None:
    from lab.store.models import resolve, shapes_of

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes(CONFIGS[number])
    (folder / "evil.py").write_text("raise SystemExit('it ran')")
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "tokenizer.json").write_text("{}")
    for act in (lambda: resolve(str(folder), tmp_path), lambda: shapes_of(folder)):
        try:
            act()
        except LabError as error:
            assert "\n" not in word(error, "en")

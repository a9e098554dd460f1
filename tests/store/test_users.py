"""The password file: names that are refused, one writer at a time, seen at once, private."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.core.access import Access
from lab.errors import InputError, StartError, StateError
from lab.settings import Settings
from lab.store import users as users_module
from lab.store.users import LONGEST, SHORTEST, USERS_FILE, Users, with_users

ROOT = Path(__file__).parents[2]
PASSWORD = "battery staple"


def test_a_user_is_found_by_name_and_proven_by_password(tmp_path: Path) -> None:
    users = Users(tmp_path)
    assert users.all() == ()
    added = users.add(" 王小明 ", Access.ANNOTATOR, PASSWORD)
    assert (added.name, added.access) == ("王小明", Access.ANNOTATOR)
    assert users.proven("王小明", PASSWORD) == added == users.by_id(added.id)
    for name, password in (
        ("王小明", PASSWORD + "x"),
        ("王小明", ""),
        ("王小", PASSWORD),
        ("", PASSWORD),
        ("王小明", "x" * 10**6),
    ):
        assert users.proven(name, password) is None


def test_the_file_is_private_and_holds_no_password(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.add("Mei", Access.OWNER, PASSWORD)
    path = tmp_path / USERS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text()
    assert "argon2id" in path.read_text()
    assert PASSWORD not in repr(users.all())
    assert "argon2id" not in repr(users.all())
    path.chmod(0o644)
    assert Users(tmp_path).all()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["mei", "MEI", " Mei", "Ｍｅｉ", "Me1", "M.e.i", "Меі"])
def test_a_name_that_looks_the_same_is_taken(tmp_path: Path, name: str) -> None:
    users = Users(tmp_path)
    users.add("Mei", Access.VIEWER, PASSWORD)
    with pytest.raises(StateError) as caught:
        users.add(name, Access.OWNER, PASSWORD)
    assert caught.value.key == "person_name_taken"
    assert users.named(name) == users.all()[0]


@pytest.mark.parametrize("password", ["", "x" * (SHORTEST - 1), "x" * (LONGEST + 1)])
def test_a_password_has_a_length(tmp_path: Path, password: str) -> None:
    with pytest.raises(InputError) as caught:
        Users(tmp_path).add("Mei", Access.VIEWER, password)
    assert caught.value.key == "password_length"
    assert not (tmp_path / USERS_FILE).exists()


def test_changes_are_seen_by_who_reads_already(tmp_path: Path) -> None:
    reading, writing = Users(tmp_path), Users(tmp_path)
    assert reading.named("Mei") is None
    first = writing.add("Mei", Access.VIEWER, PASSWORD)
    assert reading.named("Mei") == first
    writing.change("mei", access=Access.ANNOTATOR)
    now = reading.by_id(first.id)
    assert now == replace(first, access=Access.ANNOTATOR)
    assert now is not None and now.stamp == first.stamp
    writing.change("mei", password="another password")
    changed = reading.by_id(first.id)
    assert changed is not None and changed.stamp != first.stamp
    writing.remove("Mei")
    assert reading.all() == ()
    assert writing.add("Mei", Access.VIEWER, PASSWORD).id != first.id  # a namesake is somebody else


def test_nobody_to_change(tmp_path: Path) -> None:
    users = Users(tmp_path)
    for act in (lambda: users.remove("Mei"), lambda: users.change("Mei", access=Access.OWNER)):
        with pytest.raises(StateError) as caught:
            act()
        assert caught.value.key == "no_such_user"


def test_writers_at_once_lose_nobody(tmp_path: Path) -> None:
    """Six processes add three users each, and each of them stands there once."""
    program = (
        "import sys; from pathlib import Path; from lab.core.access import Access; from lab.store.users import Users\n"
        "users = Users(Path(sys.argv[1]))\n"
        "for number in 'abc': users.add(f'{sys.argv[2]}{number}', Access.ANNOTATOR, 'battery staple')"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), letter], cwd=ROOT) for letter in "uvwxyz"
    ]
    assert [process.wait(60) for process in started] == [0] * 6
    assert sorted(user.name for user in Users(tmp_path).all()) == [f"{a}{b}" for a in "uvwxyz" for b in "abc"]
    assert {path.name for path in tmp_path.iterdir()} == {USERS_FILE, users_module.LOCK_FILE}


def test_a_writer_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_module, "PATIENCE", 0.1)
    with users_module._only_writer(tmp_path / users_module.LOCK_FILE, tmp_path), pytest.raises(StateError) as caught:
        Users(tmp_path).add("Mei", Access.VIEWER, PASSWORD)
    assert caught.value.key == "users_busy"


@pytest.mark.parametrize(
    "text",
    [
        "[[users]",
        "\xff",
        "users = 3",
        '[[users]]\nid = "u-1"\nname = "Mei"\naccess = "king"\ncreated = 1.0\npassword = "$argon2id$x"',
        '[[users]]\nid = "u-1"\nname = "Mei"\naccess = "owner"\ncreated = 1.0\npassword = "plain text"',
        '[[users]]\nid = "u-1"\nname = "M\\u202Eei"\naccess = "owner"\ncreated = 1.0\npassword = "$argon2id$x"',
        '[[users]]\nname = "Mei"\naccess = "owner"\ncreated = 1.0\npassword = "$argon2id$x"',
        *['[[users]]\nid = "u-1"\nname = "Mei"\naccess = "owner"\ncreated = 1.0\npassword = "$argon2id$x"\n' * 2],
    ],
)
def test_a_broken_file_lets_nobody_in_and_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / USERS_FILE).write_text(text, encoding="latin-1")
    for act in (lambda u: u.all(), lambda u: u.proven("Mei", PASSWORD), lambda u: u.add("Lin", Access.OWNER, PASSWORD)):
        with pytest.raises(InputError) as caught:
            act(Users(tmp_path))
        assert caught.value.key == "users_file"
    assert (tmp_path / USERS_FILE).read_text(encoding="latin-1") == text


# ---- what a start needs


def test_another_address_needs_somebody_who_can_be_the_owner(tmp_path: Path) -> None:
    away, here = Settings(host="0.0.0.0", home=tmp_path), Settings(home=tmp_path)

    def refused(settings: Settings) -> bool:
        try:
            return not with_users(settings).sign_in
        except StartError as error:
            return error.key == "start_without_sign_in"

    assert refused(away)
    assert not with_users(here).sign_in  # the one user is the owner
    assert not refused(replace(away, password="x"))
    assert not refused(replace(away, guests=True))
    users = Users(tmp_path)
    users.add("Mei", Access.ANNOTATOR, PASSWORD)
    assert refused(away)
    assert with_users(here).sign_in  # whoever is registered is asked for, on this machine too
    users.add("Lin", Access.OWNER, PASSWORD)
    assert not refused(away)


# ---- the command


def command(home: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", "users", *arguments, "--home", str(home)],
        cwd=ROOT, input=given, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_command_adds_lists_changes_and_removes(tmp_path: Path) -> None:
    assert command(tmp_path, "add", "Mei", "--access", "annotator", given=f"{PASSWORD}\n").returncode == 0
    users = Users(tmp_path)
    assert users.proven("Mei", PASSWORD) is not None
    listed = json.loads(command(tmp_path, "list", "--json").stdout)["users"]
    assert [(user["name"], user["access"]) for user in listed] == [("Mei", "annotator")]
    assert set(listed[0]) == {"id", "name", "access", "created"}
    assert json.loads(command(tmp_path, "--json").stdout)["users"] == listed  # without an action, the list
    assert "Mei" in command(tmp_path).stdout
    assert command(tmp_path, "access", "mei", "owner").returncode == 0
    assert users.all()[0].access is Access.OWNER
    assert command(tmp_path, "password", "Mei", given="another password\n").returncode == 0
    assert users.proven("Mei", "another password") is not None
    assert users.proven("Mei", PASSWORD) is None
    assert command(tmp_path, "remove", "Mei").returncode == 0
    assert users.all() == ()


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    Users(tmp_path).add("Mei", Access.VIEWER, PASSWORD)
    for arguments, given, status, said in (
        (("add", "MEI", "--access", "owner"), PASSWORD, 1, "MEI"),
        (("add", "Lin", "--access", "owner"), "short", 2, "8"),
        (("add", "a\u202eb", "--access", "owner"), PASSWORD, 2, "U+202E"),
        (("remove", "Lin"), "", 1, "Lin"),
    ):
        done = command(tmp_path, *arguments, given=given)
        assert (done.returncode, done.stdout) == (status, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    wrong = command(tmp_path, "add", "Lin", "--access", "king", given=PASSWORD)
    assert wrong.returncode == 2
    for words in (("add", "Lin", "--access", "owner", "--password", "x"), ("add", "Lin", "x", "--access", "owner")):
        assert command(tmp_path, *words).returncode == 2  # a password is no argument

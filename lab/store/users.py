"""The password file ``LAB_HOME/users.toml``: who may use a shared lab, with what access, and the hash of each password.

Not here: guests (they are in no file, ``lab/server/session.py``) and what an access allows. Passwords are kept as Argon2id
hashes only. The file is replaced at once by one writer at a time, and read again when it has changed, so that a command
takes effect in the running app. Source of the hash's parameters: RFC 9106, the second recommendation.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from lab.core.access import Access
from lab.core.names import clean_name, likeness
from lab.errors import InputError, LabError, MachineError, StartError, StateError
from lab.settings import Settings
from lab.store.locks import try_lock

USERS_FILE = "users.toml"
LOCK_FILE = "users.lock"
SHORTEST, LONGEST = 8, 200
PATIENCE = 10.0
HEAD = "# Who may use this lab. `python -m lab users` writes it; passwords are Argon2id hashes.\nversion = 1\n"
LEVELS = {level.word: level for level in Access if level is not Access.NOBODY}
T = TypeVar("T")


@dataclass(frozen=True)
class Registered:
    """One user of the password file. ``id`` is made once and never given to another, even under the same name."""

    id: str
    name: str
    access: Access
    created: float
    password: str = field(repr=False)
    """The Argon2id hash, with its parameters in it."""

    @property
    def stamp(self) -> str:
        """Changes with the password, and tells nothing of it: a session that carries another one has ended."""
        return hashlib.sha256(self.password.encode()).hexdigest()[:16]


class Users:
    """The users of a home: always as the file says now. Thread-safe, and any number of processes may write."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / USERS_FILE
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._known: tuple[Registered, ...] = ()

    # ---- reading

    def all(self) -> tuple[Registered, ...]:
        """Everybody, in the order they were added; none where there is no file. Raises InputError for a broken one."""
        with self._lock:
            try:
                status = self.path.stat()
            except FileNotFoundError:
                self._seen, self._known = None, ()
                return ()
            except OSError as error:
                raise self._broken(str(error)) from error
            now = (status.st_mtime_ns, status.st_size, status.st_ino)
            if now != self._seen:
                self._known = self._read(status)
                self._seen = now
            return self._known

    def by_id(self, user_id: str) -> Registered | None:
        """The user of an id that a session carries."""
        return next((user for user in self.all() if user.id == user_id), None)

    def named(self, name: str) -> Registered | None:
        """The user of a name, up to what a reader would not notice (case, width, lookalikes)."""
        return _find(self.all(), name)

    def known(self, name: str) -> Registered:
        """The same; raises StateError where there is none."""
        return _pick(self.all(), name)

    def check_free(self, name: str) -> None:
        """Raise what ``add`` would raise of this name."""
        if self.named(clean_name(name)):
            raise StateError("person_name_taken", name=clean_name(name))

    def proven(self, name: str, password: str) -> Registered | None:
        """The user whose password this is; a name that nobody has takes as long as a wrong password."""
        user = self.named(name)
        fits = _fits(user.password if user else _nobodys_hash(), password)
        return user if fits else None

    # ---- writing

    def add(self, name: str, access: Access, password: str) -> Registered:
        """A new user. Raises InputError for a name or a password that cannot be used, StateError for one that is taken."""
        name, hashed = clean_name(name), _hash(password)

        def added(users: list[Registered]) -> Registered:
            if _find(users, name):
                raise StateError("person_name_taken", name=name)
            user = Registered("u-" + secrets.token_hex(8), name, access, time.time(), hashed)
            users.append(user)
            return user

        return self._change(added)

    def remove(self, name: str) -> Registered:
        """Take a user out; their sessions end, what they judged stays. Raises StateError where there is none."""

        def removed(users: list[Registered]) -> Registered:
            user = _pick(users, name)
            users.remove(user)
            return user

        return self._change(removed)

    def change(self, name: str, *, access: Access | None = None, password: str | None = None) -> Registered:
        """Another access or another password; the latter ends the user's sessions."""
        hashed = None if password is None else _hash(password)

        def changed(users: list[Registered]) -> Registered:
            user = _pick(users, name)
            new = replace(user, access=user.access if access is None else access, password=hashed or user.password)
            users[users.index(user)] = new
            return new

        return self._change(changed)

    def _change(self, act: Callable[[list[Registered]], T]) -> T:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with _only_writer(self.home / LOCK_FILE, self.path):
                users = list(self.all())
                result = act(users)
                _replace(self.path, HEAD + "".join(_toml(user) for user in users))
                return result
        except OSError as error:
            raise MachineError("home_not_writable", home=self.home, reason=error.strerror or str(error)) from error

    def _read(self, status: os.stat_result) -> tuple[Registered, ...]:
        try:
            if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
                self.path.chmod(0o600)
            users = tuple(_user(entry) for entry in tomllib.loads(self.path.read_text("utf-8")).get("users", []))
            if len({user.id for user in users}) < len(users) or len({likeness(u.name) for u in users}) < len(users):
                raise ValueError("a user stands in it twice")
            return users
        except LabError as error:
            raise self._broken(str(error)) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._broken(f"{type(error).__name__}: {error}") from error

    def _broken(self, reason: str) -> InputError:
        return InputError("users_file", path=self.path, reason=reason)


def with_users(settings: Settings) -> Settings:
    """Settings that know whether somebody is registered. Raises StartError where others could reach a lab without sign-in."""
    users = Users(settings.home).all()
    settings = replace(settings, registered=bool(users))
    owners = any(user.access is Access.OWNER for user in users)
    owner_can_come = settings.password is not None or settings.hub is not None or owners
    if not settings.loopback and not owner_can_come and not settings.guests:
        raise StartError("start_without_sign_in", host=settings.host)
    return settings


def _find(users: Sequence[Registered], name: str) -> Registered | None:
    wanted = likeness(name)
    return next((user for user in users if likeness(user.name) == wanted), None)


def _pick(users: Sequence[Registered], name: str) -> Registered:
    user = _find(users, name)
    if user is None:
        raise StateError("no_such_user", name=name[:80])
    return user


def _hash(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError("password_length", least=SHORTEST, most=LONGEST)
    return _hasher().hash(password.encode("utf-8", "surrogatepass"))


def _fits(hashed: str, password: str) -> bool:
    if len(password) > LONGEST:
        return False
    try:
        return _hasher().verify(hashed, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_hex(16))


def _user(entry: Mapping[str, Any]) -> Registered:
    access, password = LEVELS[entry["access"]], str(entry["password"])
    if not password.startswith("$argon2id$"):
        raise ValueError("a password is no Argon2id hash")
    return Registered(str(entry["id"]), clean_name(str(entry["name"])), access, float(entry["created"]), password)


def _toml(user: Registered) -> str:
    # A clean name holds neither quotation marks nor backslashes nor control characters, so it needs no escaping.
    return (
        f'\n[[users]]\nid = "{user.id}"\nname = "{user.name}"\naccess = "{user.access.word}"\n'
        f'created = {user.created!r}\npassword = "{user.password}"\n'
    )


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


@contextmanager
def _only_writer(lock: Path, what: Path) -> Iterator[None]:
    """Hold the lock file; it ends with this process at the latest."""
    deadline = time.monotonic() + PATIENCE
    while (held := try_lock(lock, 0o600)) is None:
        if time.monotonic() > deadline:
            raise StateError("users_busy", path=what)
        time.sleep(0.02)
    with held:
        yield

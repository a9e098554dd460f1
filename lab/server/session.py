"""Who somebody is, proven: the secret key, the signed session cookie, the password, the one-time owner link.

It decides nothing about what they may do (``access.py``), and shows no page (``sign_in.py``).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import threading
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import Response

from lab.core.access import NOBODY, Access, User
from lab.errors import MachineError
from lab.settings import Settings

COOKIE = "lab_session"
LASTS_SECONDS = 14 * 24 * 3600
KEY_FILE = "secret_key"
OWNER_HERE = User("owner", Access.OWNER, id="owner")
"""The one user of a lab that only this machine can reach."""


def secret_key(home: Path) -> str:
    """The key that signs cookies, made once in LAB_HOME and readable by nobody else."""
    path = home / KEY_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
        else:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32))
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MachineError("secret_key", path=str(path), reason=str(error)) from error
    if len(key) < 32:
        raise MachineError("secret_key", path=str(path), reason="too short")
    return key


class Sessions:
    """Signs people in and recognises them again. One for the life of the app; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._password = hashlib.sha256((settings.password or "").encode()).digest()
        key = secret_key(settings.home) if settings.sign_in else secrets.token_hex(32)
        # The password is part of the key: a new password signs everybody out.
        self._signer = URLSafeTimedSerializer(key, salt=b"lab.session:" + self._password)
        self._links: set[str] = set()
        self._lock = threading.Lock()

    def knows(self, password: str) -> bool:
        """Whether this is the owner's password, in a time that does not depend on how much of it is right."""
        if not self.settings.sign_in:
            return False
        given = hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()
        return hmac.compare_digest(given, self._password)

    def owner_link(self) -> str:
        """A path that makes the first one who opens it the owner; it works once."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._links.add(token)
        return f"/sign-in/{token}"

    def take_link(self, token: str) -> bool:
        """Whether the link was good; it is no longer afterwards."""
        with self._lock:
            for known in self._links:
                if hmac.compare_digest(known.encode(), token.encode("utf-8", "surrogatepass")):
                    self._links.discard(known)
                    return True
        return False

    def user(self, cookie: str | None) -> User:
        """The user whom a cookie names; nobody where it is absent, forged, too old or from another password."""
        if not cookie:
            return NOBODY
        try:
            said = self._signer.loads(cookie, max_age=LASTS_SECONDS)
            return User(str(said["name"]), Access(said["access"]), str(said["session"]))
        except (BadSignature, KeyError, TypeError, ValueError):
            return NOBODY

    def sign_in(self, response: Response, user: User) -> None:
        """Put the session cookie of ``user`` on a response."""
        said = {"name": user.name, "access": int(user.access), "session": secrets.token_urlsafe(9)}
        value = self._signer.dumps(said)
        response.raw_headers.append((b"set-cookie", self._cookie(str(value), LASTS_SECONDS)))

    def sign_out(self, response: Response) -> None:
        """Take the session cookie back."""
        response.raw_headers.append((b"set-cookie", self._cookie("", 0)))

    def _cookie(self, value: str, seconds: int) -> bytes:
        # A Space shows the page inside an iframe of another site: the cookie must cross that border, and is then
        # kept apart for each embedding site. Everywhere else it never leaves its own site.
        border = "SameSite=None; Secure; Partitioned" if self.settings.on_space else "SameSite=Lax"
        return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; {border}".encode("ascii")

"""Who somebody is, proven: the secret key, the signed session cookie, passwords, guests, the one-time owner link.

It decides nothing about what they may do (``access.py``), and shows no page (``sign_in_page.py``).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import Response
from starlette.types import Scope

from lab.core.access import NOBODY, Access, User
from lab.core.names import clean_name, likeness
from lab.errors import AccessError, LabError, MachineError, StateError
from lab.server.forwarded import root_of
from lab.settings import Settings
from lab.store.ended_sessions import EndedSessions
from lab.store.lines import write_first
from lab.store.users import Registered, Users

COOKIE = "lab_session"
LASTS_SECONDS = 14 * 24 * 3600
GUEST_LASTS_SECONDS = 180 * 24 * 3600
"""A guest's cookie is all that makes them the same person again, and it opens little."""
HUB = "h-"
"""How the ids of people begin who came in with their account on the Hub."""
HUB_LASTS_SECONDS = 24 * 3600
"""Who owns a Space may change; each day the Hub is asked anew."""
KEY_FILE = "secret_key"
OWNER_HERE = User("owner", Access.OWNER, id="owner")
"""The one user of a lab that only this machine can reach."""


def secret_key(home: Path) -> str:
    """The key that signs cookies, made once in LAB_HOME and readable by nobody else."""
    path = home / KEY_FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
        else:
            write_first(path, secrets.token_hex(32), 0o600)  # another start at this moment reads it whole
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MachineError("secret_key", path=str(path), reason=str(error)) from error
    if len(key) < 32:
        raise MachineError("secret_key", path=str(path), reason="too short")
    return key


class Sessions:
    """Signs people in and recognises them again. One for the life of the app; thread-safe.

    A cookie says who somebody is, never what they may do: that is looked up at each request, so that a change of the
    password file takes effect at once. It carries a stamp of the password it was given for, and ends with that.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.users = Users(settings.home)
        self.ended = EndedSessions(settings.home)
        key = secret_key(settings.home) if settings.sign_in else secrets.token_hex(32)
        self._key = key
        self._signer = URLSafeTimedSerializer(key, salt=b"lab.session")
        # Keyed: a stamp in a cookie must not be a hash to guess the password by.
        self._owner_stamp = hmac.new(key.encode(), (settings.password or "").encode(), "sha256").hexdigest()[:16]
        self._links: set[str] = set()
        self.guests_since: Callable[[], float] = lambda: 0.0
        """Seconds since 1970: a guest who came in before is a stranger (``lab/classroom``)."""
        self.asks_code: Callable[[], bool] = lambda: False
        """Whether a guest who comes in has to type the code of the class."""
        self._lock = threading.Lock()

    # ---- proofs

    def owner(self) -> User:
        """Who comes in by LAB_PASSWORD or by the link."""
        return replace(OWNER_HERE, session=secrets.token_urlsafe(9))

    def proven(self, name: str, password: str) -> User | None:
        """Whom a name and a password prove, slowly; None where they do not fit. Without a name, LAB_PASSWORD is asked."""
        if not self.settings.sign_in:
            return None
        if self._is_owners(password) and likeness(name) in ("", likeness(OWNER_HERE.name)):
            return self.owner()
        user = self.users.proven(name, password) if name.strip() else None
        return self._registered(user, secrets.token_urlsafe(9)) if user else None

    def guest(self, name: str) -> User:
        """A new guest. Raises InputError for a name that cannot be used, StateError for one that belongs to a user."""
        name = clean_name(name)
        if self._is_taken(name):
            raise StateError("person_name_taken", name=name)
        return User(name, Access.ANNOTATOR, secrets.token_urlsafe(9), "g-" + secrets.token_hex(8), guest=True)

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

    # ---- the cookie

    def user(self, cookie: str | None) -> User:
        """The user whom a cookie names, with the access they have now; nobody where it is absent, forged, old or ended."""
        if not cookie:
            return NOBODY
        try:
            values, made = self._signer.loads(cookie, max_age=GUEST_LASTS_SECONDS, return_timestamp=True)
            user_id, session, stamp = str(values["id"]), str(values["session"]), str(values["stamp"])
            if session in self.ended:
                return NOBODY
            if user_id.startswith("g-"):
                if made.timestamp() < math.floor(self.guests_since()):
                    return NOBODY
                return self._known_guest(str(values["name"]), session, user_id)
            if made.timestamp() + (HUB_LASTS_SECONDS if user_id.startswith(HUB) else LASTS_SECONDS) < time.time():
                return NOBODY
            if user_id.startswith(HUB):
                return self._known_of_hub(str(values["name"]), session, user_id, stamp)
            if user_id == OWNER_HERE.id:
                fits = hmac.compare_digest(stamp.encode(), self._owner_stamp.encode())
                return replace(OWNER_HERE, session=session) if fits else NOBODY
            user = self.users.by_id(user_id)
            return self._registered(user, session) if user and user.stamp == stamp else NOBODY
        except (BadSignature, KeyError, TypeError, ValueError, LabError):
            return NOBODY  # a password file that cannot be read lets nobody in

    def sign_in(self, response: Response, user: User, scope: Scope | None = None) -> None:
        """Put the session cookie of ``user`` on a response to a request with this ``scope``."""
        lasts = HUB_LASTS_SECONDS if user.id.startswith(HUB) else GUEST_LASTS_SECONDS if user.guest else LASTS_SECONDS
        response.raw_headers.append((b"set-cookie", self._cookie(self.cookie_of(user), lasts, scope)))

    def sign_out(self, response: Response, user: User = NOBODY, scope: Scope | None = None) -> None:
        """Take the session cookie back, and end its session: a copy of the cookie opens nothing any more."""
        if user.session:
            self.ended.end(user.session, time.time() + (GUEST_LASTS_SECONDS if user.guest else LASTS_SECONDS))
        response.raw_headers.append((b"set-cookie", self._cookie("", 0, scope)))

    # ---- inside

    def _is_owners(self, password: str) -> bool:
        """In a time that does not depend on how much of it is right."""
        given, owners = (
            hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            for text in (password, self.settings.password or "")
        )
        return self.settings.password is not None and hmac.compare_digest(given, owners)

    def _is_taken(self, name: str) -> bool:
        return likeness(name) == likeness(OWNER_HERE.name) or self.users.named(name) is not None

    def _registered(self, user: Registered, session: str) -> User:
        return User(user.name, user.access, session, user.id)

    def _known_guest(self, name: str, session: str, user_id: str) -> User:
        if not self.settings.guests:
            return NOBODY
        if self._is_taken(name):  # somebody was registered under it since
            name += " (guest)"
        return User(name, Access.ANNOTATOR, session, user_id, guest=True)

    def _known_of_hub(self, name: str, session: str, user_id: str, stamp: str) -> User:
        if self.settings.hub is None:
            return NOBODY
        if hmac.compare_digest(stamp.encode(), self._hub_stamp(Access.OWNER, user_id).encode()):
            return User(name, Access.OWNER, session, user_id)
        fits = hmac.compare_digest(stamp.encode(), self._hub_stamp(Access.ANNOTATOR, user_id).encode())
        return User(name, Access.ANNOTATOR, session, user_id, guest=True) if fits and self.settings.guests else NOBODY

    def _hub_stamp(self, access: Access, user_id: str) -> str:
        """Says that the Hub called them the owner of this Space, or did not; another author of the Space makes it void."""
        author = self.settings.hub.author if self.settings.hub else ""
        return hmac.new(self._key.encode(), f"{access.word} {author} {user_id}".encode(), "sha256").hexdigest()[:16]

    def _stamp(self, user: User) -> str:
        if user.id.startswith(HUB):
            return self._hub_stamp(user.access, user.id)
        if user.guest:
            return ""
        if user.id == OWNER_HERE.id:
            return self._owner_stamp
        registered = self.users.by_id(user.id)
        return registered.stamp if registered else ""

    # ---- for signing in by the Hub (``hub_sign_in.py``)

    def of_hub(self, claims: Mapping[str, Any], *, owner: bool) -> User:
        """Whom the Hub's claims prove. Raises AccessError where the lab is not open to others than its owner."""
        name = str(claims.get("preferred_username") or claims.get("name") or claims["sub"])[:40]
        if owner:
            return User(name, Access.OWNER, secrets.token_urlsafe(9), HUB + str(claims["sub"]))
        if not self.settings.guests:
            raise AccessError("hub_sign_in_not_open", name=name)
        return User(name, Access.ANNOTATOR, secrets.token_urlsafe(9), HUB + str(claims["sub"]), guest=True)

    def cookie_of(self, user: User) -> str:
        """The value of the session cookie of ``user``."""
        values: dict[str, object] = {"id": user.id, "session": user.session, "stamp": self._stamp(user)}
        if user.guest or user.id.startswith(HUB):
            values["name"] = user.name
        return str(self._signer.dumps(values))

    def sealed(self, purpose: str, values: Mapping[str, Any]) -> str:
        """Values that a browser keeps for a while and cannot change."""
        return str(URLSafeTimedSerializer(self._key, salt=f"lab.{purpose}").dumps(dict(values)))

    def opened(self, purpose: str, text: str, seconds: int) -> dict[str, Any] | None:
        """What was sealed for that purpose, so many seconds ago at most; None for anything else."""
        try:
            values = URLSafeTimedSerializer(self._key, salt=f"lab.{purpose}").loads(text, max_age=seconds)
        except BadSignature:
            return None
        return values if isinstance(values, dict) else None

    def put_cookie(self, response: Response, name: str, value: str, seconds: int, scope: Scope) -> None:
        """Another cookie of the lab's, with the same limits as that of the session."""
        cookie = self._cookie(value, seconds, scope).replace(COOKIE.encode(), name.encode(), 1)
        response.raw_headers.append((b"set-cookie", cookie))

    def _cookie(self, value: str, seconds: int, scope: Scope | None) -> bytes:
        # A Space shows the page inside an iframe of another site: the cookie must cross that border, and is then
        # kept apart for each embedding site. Everywhere else it never leaves its own site.
        encrypted = "; Secure" if scope is not None and scope.get("scheme") == "https" else ""
        border = "SameSite=None; Secure; Partitioned" if self.settings.on_space else f"SameSite=Lax{encrypted}"
        root = (root_of(scope) if scope is not None else "") or "/"
        return f"{COOKIE}={value}; Path={root}; Max-Age={seconds}; HttpOnly; {border}".encode("ascii")

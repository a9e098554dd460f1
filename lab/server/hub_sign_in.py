"""Signing in with a Hugging Face account, on a Space with ``hf_oauth: true``. The Space's author, or an administrator of the organisation
that it belongs to, is the owner; anybody else may do what LAB_OPEN says.

The Hub's page cannot stand in a frame, and a cookie that a window of its own is given does not reach the frame (browsers keep them
apart). So a frame takes a *ticket* and shows its number; the window signs in, asks whether the frame shows that number, and hands
the ticket its person. Nobody can be made to sign somebody else's frame in without confirming a number that they do not see.

Not here: sessions and cookies (``session.py``). Source of the flow: OpenID Connect Core 1.0, authorization code, with PKCE (RFC 7636).
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from lab.core.access import Access, User, requires
from lab.errors import AccessError, InputError, MachineError
from lab.server.forwarded import root_of
from lab.server.hosts import HERE
from lab.server.session import Sessions
from lab.server.sign_in_page import Page
from lab.settings import HubSignIn

HUB_PATH = "/sign-in/hub"
CALLBACK_PATH = "/sign-in/hub/callback"
STATE_COOKIE, TICKET_COOKIE = "lab_hub", "lab_ticket"
LASTS = 600
"""Seconds that somebody may take to sign in on the Hub."""
ANSWER_SECONDS = 20.0
MOST_TICKETS = 2000
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Ticket:
    """A frame that waits for somebody to sign in, in a window."""

    number: str
    made: float
    user: User | None = None


class Tickets:
    """The frames that wait. Thread-safe."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._lock = threading.Lock()

    def make(self) -> str:
        """A new one; its id. Only the frame knows it, and whom the frame sends to the Hub."""
        with self._lock:
            name = secrets.token_urlsafe(18)
            self._tickets[name] = Ticket(f"{secrets.randbelow(9000) + 1000}", time.monotonic())
            while len(self._tickets) > MOST_TICKETS:
                self._tickets.popitem(last=False)
            return name

    def get(self, name: str) -> Ticket | None:
        """The ticket, while it is good."""
        ticket = self._tickets.get(name)
        return ticket if ticket is not None and time.monotonic() - ticket.made < LASTS else None

    def give(self, name: str, user: User) -> bool:
        """Hand it its person; False where it is too old."""
        with self._lock:
            ticket = self.get(name)
            if ticket is None or ticket.user is not None:
                return False
            self._tickets[name] = replace(ticket, user=user)
            return True

    def take(self, name: str) -> None:
        """It is used up."""
        with self._lock:
            self._tickets.pop(name, None)


class Hub:
    """The Hub as an OpenID provider."""

    def __init__(self, settings: HubSignIn) -> None:
        self.settings = settings
        self._about: dict[str, Any] = {}

    async def address(self, back: str, state: str, verifier: str) -> str:
        """Where a browser signs in."""
        client = self._client(back)
        async with client:
            url, _ = client.create_authorization_url(
                (await self._found())["authorization_endpoint"], state=state, code_verifier=verifier
            )
        return str(url)

    async def person(self, back: str, code: str, verifier: str) -> dict[str, Any]:
        """The claims about whoever signed in. Raises MachineError where the Hub does not answer, AccessError where it refuses."""
        import httpx
        from authlib.common.errors import AuthlibBaseError

        about = await self._found()
        try:
            async with self._client(back) as client:
                await client.fetch_token(about["token_endpoint"], code=code, code_verifier=verifier)
                answer = await client.get(about["userinfo_endpoint"])
                answer.raise_for_status()
                claims = answer.json()
        except httpx.TransportError as error:
            raise MachineError("hub_sign_in_away", provider=self.settings.provider, why=type(error).__name__) from error
        except (AuthlibBaseError, httpx.HTTPError, ValueError, KeyError) as error:
            raise AccessError("hub_sign_in_refused", why=type(error).__name__) from error
        if not isinstance(claims, dict) or not isinstance(claims.get("sub"), str) or not ID.fullmatch(claims["sub"]):
            raise AccessError("hub_sign_in_refused", why="no person")
        return claims

    def is_owner(self, claims: dict[str, Any]) -> bool:
        """Whether the Space belongs to this person, or to an organisation that they administer."""
        author = self.settings.author.lower()
        if not author:
            return False
        if str(claims.get("preferred_username", "")).lower() == author:
            return True
        organisations = claims.get("orgs")
        return any(
            isinstance(each, dict)
            and str(each.get("preferred_username", "")).lower() == author
            and each.get("roleInOrg") == "admin"
            for each in (organisations if isinstance(organisations, list) else [])
        )

    def _client(self, back: str) -> Any:
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        return AsyncOAuth2Client(
            self.settings.client_id,
            self.settings.client_secret,
            scope=self.settings.scopes,
            redirect_uri=back,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic",
            timeout=ANSWER_SECONDS,
            trust_env=True,
        )

    async def _found(self) -> dict[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0); asked once."""
        if not self._about:
            import httpx

            try:
                async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
                    answer = await client.get(f"{self.settings.provider}/.well-known/openid-configuration")
                    answer.raise_for_status()
                    self._about = answer.json()
            except (httpx.HTTPError, ValueError) as error:
                raise MachineError(
                    "hub_sign_in_away", provider=self.settings.provider, why=type(error).__name__
                ) from error
        return self._about


def add_hub_sign_in(application: FastAPI, sessions: Sessions) -> None:
    """Register the routes; only on a Space that lets people sign in with their Hub account."""
    settings = sessions.settings.hub
    assert settings is not None
    hub, tickets, page = Hub(settings), Tickets(), Page(sessions)
    _add_window(application, sessions, hub, tickets, page)
    _add_frame(application, sessions, tickets, page)


def _add_window(application: FastAPI, sessions: Sessions, hub: Hub, tickets: Tickets, page: Page) -> None:
    @application.get(HUB_PATH)
    @requires(Access.NOBODY)
    async def begin(request: Request, ticket: str = "") -> Response:
        """Sends a browser's window to the Hub to sign in; ``?ticket=`` is the frame's that waits for it."""
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        response = RedirectResponse(await hub.address(_back(request), state, verifier), status_code=303)
        sealed = sessions.sealed("hub", {"state": state, "verifier": verifier, "ticket": ticket[:64]})
        sessions.put_cookie(response, STATE_COOKIE, sealed, LASTS, request.scope)
        return response

    @application.get(CALLBACK_PATH)
    @requires(Access.NOBODY)
    async def callback(request: Request, state: str = "", code: str = "") -> Response:
        """Where the Hub sends the window back to. Signs it in, or asks whether the frame that waits is theirs."""
        begun = sessions.opened("hub", request.cookies.get(STATE_COOKIE, ""), LASTS)
        if begun is None or not code or not secrets.compare_digest(str(begun["state"]).encode(), state.encode()):
            raise AccessError("hub_sign_in_stale")
        claims = await hub.person(_back(request), code, str(begun["verifier"]))
        user = sessions.of_hub(claims, owner=hub.is_owner(claims))
        if begun["ticket"]:
            response = _confirm(request, sessions, tickets, page, str(begun["ticket"]), user)
        else:
            response = RedirectResponse(root_of(request.scope) + "/", status_code=303)
            sessions.sign_in(response, user, request.scope)
        sessions.put_cookie(response, STATE_COOKIE, "", 0, request.scope)
        return response

    @application.post(HUB_PATH + "/confirm")
    @requires(Access.NOBODY)
    async def confirm(request: Request) -> Response:
        """The person in the window says that the frame with that number is theirs."""
        body = (await request.body()).decode("utf-8", "replace")
        values = sessions.opened("hub-confirm", body.removeprefix("sealed="), LASTS)
        user = sessions.user(str(values["session"])) if values else None
        if values is None or user is None or not user.id or not tickets.give(str(values["ticket"]), user):
            raise AccessError("hub_sign_in_stale")
        return page.hub(request, "hub_done")


def _confirm(request: Request, sessions: Sessions, tickets: Tickets, page: Page, ticket: str, user: User) -> Response:
    """The page that asks whether the frame shows the ticket's number."""
    waiting = tickets.get(ticket)
    if waiting is None:
        raise InputError("hub_sign_in_stale")
    sealed = sessions.sealed("hub-confirm", {"ticket": ticket, "session": sessions.cookie_of(user)})
    return page.hub(request, "hub_confirm", number=waiting.number, name=user.name, sealed=sealed)


def _add_frame(application: FastAPI, sessions: Sessions, tickets: Tickets, page: Page) -> None:
    @application.post(HUB_PATH + "/frame")
    @requires(Access.NOBODY)
    async def frame(request: Request) -> Response:
        """Gives a frame a ticket, with the number that it shows while it waits."""
        name = tickets.make()
        response = RedirectResponse(root_of(request.scope) + HUB_PATH + "/frame", status_code=303)
        sessions.put_cookie(response, TICKET_COOKIE, sessions.sealed("ticket", {"ticket": name}), LASTS, request.scope)
        return response

    @application.get(HUB_PATH + "/frame")
    @requires(Access.NOBODY)
    async def wait(request: Request) -> Response:
        """The frame waits: the number and a link to the window, or, once the window has signed in, the lab."""
        held = sessions.opened("ticket", request.cookies.get(TICKET_COOKIE, ""), LASTS)
        ticket = tickets.get(str(held["ticket"])) if held else None
        if held is None or ticket is None:
            return RedirectResponse(root_of(request.scope) + "/sign-in", status_code=303)
        if ticket.user is None:
            return page.hub(request, "hub_wait", number=ticket.number, ticket=str(held["ticket"]))
        tickets.take(str(held["ticket"]))
        response = RedirectResponse(root_of(request.scope) + "/", status_code=303)
        sessions.sign_in(response, ticket.user, request.scope)
        sessions.put_cookie(response, TICKET_COOKIE, "", 0, request.scope)
        return response


def _back(request: Request) -> str:
    """The address that the Hub sends the window back to. A Space is reached by https, whatever its own proxy speaks."""
    host = request.headers.get("host", "")
    here = re.sub(r":\d*$", "", host) in HERE
    return f"{'http' if here else 'https'}://{host}{root_of(request.scope)}{CALLBACK_PATH}"

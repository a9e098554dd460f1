"""The page where people sign in, a small one of its own: no Gradio, no script, nothing from another host.

Its words in both languages stand in ``sign_in.toml``. What is done with what they type: ``sign_in.py``.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from lab.errors import LabError
from lab.server.forwarded import root_of
from lab.server.session import Sessions
from lab.words import sentences

PAGE, HUB_PAGE = (Path(__file__).with_name(name) for name in ("sign_in.html", "hub_sign_in.html"))

WORDS = tomllib.loads(Path(__file__).with_name("sign_in.toml").read_text("utf-8"))


class Page:
    """The page, filled in for the ways in that there are now."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.template, self.hub_template = (path.read_text(encoding="utf-8") for path in (PAGE, HUB_PAGE))

    @property
    def wrong(self) -> str:
        """The key of the sentence for a password that does not fit."""
        return "wrong_name" if self._named() else "wrong"

    def answer(
        self,
        request: Request,
        problem: str = "",
        params: Mapping[str, object] | None = None,
        *,
        status: int = 200,
        name: str = "",
        guest: str = "",
    ) -> Response:
        """The page with a problem beside the form it belongs to; what was typed stays, except a password."""
        words, settings, named = WORDS[language_of(request)], self.sessions.settings, self._named()
        by_password = named or settings.password is not None
        sentence = words.get(problem, "").format(**(params or {}))
        of_guest = settings.guests and (bool(guest) or problem.startswith(("person_name", "class_")) or not by_password)
        at_guest = settings.guests and (of_guest or not sentence)
        in_frame = request.headers.get("sec-fetch-dest") == "iframe"
        to, code = request.query_params.get("to", "")[:200], request.query_params.get("code", "")[:4]
        filled = {
            **words,
            "root": root_of(request.scope),
            "to": f"&to={quote(to)}" if to else "",
            "code": f"&code={quote(code)}" if code else "",
            "given_code": code,
            "hide_code": "" if self.sessions.asks_code() else "hidden",
            "lead": words["lead_guest" if settings.guests else "lead" if by_password else "by_link"],
            "guest_problem": sentence if of_guest else "",
            "problem": "" if of_guest else sentence,
            "given_guest": guest[:80],
            "given_name": name[:80] if named else "owner",
            "hide_hub": "hidden" if settings.hub is None or in_frame else "",
            "hide_hub_frame": "hidden" if settings.hub is None or not in_frame else "",
            "hide_guest": "" if settings.guests else "hidden",
            "hide_member": "" if by_password else "hidden",
            "hide_summary": "" if settings.guests else "hidden",
            "hide_name": "" if named else "hidden",
            "hide_hint": "" if named and settings.password is not None else "hidden",
            "hide_by_link": "" if settings.guests and not by_password else "hidden",
            "open_member": "" if at_guest else "open",
            "focus_guest": "autofocus" if at_guest else "",
            "focus_member": "" if at_guest else "autofocus",
        }
        page = re.sub(r"\{\{(\w+)\}\}", lambda hole: html.escape(filled[hole[1]]), self.template)
        return HTMLResponse(page, status_code=status)

    def hub(
        self, request: Request, lead: str, *, number: str = "", ticket: str = "", name: str = "", sealed: str = ""
    ) -> Response:
        """A page of signing in by the Hub: a frame that waits, the window that confirms, or that all is done."""
        words = WORDS[language_of(request)]
        filled = {
            **words,
            "root": root_of(request.scope),
            "lead": words[lead].format(name=name),
            "number": number,
            "ticket": ticket,
            "sealed": sealed,
            "open": words["hub_open"],
            "yes": words["hub_yes"],
            "hide_number": "" if number else "hidden",
            "hide_link": "" if ticket else "hidden",
            "hide_form": "" if sealed else "hidden",
        }
        text = self.hub_template.replace("{{refresh}}", '<meta http-equiv="refresh" content="2">' if ticket else "")
        return HTMLResponse(re.sub(r"\{\{(\w+)\}\}", lambda hole: html.escape(filled[hole[1]]), text))

    def _named(self) -> bool:
        try:
            return bool(self.sessions.users.all())
        except LabError:  # a password file that cannot be read: nobody comes in by it
            return False


def language_of(request: Request) -> str:
    """``en`` or ``zh``: by ``?lang=``, else as the browser asks."""
    language = request.query_params.get("lang")
    return language if language in WORDS else sentences.language_of(request)

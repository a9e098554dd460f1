"""Signing in: a small page of its own (no Gradio, no script, nothing from another host), the link, and signing out.

What a session is and how it is proven is ``session.py``.
"""

from __future__ import annotations

import html
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lab.core.access import Access, requires
from lab.server.access import SIGN_IN_PATH
from lab.server.limits import Rate, caller
from lab.server.session import Sessions, User

PAGE = Path(__file__).with_name("sign_in.html")

WORDS = {
    "en": {
        "lang": "en", "this": "en", "other": "zh", "other_name": "中文", "title": "Alignment Lab",
        "lead": "This lab is shared. Sign in with its password to use it.",
        "password": "Password", "button": "Sign in",
        "wrong": "That password is not right. It is the value of LAB_PASSWORD where the lab was started.",
        "often": "Too many attempts from this address. Wait a minute, then try again.",
        "link": "This link has been used or is too old. Sign in with the password, or restart the lab for a new link.",
    },
    "zh": {
        "lang": "zh-CN", "this": "zh", "other": "en", "other_name": "English", "title": "对齐实验室",
        "lead": "这个实验室由多人共用。请用密码登录。",
        "password": "密码", "button": "登录",
        "wrong": "密码不正确。它是启动实验室时 LAB_PASSWORD 的值。",
        "often": "这个地址尝试次数过多。请等一分钟再试。",
        "link": "这个链接已被使用或已失效。请用密码登录,或重启实验室获得新链接。",
    },
}  # fmt: skip


def add_sign_in(application: FastAPI, sessions: Sessions) -> None:
    """Register the routes; only where sign-in is on."""
    each = Rate(burst=10, per_second=1 / 6)
    everyone = Rate(burst=60, per_second=1)  # many addresses together guess no faster than this
    template = PAGE.read_text(encoding="utf-8")

    def page(request: Request, problem: str = "", status: int = 200) -> Response:
        words = WORDS[_language(request)]
        filled = template
        for name, word in {**words, "problem": words.get(problem, "")}.items():
            filled = filled.replace("{{" + name + "}}", html.escape(word))
        return HTMLResponse(filled, status_code=status)

    def welcome() -> Response:
        response = RedirectResponse("/", status_code=303)
        sessions.sign_in(response, User("owner", Access.OWNER))
        return response

    @application.get(SIGN_IN_PATH)
    @requires(Access.NOBODY)
    async def show(request: Request) -> Response:
        return page(request)

    @application.post(SIGN_IN_PATH)
    @requires(Access.NOBODY)
    async def sign_in(request: Request) -> Response:
        if not (each.allows(caller(request.scope)) and everyone.allows("")):
            return page(request, "often", 429)
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        if await run_in_threadpool(sessions.knows, fields.get("password", [""])[0]):
            return welcome()
        return page(request, "wrong", 401)

    @application.get(SIGN_IN_PATH + "/{token}")
    @requires(Access.NOBODY)
    async def owner_link(request: Request, token: str) -> Response:
        if not (each.allows(caller(request.scope)) and everyone.allows("")):
            return page(request, "often", 429)
        return welcome() if sessions.take_link(token) else page(request, "link", 401)

    @application.post("/sign-out")
    @requires(Access.NOBODY)
    async def sign_out() -> Response:
        response = RedirectResponse(SIGN_IN_PATH, status_code=303)
        sessions.sign_out(response)
        return response


def _language(request: Request) -> str:
    asked = request.query_params.get("lang")
    if asked in WORDS:
        return asked
    return "zh" if request.headers.get("accept-language", "").strip().lower().startswith("zh") else "en"

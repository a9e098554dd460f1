"""The page where people sign in, a small one of its own: no Gradio, no script, nothing from another host.

Its words in both languages stand here. What is done with what they type: ``sign_in.py``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from lab.errors import LabError
from lab.server.forwarded import root_of
from lab.server.session import Sessions

PAGE, HUB_PAGE = (Path(__file__).with_name(name) for name in ("sign_in.html", "hub_sign_in.html"))

WORDS = {
    "en": {
        "lang": "en", "this": "en", "other": "zh", "other_name": "中文", "title": "Alignment Lab",
        "lead": "This lab is shared. Sign in to use it.",
        "lead_guest": "Everybody may annotate here. Choose the name that is shown beside what you do.",
        "code_name": "Code on the wall", "class_closed": "The class is closed: nobody new comes in now. Ask whoever runs it.",
        "class_code": "That is not the code. It is the four letters on the wall.",
        "guest_name": "Your name", "come_in": "Come in", "member": "I have a password",
        "keep": "This browser remembers you; another one, or signing out, makes you somebody new.",
        "name": "Name", "password": "Password", "button": "Sign in",
        "hint": "With the password of the lab itself (LAB_PASSWORD), leave the name empty.",
        "by_link": "The owner comes in by the link that was printed where the lab was started.",
        "hub": "Sign in with Hugging Face",
        "hub_wait": "This number stands here until you have signed in, in a window of its own. Confirm it there.",
        "hub_open": "Open the window",
        "hub_confirm": "Does the page that you came from show this number? Then it is signed in as {name}. If not, close this window.",
        "hub_yes": "Yes, it shows this number",
        "hub_done": "The page that you came from is signed in. You can close this window.",
        "wrong": "That password is not right. It is the value of LAB_PASSWORD where the lab was started.",
        "wrong_name": "This name and this password do not fit. The owner of the lab can set a new one.",
        "often": "Too many attempts from this address. Wait a minute, then try again.",
        "link": "This link has been used or is too old. Sign in another way, or restart the lab for a new link.",
        "person_name_length": "Write 1 to {most} visible characters, a letter or a digit among them.",
        "person_name_letter": "A name cannot hold the character {letter}. Use letters, digits, spaces and - _ . ' ·",
        "person_name_scripts": "A name cannot mix alphabets whose letters look alike ({scripts}). Use one of them.",
        "person_name_taken": "“{name}” is the name of somebody with a password, or looks like it. Choose another one.",
    },
    "zh": {
        "lang": "zh-CN", "this": "zh", "other": "en", "other_name": "English", "title": "对齐实验室",
        "lead": "这个实验室由多人共用。请先登录。",
        "lead_guest": "这里人人都可以标注。请取一个名字，它会显示在您的标注旁。",
        "code_name": "大屏幕上的口令", "class_closed": "课堂已关闭，现在不再进人。请问一下主持的老师。",
        "class_code": "口令不对。请输入大屏幕上的四个字符。",
        "guest_name": "您的名字", "come_in": "进入", "member": "我有密码",
        "keep": "本浏览器会记住您；换一个浏览器或退出登录后，您就是另一个人了。",
        "name": "名字", "password": "密码", "button": "登录",
        "hint": "若用实验室本身的密码（LAB_PASSWORD）登录，名字留空即可。",
        "by_link": "拥有者请用实验室启动时打印的链接进入。",
        "hub": "用 Hugging Face 账号登录",
        "hub_wait": "请在新窗口中登录，并在那里确认这个数字。登录之前，本页会一直显示它。",
        "hub_open": "打开登录窗口",
        "hub_confirm": "您来时的页面显示的是这个数字吗？如果是，那个页面将以 {name} 的身份登录；如果不是，请关闭本窗口。",
        "hub_yes": "是，显示的就是这个数字",
        "hub_done": "您来时的页面已登录。现在可以关闭本窗口。",
        "wrong": "密码不正确。它是启动实验室时 LAB_PASSWORD 的值。",
        "wrong_name": "名字与密码不符。实验室的拥有者可以为您重设密码。",
        "often": "这个地址尝试次数过多。请等一分钟再试。",
        "link": "这个链接已被使用或已失效。请用别的方式登录，或重启实验室获得新链接。",
        "person_name_length": "请写 1 到 {most} 个可见字符，其中至少一个字母、汉字或数字。",
        "person_name_letter": "名字里不能有字符 {letter}。请只用文字、数字、空格和 - _ . ' ·",
        "person_name_scripts": "名字不能混用字形相近的几种字母（{scripts}）。请只用其中一种。",
        "person_name_taken": "“{name}”是一位有密码的用户的名字，或看起来一样。请换一个。",
    },
}  # fmt: skip


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
    if language in WORDS:
        return language
    return "zh" if request.headers.get("accept-language", "").strip().lower().startswith("zh") else "en"

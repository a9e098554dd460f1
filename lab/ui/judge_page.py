"""The page that only judges: the annotator as the Annotate tab has it, in a page without Gradio, with its first pairs in it.

What the component is stands in ``components/annotator``; this puts its parts into plain HTML, and gives its script what
``gr.HTML`` would (``judge_page.js``). Everything comes in one answer: one language's words, no second request before the first pair.
Who may have the page, and which pairs come with it, is the server's (``lab/server/judge.py``).
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from string import Template
from typing import Any

from lab.core.access import Access, User
from lab.ui.components.annotator.component import parts
from lab.ui.header import HALF_MOON, MARK
from lab.words import LOCALES, say
from lab.words.components import judging_error_words

HERE = Path(__file__).parent
NAMES = {"en": ("en", "English"), "zh": ("zh-CN", "中文")}


class JudgePage:
    """Draws the page. One for the life of the app: what does not change is put together once."""

    def __init__(self) -> None:
        component = parts()
        words, errors = json.loads(component["words"]), judging_error_words()
        self._template = Template((HERE / "judge_page.html").read_text(encoding="utf-8"))
        self._props = {locale: _props(locale, words, errors) for locale in LOCALES}
        sheet = (HERE / "judge_page.css").read_text(encoding="utf-8")
        # Gradio puts a component's sheet inside a rule of its own, too: that is what `&` in it stands for.
        self._fixed = {
            "style": f"body {{\n{component['css_template']}\n}}\n{sheet}",
            "script": (HERE / "judge_page.js")
            .read_text(encoding="utf-8")
            .replace("COMPONENT;", component["js_on_load"]),
            "component": component["html_template"],
            "mark": MARK,
            "half_moon": HALF_MOON,
        }

    def __call__(
        self, reader: User, values: dict[str, Any], *, sign_in: bool, language: str, nonce: str, root: str
    ) -> str:
        """The HTML, as ``lab.server.judge.JudgePage`` says. Whatever comes from data is escaped, or is JSON that ends no script."""
        value = {"owner": reader.access >= Access.OWNER, "who": reader.id, "alone": True}
        if values["collection"]:
            value["collection"] = values["collection"]
        data = {
            "props": {**self._props[language], "value": json.dumps(value)},
            "first": values["first"],
            "leave": say("page.leave_guest", language) if reader.guest else "",
        }
        other = next(locale for locale in LOCALES if locale != language)
        words = {
            **{name: say(f"judge.{name}", language) for name in ("title", "whole_lab", "needs_script")},
            **{name: say(f"page.{name}", language) for name in ("lab", "theme", "sign_out")},
            "lang": NAMES[language][0],
            "other": other,
            "other_lang": NAMES[other][0],
            "other_name": NAMES[other][1],
            "signed_in": "" if sign_in else "hidden",
            "nonce": nonce,
            "root": root,
            **_greeting(reader, language),
        }
        escaped = {name: html.escape(text) for name, text in words.items()}
        return self._template.substitute(escaped, **self._fixed, data=inline_json(data))


def inline_json(value: object) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or begin a comment."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _props(locale: str, words: dict[str, Any], errors: dict[str, Any]) -> dict[str, str]:
    """The component's, with the words of one language."""
    return {
        "lang": locale,
        "words": json.dumps({locale: words[locale]}, ensure_ascii=False),
        "errors": json.dumps({locale: errors[locale]}, ensure_ascii=False),
    }


def _greeting(reader: User, language: str) -> dict[str, str]:
    """Who is signed in. The owner who came in by the link or LAB_PASSWORD has no name of their own."""
    access = say("page.guest" if reader.guest else f"page.access_{reader.access.word}", language)
    nameless = reader.id == "owner"
    return {"name": access if nameless else reader.name, "access": "" if nameless else access}

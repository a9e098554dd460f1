"""The projector's page: large type, no controls, for 1024 × 768 and larger. What it shows stands in ``/api/class/wall`` (``wall_page.js``).

Who may have the page is the server's (``lab/server/wall.py``).
"""

from __future__ import annotations

import html
from pathlib import Path
from string import Template

from lab.ui.judge_page import NAMES, inline_json
from lab.words import say, subject_words
from lab.words.components import rule_words

HERE = Path(__file__).parent


class WallPage:
    """Draws the page. One for the life of the app."""

    def __init__(self) -> None:
        self._template = Template((HERE / "wall_page.html").read_text(encoding="utf-8"))
        self._fixed = {
            "style": (HERE / "wall_page.css").read_text(encoding="utf-8"),
            "script": (HERE / "wall_page.js").read_text(encoding="utf-8"),
        }
        self._words = subject_words("wall.")

    def __call__(self, *, language: str, nonce: str) -> str:
        """The HTML, as ``lab.server.wall.WallPage`` says."""
        title = f"{say('wall.title', language)} · {say('page.lab', language)}"
        data = inline_json({"words": self._words[language], "rules": rule_words()[language]})
        escaped = {"lang": NAMES[language][0], "title": html.escape(title), "nonce": nonce}
        return self._template.substitute(escaped, **self._fixed, data=data)

"""The projector's page: large type, no controls, for 1024 × 768 and larger. What it shows stands in ``/api/class/wall`` (``wall_page.js``).

Who may have the page is the server's (``lab/server/wall.py``).
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from string import Template

from lab.ui.components.shared.assemble import SHARED
from lab.ui.judge_page import NAMES, inline_json
from lab.words import say, subject_words

HERE = Path(__file__).parent


class WallPage:
    """Draws the page. One for the life of the app."""

    def __init__(self) -> None:
        self._template = Template((HERE / "wall_page.html").read_text(encoding="utf-8"))
        scripts = (SHARED / "words.js", SHARED / "dom.js", HERE / "wall_page.js")
        self._fixed = {
            "style": (HERE / "wall_page.css").read_text(encoding="utf-8"),
            "script": "\n".join(path.read_text(encoding="utf-8") for path in scripts),
        }
        self._words = subject_words("wall.")

    def __call__(self, *, language: str, nonce: str) -> str:
        """The HTML, as ``lab.server.wall.WallPage`` says."""
        title = f"{say('wall.title', language)} · {say('page.lab', language)}"
        words = json.dumps({language: self._words[language]}, ensure_ascii=False)
        escaped = {"lang": NAMES[language][0], "title": html.escape(title), "nonce": nonce}
        return self._template.substitute(escaped, **self._fixed, props=inline_json({"lang": language, "words": words}))

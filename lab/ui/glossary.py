"""The glossary of every tab: its script and style for the page's head. The words are ``lab/words/glossary.py``'s, the route ``lab/server/learn.py``'s."""

from __future__ import annotations

import json
from pathlib import Path

from lab.words.glossary import glossary_words

_STYLE, _SCRIPT = (Path(__file__).with_name(f"glossary.{kind}").read_text("utf-8") for kind in ("css", "js"))
_WORDS = json.dumps(glossary_words(), ensure_ascii=False)
SCRIPT = f"<style>\n{_STYLE}</style>\n<script>\nwindow.labGlossaryWords = {_WORDS};\n{_SCRIPT}</script>\n"
"""For the page's head."""

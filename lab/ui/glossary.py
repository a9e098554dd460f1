"""The glossary of every tab: its script and style for the page's head. The words are ``lab/words/glossary.py``'s, the route ``lab/server/learn.py``'s."""

from __future__ import annotations

import json
from pathlib import Path

from lab.ui.components.shared.assemble import SHARED
from lab.words.glossary import glossary_words

_STYLE, _SCRIPT = (Path(__file__).with_name(f"glossary.{kind}").read_text("utf-8") for kind in ("css", "js"))
_DOM = (SHARED / "dom.js").read_text("utf-8")
_WORDS = json.dumps(glossary_words(), ensure_ascii=False)
_SCOPE = f"(() => {{\nconst glossaryWords = {_WORDS};\n{_DOM}{_SCRIPT}}})();"
SCRIPT = f"<style>\n{_STYLE}</style>\n<script>\n{_SCOPE}\n</script>\n"
"""For the page's head."""

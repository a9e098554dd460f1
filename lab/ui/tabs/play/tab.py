"""The Play tab: talk to models. What it does stands in its component and in the routes of ``lab/server/play.py``."""

from __future__ import annotations

from lab.ui.components.playground.component import playground
from lab.words.components import rule_words


class PlayTab:
    """Draws the tab where it is made; there is nothing to connect."""

    def __init__(self) -> None:
        self.playground = playground(rules=rule_words(), elem_id="play")

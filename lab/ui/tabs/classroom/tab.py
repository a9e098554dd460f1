"""The Class tab: for the owner of an open lab the class, for its guests what they may do. What it does stands in its component and routes."""

from __future__ import annotations

from lab.classroom.training import offered
from lab.ui.components.classroom.component import classroom
from lab.ui.presets import title
from lab.words import LOCALES


class ClassTab:
    """Draws the tab where it is made; nothing of it goes through Gradio's handlers."""

    def __init__(self) -> None:
        titles = {locale: {name: title(name, offered()[name], locale) for name in offered()} for locale in LOCALES}
        self.room = classroom(presets=titles, elem_id="classroom")

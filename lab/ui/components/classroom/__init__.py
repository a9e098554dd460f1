"""The class: its owner's page and its guests'. See ``component.py``."""

from lab.ui.components.classroom.component import classroom

__all__ = ["classroom"]

"""The annotator: two answers side by side, and a key for each choice."""

from lab.ui.components.annotator.component import annotator, parts

__all__ = ["annotator", "parts"]

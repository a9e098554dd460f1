"""Play: talk to up to three models side by side."""

from lab.ui.components.playground.component import playground

__all__ = ["playground"]

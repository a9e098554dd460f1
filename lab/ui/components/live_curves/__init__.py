"""The live curves: a run's status, its small charts with the reason for each in words, and its log."""

from lab.ui.components.live_curves.component import live_curves

__all__ = ["live_curves"]

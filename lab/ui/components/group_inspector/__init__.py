"""The group inspector: K completions of one prompt side by side, who was kept, and why."""

from lab.ui.components.group_inspector.component import group_inspector

__all__ = ["group_inspector"]

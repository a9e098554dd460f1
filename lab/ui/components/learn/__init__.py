"""The Learn tab's steps."""

from lab.ui.components.learn.component import learn

__all__ = ["learn"]

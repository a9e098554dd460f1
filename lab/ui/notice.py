"""A sentence that the page says at once, of what was done or what is wrong. Its words are ``text/``."""

from __future__ import annotations

import html


def notice(text: str, kind: str = "note") -> str:
    """A paragraph, or nothing where there is nothing to say; a ``problem`` is read out at once.

    The text may hold what somebody typed, so nothing in it is markup.
    """
    role = "alert" if kind == "problem" else "status"
    return f'<p class="{kind}" role="{role}">{html.escape(text)}</p>' if text else ""

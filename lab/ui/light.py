"""How handlers of a few milliseconds are wired. Those that take longer wait in Gradio's queue, as it does by itself."""

from __future__ import annotations

from typing import Any

LIGHT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""They wait in no queue, dim nothing, and are offered to no API client."""

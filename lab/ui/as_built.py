"""What a page that has just opened already shows need not be sent to it.

Gradio's page looks a component up in its whole tree for every property of every update, and goes through the whole tree again where
one is made visible; so an update that changes nothing costs as much as one that does. A page opens with its components as they were
built: from the updates of a load event, all that says so may be left out.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import Block

_ABSENT = object()


def only_changes(updates: dict[Block, Any]) -> dict[Block, Any]:
    """The first updates of a page, without what each component was built with. Later, the page may show something else."""
    return {component: _change(component, update) for component, update in updates.items()}


def _change(output: Block, update: Any) -> Any:
    if not (isinstance(update, dict) and update.get("__type__") == "update"):
        return gr.skip() if update is not None and _same(getattr(output, "value", _ABSENT), update) else update
    return {name: value for name, value in update.items() if name == "__type__" or not _built_so(output, name, value)}


def _built_so(output: Block, name: str, value: Any) -> bool:
    built = getattr(output, name, _ABSENT)
    if name == "choices" and isinstance(built, (list, tuple)):
        return [tuple(choice) for choice in built] == [_choice(choice) for choice in value]
    return _same(built, value)


def _same(built: Any, value: Any) -> bool:
    return type(built) is type(value) and bool(built == value)


def _choice(choice: Any) -> tuple[Any, Any]:
    return tuple(choice) if isinstance(choice, (list, tuple)) else (str(choice), choice)  # type: ignore[return-value]

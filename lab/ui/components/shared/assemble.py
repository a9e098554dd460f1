"""Puts a component's files together into a ``gr.HTML``, or into its arguments; it knows no component.

A component is a folder: scripts, ``style.css``, ``text.toml`` (tables [en] and [zh] with the same keys). The shared scripts
stand before its own, in one function scope, so a component needs no module loader and no request of its own.

Gradio compiles the style sheet as a Handlebars template and as a JavaScript template string, so it may hold no backtick, no
backslash, no ``${`` and no double opening brace (tests hold that). The HTML template is one empty, constant element: with
nothing in it to fill, a change of value never re-renders it, and everything that comes from data is set as text by the
script.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

Words = Mapping[str, Mapping[str, str]]
"""Texts by language and name."""
SHARED = Path(__file__).parent
SHARED_SCRIPTS = ("words.js", "dom.js", "keys.js", "storage.js", "transport.js", "feed.js")
DISPLAY_SCRIPTS = ("markdown.js", "text_display.js")


def read_words(folder: Path) -> dict[str, dict[str, str]]:
    """The component's own words beside those that all components share, by language."""
    own, shared = (tomllib.loads((place / "text.toml").read_text(encoding="utf-8")) for place in (folder, SHARED))
    return {language: {**shared[language], **words} for language, words in own.items()}


def assemble(folder: Path, testid: str, *scripts: str, displays_text: bool = False) -> dict[str, Any]:
    """Keyword arguments for ``gr.HTML``: template, style, script, and the words as one JSON string.

    ``displays_text``: with what shows Markdown and mathematics, for components that offer it.
    """
    shared = SHARED_SCRIPTS + (DISPLAY_SCRIPTS if displays_text else ())
    files = [SHARED / name for name in shared] + [folder / name for name in scripts]
    sheets = ("palette.css", "displayed.css") if displays_text else ("palette.css",)
    styles = [*(SHARED / name for name in sheets), folder / "style.css"]
    return {
        "html_template": f'<div class="lab" data-testid="{testid}"></div>',
        "css_template": "\n".join(path.read_text(encoding="utf-8") for path in styles),
        "js_on_load": "\n".join(path.read_text(encoding="utf-8") for path in files),
        "apply_default_css": False,
        "words": json.dumps(read_words(folder), ensure_ascii=False),
    }


def component(
    folder: Path,
    testid: str,
    *scripts: str,
    value: str = "{}",
    given: Mapping[str, object] | None = None,
    lang: str = "",
    displays_text: bool = False,
    **options: Any,
) -> gr.HTML:
    """The component of a folder. Its scripts read each value of ``given`` as JSON; ``lang`` overrides the browser's language; ``options``
    go to ``gr.HTML``."""
    packed = {
        name: json.dumps({} if each is None else each, ensure_ascii=False) for name, each in (given or {}).items()
    }
    return gr.HTML(
        value, lang=lang, **packed, **assemble(folder, testid, *scripts, displays_text=displays_text), **options
    )

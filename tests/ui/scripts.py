"""Runs some of a component's scripts in a blank page with an origin of its own, so that storage and requests are real. Not a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from lab.ui.components.shared.assemble import SHARED, SHARED_SCRIPTS, read_words

ORIGIN = "http://lab.test"
COMPONENTS = SHARED.parent


def load_scripts(page: Page, component: str, *names: str, lang: str = "en", **props: Any) -> None:
    """The shared scripts and these of the component, in one scope that ``page.evaluate`` sees; ``props`` as Gradio gives them."""
    page.route(ORIGIN + "/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(ORIGIN + "/")
    folder = COMPONENTS / component
    paths: list[Path] = [*(SHARED / name for name in SHARED_SCRIPTS), *(folder / name for name in names)]
    given = {"lang": lang, "words": json.dumps(read_words(folder)), **{k: json.dumps(v) for k, v in props.items()}}
    source = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    page.add_script_tag(content=f"const props = {json.dumps(given)};\n{source}")

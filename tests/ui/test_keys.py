"""What a key press means (``components/shared/keys.js``), on keyboards and input methods from elsewhere, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

pytestmark = pytest.mark.browser

KEYS = Path(__file__).parents[2] / "lab" / "ui" / "components" / "shared" / "keys.js"
ASK = "([source, event]) => Function('event', source + '; return [keyOf(event), isComposing(event)]')(new KeyboardEvent('keydown', event))"


@pytest.fixture(scope="module")
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def asked(page: Page, **event: Any) -> list[Any]:
    return page.evaluate(ASK, [KEYS.read_text(encoding="utf-8"), event])


@pytest.mark.parametrize(
    ("key", "code", "shift", "means"),
    [
        ("1", "Digit1", False, "1"),
        ("&", "Digit1", False, "1"),  # AZERTY
        ("1", "Digit1", True, "1"),
        ("à", "Digit0", False, "0"),
        ("+", "Digit1", False, "1"),  # Czech
        ("ě", "Digit2", False, "2"),
        ("/", "Digit2", False, "2"),  # Thai
        ("ๅ", "Digit1", False, "1"),
        ("٢", "Digit2", False, "2"),  # Arabic
        ("Dead", "Digit6", False, "6"),  # a row where an accent waits for its letter
        ("2", "Numpad2", False, "2"),
        ("ArrowDown", "Numpad2", False, "ArrowDown"),  # NumLock off
        ("End", "Numpad1", False, "End"),
        ("!", "Digit1", True, "!"),
        ("?", "Minus", True, "?"),  # German
        ("U", "KeyU", True, "u"),
        ("и", "KeyB", False, "b"),  # Russian
        ("נ", "KeyB", False, "b"),  # Hebrew
        ("z", "KeyY", False, "z"),  # QWERTZ: a Latin letter is what it says
        ("ArrowLeft", "ArrowLeft", False, "ArrowLeft"),
        ("Enter", "NumpadEnter", False, "Enter"),
        ("é", "", False, "é"),
    ],
)
def test_a_key_means_the_same_on_every_keyboard(page: Page, key: str, code: str, shift: bool, means: str) -> None:
    assert asked(page, key=key, code=code, shiftKey=shift) == [means, False]


@pytest.mark.parametrize(
    "event",
    [
        {"key": "Enter", "code": "Enter", "keyCode": 229},  # the press that ends a composition, in Safari and others
        {"key": "Process", "code": "KeyB", "keyCode": 229},
        {"key": "b", "code": "KeyB", "isComposing": True},
    ],
)
def test_an_input_methods_press_is_told_apart(page: Page, event: dict[str, Any]) -> None:
    assert asked(page, **event)[1] is True


def test_a_press_without_a_key_is_survived(page: Page) -> None:
    """A browser that fills in a form sends such presses."""
    source = KEYS.read_text(encoding="utf-8")
    assert page.evaluate("(source) => Function(source + '; return keyOf({})')()", source) == ""

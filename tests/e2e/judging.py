"""What the browser tests of judging do alike: rows and files to judge, and the steps of somebody who judges them.

Not here: opening a page and the running lab's data (``conftest.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from tests.e2e.conftest import wait_until

ROUTES = "**/api/annotate/**"
CODE = "Sure:\n```python\ndef add(a, b):\n    return a + b\n```\n<img src=/stolen onerror=alert(1)><script>alert(2)</script>"
ASKED = {"en": "What is", "zh": "等于多少"}
PAIRS = 12
"""As many pairs a demo file holds."""


def short_rows(count: int) -> list[dict[str, str]]:
    return [{"prompt": f"Question {n}", "first": f"Answer {n}.", "second": f"Another {n}!"} for n in range(count)]


def typed(annotation: Annotation, name: str, rows: list[dict[str, str]], **settings: Any) -> str:
    """A collection of these rows, by its id."""
    made = annotation.import_rows(rows, name=name, settings=CollectionSettings(gold_rate=0, **settings))
    return made.collection.id


def demo_row(number: int, language: str) -> dict[str, Any]:
    """A row as LLaMA-Factory's preference demos have them."""
    asked, better, worse = {
        "en": (f"What is {number} + 5?", f"{number} + 5 = {number + 5}", "I like numbers."),
        "zh": (
            f"{number} 加 5 等于多少？",
            f"{number} + 5 = {number + 5}，所以答案是 {number + 5}。",
            "数字很有意思。",
        ),
    }[language]
    said = [{"from": "human", "value": asked}]
    if number % 3 == 0:
        said.insert(0, {"from": "system", "value": "You are a calm teacher."})
    return {
        "conversations": said,
        "chosen": {"from": "gpt", "value": better},
        "rejected": {"from": "gpt", "value": worse},
    }


def demo_file(folder: Path, language: str) -> Path:
    """A file of ``PAIRS`` such rows, and one whose responses are the same."""
    rows = [demo_row(number, language) for number in range(1, PAIRS + 1)]
    rows.append({**demo_row(99, language), "rejected": rows[0]["chosen"], "chosen": rows[0]["chosen"]})
    path = folder / f"dpo_{language}_demo.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def add_demo_files(page: Page, annotation: Annotation, folder: Path, *languages: str) -> None:
    """Import them on the open Annotate tab, one after the other, into one collection."""
    page.get_by_role("button", name="Add pairs", exact=True).click()
    for files, language in enumerate(languages, start=1):
        page.locator("#pairs-file input[type=file]").set_input_files(demo_file(folder, language))
        # The words first: the other file's preview says as much of its number.
        expect(page.locator("#pairs-preview")).to_contain_text(ASKED[language])
        expect(page.locator("#pairs-preview")).to_contain_text(f"{PAIRS} pairs, read as conversations")
        expect(page.locator("#pairs-preview")).to_contain_text("1 rows are left out")
        page.locator("#add-pairs-button").click()
        expect(page.locator("#add-message")).to_contain_text(f"{PAIRS} pairs are now in")
        wait_until(page, lambda wanted=PAIRS * files: [one.pairs for one in annotation.collections()] == [wanted])


def part(page: Page, name: str) -> None:
    """Open a part of the Annotate tab."""
    page.locator("#annotate-tabs").get_by_role("tab", name=name, exact=True).click()


def judge(page: Page, key: str) -> str:
    """Press a key, and wait for the next pair; the pair that was judged."""
    annotator = page.get_by_test_id("annotator")
    expect(annotator).to_have_attribute("data-pair", re.compile("."))
    before = str(annotator.get_attribute("data-pair"))
    page.keyboard.press(key)
    expect(annotator).not_to_have_attribute("data-pair", before)
    return before


def better_side(page: Page, better: Callable[[str], bool]) -> str:
    """The key that chooses the side whose text is the better one."""
    expect(page.get_by_test_id("annotator")).to_have_attribute("data-pair", re.compile("."))
    return "1" if better(page.get_by_test_id("response-a").inner_text()) else "2"

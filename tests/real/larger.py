"""The questions of the preset ``smollm2-135m/grpo-laptop``: which of two numbers is larger. ``python -m tests.real.larger`` writes them anew."""

from __future__ import annotations

import json
import random

from lab.store.presets import PRESETS

FILE = PRESETS / "smollm2-135m" / "larger.jsonl"
COUNT = 1500


def text() -> str:
    """The file: as many different ordered pairs of two-digit numbers, each with the larger one as the answer."""
    draw = random.Random(20)
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < COUNT:
        first, second = draw.randint(10, 99), draw.randint(10, 99)
        if first != second:
            pairs[first, second] = None
    rows = (
        {
            "prompt": f"Which number is larger, {first} or {second}? Answer with the number only.",
            "answer": str(max(first, second)),
        }
        for first, second in pairs
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")

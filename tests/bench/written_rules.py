"""Two rules as people write them, and what one costs a completion: in batches of 64, as a run makes them."""

from __future__ import annotations

import time

from lab.sandbox.written import BATCH, Row, WrittenRule, score_batch

TYPICAL = {
    "regular expression": """
import re
PATTERN = re.compile(r"x\\s*=\\s*(-?\\d+)$")
def reward(prompt, completion, answer):
    found = PATTERN.search(completion)
    return 1.0 if found and found.group(1) == answer else 0.0
""",
    "compare numbers": """
def reward(prompt, completion, answer):
    try:
        return 1.0 if float(completion.split("=")[-1]) == float(answer) else 0.0
    except ValueError:
        return 0.0
""",
}


def cost(source: str, rounds: int = 40) -> tuple[float, float]:
    """Seconds a completion, in batches of 64 as a run makes them: the median and the best of some rounds."""
    rows: list[Row] = [("解方程 3x + 5 = 20", f"3x = 15, x = 15/3, x = {number % 9}", "5") for number in range(BATCH)]
    rule = WrittenRule("measured", source)
    taken: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        score_batch(rule, rows)
        taken.append(time.perf_counter() - start)
    return sorted(taken)[rounds // 2] / BATCH, min(taken) / BATCH

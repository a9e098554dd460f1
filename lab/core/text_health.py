"""Measures the completions of one step as text, independently of the rules: repetition, and equal text for different prompts.

Degenerate text can earn rewards; these numbers show it (``hacking.py`` compares them with the rewards). Lengths in tokens come from
the trainer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

RUN = 3
"""Characters or words in a row that repetition compares."""

LONGEST = 2000
"""Words of a text that are examined; repetition shows early."""


def text_health(texts: Sequence[str], groups: Sequence[int]) -> dict[str, float]:
    """``repetition``, ``distinct_share`` and, where there are several groups, ``same_answer``, of one step's completions.

    ``groups`` says of each text to which prompt it belongs.
    """
    if not texts:
        return {}
    health = {
        "repetition": sum(map(repetition, texts)) / len(texts),
        "distinct_share": len(set(texts)) / len(texts),
    }
    same = same_answer(texts, groups)
    return health if same is None else health | {"same_answer": same}


def repetition(text: str) -> float:
    """The share, 0 to 1, of runs of RUN words that occurred earlier in the text; of characters where the text has hardly any blanks."""
    words: Sequence[str] = list(islice(text.split(), LONGEST))
    if len(words) * 8 < len(text):  # Chinese, or one endless word
        words = text[: 8 * LONGEST]
    runs = list(zip(*(words[offset:] for offset in range(RUN)), strict=False))
    return 1 - len(set(runs)) / len(runs) if len(runs) > 1 else 0.0


def same_answer(texts: Sequence[str], groups: Sequence[int]) -> float | None:
    """The share of pairs of completions of *different* prompts that are equal texts: usually near 0; 1 where the model always writes
    the same. None with a single prompt."""
    inside = Counter(zip(groups, texts, strict=True))
    sizes = Counter(groups)
    all_pairs = _pairs(len(texts)) - sum(map(_pairs, sizes.values()))
    if not all_pairs:
        return None
    same = sum(map(_pairs, Counter(texts).values())) - sum(map(_pairs, inside.values()))
    return same / all_pairs


def _pairs(count: int) -> int:
    return count * (count - 1) // 2

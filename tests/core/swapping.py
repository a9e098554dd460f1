"""First and second of a pair exchanged, and a judgement of it alike: what is computed must not depend on which is which."""

from typing import TypeVar

from lab.core.preferences import Judgement, Pair

Judged = TypeVar("Judged", Pair, Judgement)


def swapped(judged: Judged) -> Judged:
    """The same pair with first and second exchanged; the same judgement of that pair, each response where it stood."""
    if isinstance(judged, Pair):
        gold = judged.gold and judged.gold.of_other
        return judged.model_copy(update={"first": judged.second, "second": judged.first, "gold": gold})
    return judged.model_copy(update={"choice": judged.choice.of_other, "left": judged.left.of_other})

"""Which of two sources (runs, models) people prefer, with a confidence interval. Not here: how far people agree (``agreement.py``).

A pair counts once, however many judged it, because judgements of the same pair are not independent: it goes to the source that
more of its voters chose, and is a tie where neither has more. The interval is that of ``shares.py``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.core.agreement import Votes
from lab.core.preferences import Choice, Pair
from lab.core.shares import Share


@dataclass(frozen=True)
class Comparison:
    """Two sources, in alphabetical order, over the judged pairs that have one response of each."""

    one: str
    other: str
    wins_one: int
    wins_other: int
    ties: int
    """Pairs of which neither has more votes; both_bad counts here too."""

    @property
    def share(self) -> Share:
        """Of the pairs that were decided, those that went to ``one``."""
        return Share(self.wins_one, self.wins_one + self.wins_other)

    @property
    def better(self) -> str | None:
        """The source that people prefer, where the 95 % interval leaves no doubt."""
        low, high = self.share.interval
        if low > 0.5:
            return self.one
        return self.other if high < 0.5 else None


def compare(pairs: Iterable[Pair], votes: Votes) -> list[Comparison]:
    """Every two sources that met in a pair that was judged, those with the most pairs first. Gold pairs do not count."""
    results: dict[tuple[str, str], Counter[str | None]] = defaultdict(Counter)
    for pair in pairs:
        first, second = pair.first.source, pair.second.source
        of_pair = votes.get(pair.id)
        if not of_pair or pair.gold or first is None or second is None or first == second:
            continue
        one, other = sorted((first, second))
        results[one, other][_winner(pair, of_pair)] += 1
    compared = [Comparison(one, other, wins[one], wins[other], wins[None]) for (one, other), wins in results.items()]
    return sorted(compared, key=lambda row: (-(row.wins_one + row.wins_other + row.ties), row.one, row.other))


def _winner(pair: Pair, of_pair: Mapping[str, Choice]) -> str | None:
    """The source that more voters chose; None for a tie."""
    chosen = Counter(choice for choice in of_pair.values() if choice.is_response)
    if chosen[Choice.FIRST] == chosen[Choice.SECOND]:
        return None
    return pair.response(max(chosen, key=lambda choice: chosen[choice])).source

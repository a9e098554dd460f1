"""Sentences about judgements: how a reward agrees with people, what does not count, which rules failed, and what became of edits.

The page (``lab/ui/tabs/annotate/agreement.py``) and the command line (``lab/commands/agree.py``) say the same. No number is made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.core.derivation import EditFate
from lab.core.intervals import FEW
from lab.core.reward_agreement import Failure, RewardAgreement
from lab.core.shares import Share
from lab.words import say


def verdict(share: Share, language: str) -> str:
    """What a share of agreement says, by its interval: with people, against them, or nothing."""
    low, high = share.interval
    return say("agree.above" if low > 0.5 else "agree.below" if high < 0.5 else "agree.chance", language)


def share_words(share: Share, language: str) -> str:
    """A share with its interval."""
    if not share.of:
        return say("agree.none", language)
    low, high = share.interval
    key = "agree.share_few" if share.of < FEW else "agree.share"
    return say(key, language, share=percent(share.share), low=percent(low), high=percent(high), n=share.of)


def left_out(agreement: RewardAgreement, language: str) -> str:
    """Judged pairs that do not count, and why; empty where all do."""
    reasons = [(count, say(f"not_derived.{why}", language)) for why, count in agreement.left_out.items()]
    reasons += [(agreement.gold, say("agree.gold", language))] if agreement.gold else []
    listed = say("plan.list", language).join(
        say("agree.left_out_one", language, count=count, why=why) for count, why in reasons
    )
    return say("agree.left_out", language, list=listed) if reasons else ""


def seen(agreement: RewardAgreement, language: str) -> str:
    """How many of the pairs a reward model was trained on, and how it does on the others; empty where on none."""
    count = agreement.agree.of - agreement.unseen.of
    if not count:
        return ""
    others = (
        say("agree.seen_others", language, share=share_words(agreement.unseen, language)) if agreement.unseen.of else ""
    )
    return say("agree.seen", language, count=count) + others


def failed(failures: Sequence[Failure], language: str) -> list[str]:
    """A sentence for each rule that failed somewhere."""
    return [
        say("agree.failures", language, rule=failure.rule, count=failure.count, of=failure.of, message=failure.message)
        for failure in failures
    ]


def number(value: float) -> str:
    """A reward in four figures, with the real minus."""
    return f"{value:.4g}".replace("-", "−")


def percent(share: float) -> str:
    """A share as whole percents."""
    return f"{share:.0%}"


def edit_sentences(counts: Mapping[EditFate, int], language: str) -> list[str]:
    """What became of edited responses: one sentence a fate, those that are used first; none where nobody edited a response."""
    return [say(f"edit_fate.{fate}", language, count=counts[fate]) for fate in EditFate if counts.get(fate)]

"""How a reward agrees with people, as HTML: the share, what both lean to, and the pairs where they differ, side by side.

Markup only: every text of others is escaped, and no number is made here. The figures are ``lab/core/reward_agreement.py``'s.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from lab.annotation.rewarded_pairs import Failure
from lab.core.intervals import FEW
from lab.core.reward_agreement import Ranked, RewardAgreement
from lab.ui.notice import quiet
from lab.ui.tabs.annotate.tables import asked, table
from lab.words import say
from lab.words.agreement import failed, left_out, number, percent, seen, share_words, verdict

MOST_SHOWN = 20


def agreement(found: RewardAgreement, language: str, failures: Sequence[Failure] = ()) -> str:
    """All of it."""
    return (
        _head(found, language) + _notes(found, failures, language) + _tables(found, language) + _wrong(found, language)
    )


def _head(found: RewardAgreement, language: str) -> str:
    if not found.agree.of:
        return ""
    low, high = found.agree.interval
    holes = {"low": percent(low), "high": percent(high), "n": found.agree.of}
    told = html.escape(say("agree.interval_few" if found.agree.of < FEW else "agree.interval", language, **holes))
    few = " few" if found.agree.of < FEW else ""
    label, said = html.escape(say("agree.agree", language)), html.escape(verdict(found.agree, language))
    bar = (
        f'<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<line class="half" x1="50" x2="50" y1="0" y2="10"/><line class="from-to" x1="{100 * low:.1f}" x2="{100 * high:.1f}" y1="5" y2="5"/>'
        f'<line class="at" x1="{100 * found.agree.share:.1f}" x2="{100 * found.agree.share:.1f}" y1="1" y2="9"/></svg>'
    )
    return (
        f'<div class="tile agree-tile{few}"><span>{label}</span><b>{percent(found.agree.share)}</b>{bar}'
        f"<p>{told}</p><p>{said}</p></div>"
    )


def _notes(found: RewardAgreement, failures: Sequence[Failure], language: str) -> str:
    notes = failed(failures, language)
    notes += [told] if (told := seen(found, language)) else []
    notes += [say("agree.unscored", language, count=found.unscored)] if found.unscored else []
    notes += [say("agree.ties", language, count=found.ties)] if found.ties else []
    notes += [told] if (told := left_out(found, language)) else []
    return quiet(*notes)


def _tables(found: RewardAgreement, language: str) -> str:
    leanings = [
        ("longer", found.people_longer, found.reward_longer),
        ("left", found.people_left, found.reward_left),
    ]
    head = [say(f"agree.column_{name}", language) for name in ("leaning", "people", "reward")]
    rows = [
        (say(f"agree.{name}", language), share_words(people, language), share_words(reward, language))
        for name, people, reward in leanings
    ]
    minds = [(say(f"agree.{unity}", language), share_words(share, language)) for unity, share in found.by_unity.items()]
    minds += [
        (say("agree.of_category", language, category=category), share_words(share, language))
        for category, share in found.by_category.items()
    ]
    of_minds = table([say("agree.column_mind", language), say("agree.column_agree", language)], minds)
    return table(head, rows) + quiet(say("agree.leaning_note", language)) + of_minds


def _wrong(found: RewardAgreement, language: str) -> str:
    wrong = found.disagreements
    if not wrong:
        return quiet(say("agree.no_disagreements", language) if found.ranked else "")
    shown = "".join(_one(one, language) for one in wrong[:MOST_SHOWN])
    more = say("agree.disagreements_more", language, shown=min(MOST_SHOWN, len(wrong)), count=len(wrong))
    return (
        f'<h4>{html.escape(say("agree.disagreements", language))}</h4>{quiet(more)}<div class="pair-list">{shown}</div>'
    )


def _one(one: Ranked, language: str) -> str:
    sides = "".join(
        f"<div><h5>{html.escape(say(f'agree.{name}', language, reward=number(reward)))}</h5>"
        f'<div class="said" tabindex="0">{html.escape(text)}</div></div>'
        for name, text, reward in (
            ("people_chose", one.chosen.text, one.chosen_reward),
            ("the_other", one.other.text, one.other_reward),
        )
    )
    behind = say(
        "agree.behind", language, votes=one.votes, agreement=percent(one.agreement), margin=number(-one.margin)
    )
    return (
        f'<article class="one-pair"><div class="asked" tabindex="0">{html.escape(asked(one.pair.prompt, language))}</div>'
        f'<div class="two">{sides}</div>{quiet(behind)}</article>'
    )

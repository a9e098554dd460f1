"""What the owner of a collection reads on the Annotate tab, as HTML: previews, collections, agreement, versions.

Markup only: every text of others is escaped, and no number is made here. The figures come from ``lab/annotation/collections.py``.
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Mapping, Sequence

from lab.annotation.pairs import Collection
from lab.annotation.pairs_file import Preview
from lab.annotation.quality import Disagreement, OfAnnotator, Quality
from lab.annotation.versions.freeze import Version
from lab.annotation.versions.importing import Exported
from lab.core.agreement import Measure
from lab.core.comparison import Comparison
from lab.core.derivation import Derived, EditFate
from lab.core.intervals import FEW, wilson
from lab.core.preferences import IMPORTED, Choice, Pair, Prompt, WhyNotDerived
from lab.data.left_out import LeftOut, counted
from lab.ui.file_reading import about_file
from lab.ui.notice import notice, quiet
from lab.words import say
from lab.words.agreement import edit_sentences

SHOWN_TEXT = 600
SHOWN_LINES = 12
SHOWN_PAIRS = 3
TENTH = 10.0  # seconds; below, a tenth of a second says something


def preview(found: Preview, language: str) -> str:
    """The first pairs of a file as they would be judged, and what would be left out."""
    head = say("annotate.preview", language, count=found.count, form=say(f"annotate_form.{found.form}", language))
    pairs = "".join(_pair(pair, language) for pair in found.pairs)
    told = [say("annotate.preview_votes", language, count=_count(found.votes))] if found.votes else []
    listed = f'<div class="pair-list">{pairs}</div>{left_out(found.left_out, language)}'
    return f"<h4>{html.escape(head)}</h4>{about_file(found, told, language)}{listed}"


def exported(found: Exported, same: Sequence[tuple[Version, Collection]], language: str) -> str:
    """An exported version before it is taken in: what it is, what it rests on, its first pairs, and whether it is here already."""
    preferences = len(found.derived.preferences)
    head = say("annotate.take_in_is", language, name=found.name, count=_count(preferences), rule=rule(found, language))
    rests = say(
        "annotate.take_in_rests", language,
        collection=found.collection, pairs=_count(len(found.pairs)), judgements=_count(len(found.events)),
        people=_count(found.annotators), hash=found.content_hash[7:19], moment=_moment(found.frozen),
    )  # fmt: skip
    here = [say("annotate.take_in_same", language, name=one.name, collection=of.name) for one, of in same[:1]]
    pairs = "".join(_pair(pair, language) for pair in found.pairs[:SHOWN_PAIRS])
    return f'<h4>{html.escape(head)}</h4>{notice(" ".join(here))}{quiet(rests)}<div class="pair-list">{pairs}</div>'


def left_out(rows: Sequence[LeftOut], language: str) -> str:
    """Rows that are not used: how many for each reason, and the lines."""
    if not rows:
        return ""
    reasons = []
    for why, detail, count in counted(rows):
        lines = [row.line for row in rows if (row.why, row.detail) == (why, detail)]
        listed = ", ".join(map(str, lines[:SHOWN_LINES])) + (" …" if len(lines) > SHOWN_LINES else "")
        reason = say(f"left_out.{why}", language, detail=detail)
        told = say("annotate.left_out_line", language, count=count, why=reason, lines=listed)
        reasons.append(f"<li>{html.escape(told)}</li>")
    head = html.escape(say("annotate.left_out", language, count=len(rows)))
    return f'<details class="left-out"><summary>{head}</summary><ul>{"".join(reasons)}</ul></details>'


def collections(found: Sequence[Collection], language: str) -> str:
    """Every collection and how far it is."""
    if not found:
        return quiet(say("annotate.no_collections", language))
    names = ("name", "pairs", "gold", "overlap", "judgements", "people", "open")
    rows = [
        (
            one.name, _count(one.pairs), _count(one.gold), _overlap(one, language), _count(one.judgements),
            str(one.annotators), _count(one.open),
        )
        for one in found
    ]  # fmt: skip
    exceeded = [
        say("annotate.beyond", language, name=one.name, count=_count(one.beyond)) for one in found if one.beyond
    ]
    return table([say(f"annotate_column.{name}", language) for name in names], rows) + quiet(*exceeded)


def _overlap(one: Collection, language: str) -> str:
    wanted = one.settings.wanted
    return say("annotate_setting.of_everyone", language) if wanted is None else str(wanted)


def quality(found: Quality, compared: Sequence[Comparison], names: dict[str, str], language: str) -> str:
    """Agreement with the reason where there is none, each annotator, and which source people prefer."""
    if not found.judgements:
        return quiet(say("annotate.nobody_judged", language))
    measures = [("alpha", found.alpha), ("raw", found.raw), ("left_rate", found.left_rate)]
    if found.kappa is not None:
        measures.insert(1, ("kappa", found.kappa))
    tiles = "".join(_measure(name, measure, language) for name, measure in measures)
    return (
        f'<div class="tiles">{tiles}</div>{quiet(_counts(found, language))}{_comparisons(compared, names, language)}'
        f"<h4>{html.escape(say('annotate.people', language))}</h4>{_people(found.annotators, language)}"
    )


def _counts(found: Quality, language: str) -> str:
    """How much was judged, and what of it is in which figure."""
    counts = {"judgements": _count(found.judgements), "pairs": _count(found.pairs_judged), "skips": _count(found.skips)}
    told = [say("annotate.judged_so_far", language, **counts)]
    for name, count in (("gold", found.gold), ("revealed", found.revealed), ("adjudicated", found.adjudicated)):
        told += [say(f"annotate.judged_{name}", language, count=_count(count))] if count else []
    return " ".join(told)


def disagreement(one: Disagreement, place: int, count: int, names: dict[str, str], language: str) -> str:
    """A pair that people judged differently, side by side, with who said what and why."""
    by_choice: dict[Choice, list[str]] = {choice: [] for choice in Choice}
    for judgement in one.judgements:
        reason = f": “{judgement.reason}”" if judgement.reason else ""
        by_choice[judgement.choice].append(names.get(judgement.annotator, judgement.annotator) + reason)
    votes = "".join(
        f"<li><b>{html.escape(say(f'annotate_choice.{choice}', language))}</b> {html.escape('; '.join(who))}</li>"
        for choice, who in by_choice.items()
        if who
    )
    head = html.escape(say("annotate.disagreement", language, place=place + 1, count=count))
    if one.adjudicated is not None:
        choice = say(f"annotate_choice.{one.adjudicated}", language)
        head += f" · {html.escape(say('annotate.decided_before', language, choice=choice))}"
    return f'<p class="quiet">{head}</p>{_pair(one.pair, language, whole=True)}<ul class="votes">{votes}</ul>'


def derived(found: Derived, language: str) -> str:
    """What freezing would give: the preferences, and what is left out, counted."""
    told = [say("annotate.would_give", language, count=len(found.preferences))]
    if found.first_votes:
        told.append(say("annotate.first_votes", language, count=_count(len(found.first_votes))))
    return notice(" ".join(told)) + _reasons(found.counts, language) + edits(found.edits, language)


def edits(found: Mapping[EditFate, int], language: str) -> str:
    """What becomes of the responses that annotators rewrote; nothing where nobody did."""
    lines = edit_sentences(found, language)
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<ul class="reasons edits">{items}</ul>' if lines else ""


def versions(found: Sequence[Version], language: str) -> str:
    """Every frozen version: when, by which rule, how many."""
    if not found:
        return quiet(say("annotate.no_versions", language))
    names = ("name", "frozen", "preferences", "rule", "hash")
    rows = [
        (one.name, _moment(one.created), _count(one.preferences), rule(one, language), one.content_hash[7:19])
        for one in found
    ]
    return table([say(f"annotate_column.{name}", language) for name in names], rows)


def rule(version: Version | Exported, language: str) -> str:
    """The rule of a version in words."""
    given = version.rule
    parts = [say("annotate.rule", language, votes=given.least_votes, agreement=f"{given.least_agreement:.0%}")]
    parts += [say("annotate.rule_edits", language)] if given.use_edits else []
    parts += [] if given.use_adjudications else [say("annotate.rule_adjudications", language)]
    parts += [say("annotate.rule_revealed", language)] if given.use_revealed else []
    parts += [say("annotate.rule_gold", language)] if version.with_gold else []
    return say("plan.list", language).join(parts)


# ---- parts


def _pair(pair: Pair, language: str, *, whole: bool = False) -> str:
    sides = "".join(
        f"<div><h5>{html.escape(say(f'annotate_choice.{choice}', language))}</h5>"
        f'<div class="said" tabindex="0">{html.escape(_short(pair.response(choice).text, whole))}</div></div>'
        for choice in (Choice.FIRST, Choice.SECOND)
    )
    head = html.escape(_short(asked(pair.prompt, language), whole))
    own = say("plan.list", language).join(f"{name} = {_short(str(value), False)}" for name, value in pair.own.items())
    beside = f'<p class="quiet own">{html.escape(own)}</p>' if own else ""
    body = f'<div class="asked" tabindex="0">{head}</div><div class="two">{sides}</div>{beside}'
    return f'<article class="one-pair">{body}</article>'


def asked(prompt: Prompt, language: str) -> str:
    """A prompt as text: of a conversation every message, with who said it."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{say(f'annotate_role.{one.role}', language)}: {one.content}" for one in prompt)


def _short(text: str, whole: bool) -> str:
    return text if whole or len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT].rstrip() + " …"


def _measure(name: str, measure: Measure, language: str) -> str:
    label = html.escape(say(f"annotate_measure.{name}", language))
    if name in ("alpha", "kappa"):  # a term of the glossary
        label = f'<button type="button" class="term" data-term="kappa" aria-haspopup="dialog">{label}</button>'
    if measure.value is None:
        why = html.escape(say(f"why_undefined.{measure.why}", language))
        return f'<div class="tile undefined"><span>{label}</span><p>{why}</p></div>'
    value = f"{measure.value:.0%}" if name in ("raw", "left_rate") else _figure(measure.value)
    of = say(f"annotate.of_{'judgements' if name == 'left_rate' else 'pairs'}", language, n=measure.count)
    if name in ("raw", "left_rate"):
        low, high = wilson(measure.value * measure.count, measure.count)
        of += say("shares.interval", language, low=f"{low:.0%}", high=f"{high:.0%}")
    few = measure.count < FEW
    of += say("shares.too_few", language) if few else ""
    kind = "tile few" if few else "tile"
    return f'<div class="{kind}"><span>{label}</span><b>{value}</b><p>{html.escape(of)}</p></div>'


def _comparisons(compared: Sequence[Comparison], names: dict[str, str], language: str) -> str:
    lines = []
    for one in compared:
        low, high = one.share.interval
        holes = {
            "one": _source(one.one, names), "other": _source(one.other, names), "share": f"{one.share.share:.0%}",
            "low": f"{low:.0%}", "high": f"{high:.0%}", "decided": one.share.of, "ties": one.ties,
        }  # fmt: skip
        verdict = say("annotate.no_better", language)
        if one.better:
            verdict = say("annotate.better", language, name=_source(one.better, names))
        told = say("annotate.compared", language, **holes)
        lines.append(f"<li><b>{html.escape(verdict)}</b> {html.escape(told)}</li>")
    if not lines:
        return ""
    return f'<h4>{html.escape(say("annotate.sources", language))}</h4><ul class="verdicts">{"".join(lines)}</ul>'


def _source(source: str, names: dict[str, str]) -> str:
    """A source as people call it: a run by its name."""
    run_id = source.removeprefix("run:").split(" ")[0]
    return source.replace(f"run:{run_id}", names[run_id]) if run_id in names else source


def _people(people: Iterable[OfAnnotator], language: str) -> str:
    people = list(people)
    names = ["person", "judged", "skipped", "seconds", "too_fast", "gold_right", "left"]
    not_blind = any(one.revealed for one in people)
    names += ["revealed"] if not_blind else []
    rows = []
    for one in people:
        seconds = "–"
        if one.seconds is not None:
            seconds = f"{one.seconds:.1f} s" if one.seconds < TENTH else f"{one.seconds:.0f} s"
        flag = f"⚠ {one.too_fast}" if one.flagged else str(one.too_fast)
        figures = [_count(one.judged), _count(one.skipped), seconds, flag, _share(one.gold), _share(one.left_rate)]
        name = say("annotate.imported", language, name=one.name) if one.id.startswith(IMPORTED) else one.name
        rows.append([name, *figures, *([_count(one.revealed)] if not_blind else [])])
    lines = [one.line for one in people if one.line is not None]
    note = ""
    if lines:
        low, high = min(low for low, _ in lines), max(high for _, high in lines)
        key = "fast_line" if f"{low:.1f}" == f"{high:.1f}" else "fast_lines"
        note = quiet(say(f"annotate.{key}", language, low=f"{low:.1f}", high=f"{high:.1f}"))
    return table([say(f"annotate_column.{name}", language) for name in names], rows) + note


def _reasons(counts: dict[WhyNotDerived, int], language: str) -> str:
    if not counts:
        return ""
    lines = "".join(
        f"<li>{html.escape(say('annotate.not_derived', language, count=counts[why], why=say(f'not_derived.{why}', language)))}</li>"
        for why in WhyNotDerived
        if why in counts
    )
    return f'<ul class="reasons">{lines}</ul>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, the others are figures or short."""
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide-table" tabindex="0"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'


def _share(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:.0%} ({measure.count})"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")  # a thin space


def _figure(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

"""What the Compare tab says in words, as HTML: the verdict, where the runs come from, the course's tables, what differences rest on.

Not here: the sentences themselves (``lab/compare``), figures (``figures.py``).
"""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence

from lab.compare.phrases import MINUS, points
from lab.compare.selection import Selected
from lab.compare.tables import Cell, Mark, Row, Table, differing
from lab.compare.verdict import Difference, Standing, rests_on, verdict
from lab.ui.notice import notice, quiet
from lab.ui.tabs.compare.looks import Look
from lab.words import say

MOST_NAMED = 5
"""Runs that one sentence names."""
MARKS = {Mark.AGREES: "✓", Mark.DIFFERS: "≠", Mark.UNTESTED: "–"}
SVG_DASHES = {
    "solid": "",
    "dash": "7 4",
    "dashdot": "8 3 2 3",
    "dot": "2 3",
    "longdash": "11 4",
    "longdashdot": "11 3 2 3",
}
SHAPES = {
    "circle": '<circle cx="17" cy="7" r="4"/>',
    "square": '<rect x="13" y="3" width="8" height="8"/>',
    "triangle-up": '<path d="M17 2l5 9h-10z"/>',
    "diamond": '<path d="M17 2l5 5l-5 5l-5-5z"/>',
    "x": '<path d="M13 3l8 8M21 3l-8 8" stroke-width="2.4"/>',
    "star": '<path d="M17 1l2 4 4 .6-3 3 .8 4.4L17 11l-3.800 2 .8-4.400-3-3 4-.600z"/>',
    "cross": '<path d="M17 2v10M12 7h10" stroke-width="2.4"/>',
    "pentagon": '<path d="M17 2l5 4-2 6h-6l-2-6z"/>',
    "hexagon": '<path d="M14 2h6l3 5-3 5h-6l-3-5z"/>',
}
GLYPHS = {
    "circle": "●",
    "square": "■",
    "triangle-up": "▲",
    "diamond": "◆",
    "x": "✕",
    "star": "★",
    "cross": "✚",
    "pentagon": "⬟",
    "hexagon": "⬢",
}


def text(sentence: str) -> str:
    """A sentence as HTML."""
    return html.escape(sentence)


def head(selected: Selected, language: str) -> str:
    """The verdict and, under it, what it rests on."""
    if not selected.runs:
        return ""
    said = [phrase.say(language) for phrase in verdict(selected.runs)]
    first, rest = said[0], said[1:]
    more = "".join(f"<span>{text(sentence)}</span> " for sentence in rest)
    return f'<h2 id="verdict">{text(first)} {more}</h2>{quiet(rests_on(selected.runs).say(language))}'


def left_out(ticked: int, titles: Sequence[str], language: str) -> str:
    """Which of the runs that were ticked are not compared; empty where all of them are."""
    if not titles:
        return ""
    names = ", ".join(titles[:MOST_NAMED]) + (f" +{len(titles) - MOST_NAMED}" if len(titles) > MOST_NAMED else "")
    return notice(say("compare.left_out", language, ticked=ticked, most=ticked - len(titles), names=names))


def origin(selected: Selected, language: str) -> str:
    """Whether the runs were recorded elsewhere, grow just now, or are only a part of their study."""
    name = selected.selection.study
    command = f"python -m lab study {name}"
    if selected.recorded is not None:
        recorded = selected.recorded
        date = time.strftime("%Y-%m-%d", time.localtime(recorded.made))
        why = say("compare.recorded_why", language, machine=recorded.machine, date=date, command=recorded.command)
        return f'<p class="origin"><b>{text(say("compare.recorded_mark", language))}</b> {text(why)}</p>'
    counts = {"there": len(selected.runs), "all": max(selected.wanted, len(selected.runs))}
    if selected.going_on:
        why = say("compare.live_why", language, **counts)
        return f'<p class="origin live"><b>{text(say("compare.live_mark", language))}</b> {text(why)}</p>'
    if selected.selection.kind == "study" and counts["there"] < counts["all"]:
        return f'<p class="origin">{text(say("compare.part_why", language, command=command, **counts))}</p>'
    return ""


def nothing(selected: Selected, language: str) -> str:
    """What to do next where there is no run."""
    kind = "none_study" if selected.selection.kind == "study" else "none_runs"
    told = say(f"compare.{kind}", language, command=f"python -m lab study {selected.selection.study}")
    return f'<div class="nothing">{text(told)}</div>'


def title(key: str, language: str, side: str = "") -> str:
    """A heading and what stands beside it."""
    return f"<h3>{text(say(f'compare.{key}', language))} <small>{text(side)}</small></h3>"


def tables(found: Sequence[Table], looks: Mapping[str, Look], language: str) -> str:
    """Both tables of the course."""
    filled = [table for table in found if table.rows]
    differ, cells = differing(found)
    side = say("compare.tables_side", language, differ=differ, cells=cells) if filled else ""
    shown = "".join(_table(table, looks, language) for table in filled) or quiet(say("compare.no_tables", language))
    return title("tables_title", language, side) + shown


def _table(table: Table, looks: Mapping[str, Look], language: str) -> str:
    other = table.title.say("zh" if language == "en" else "en")
    columns = [column.say(language) for column in table.columns]
    names = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    rows = "".join(_row(row, columns, looks, language) for row in table.rows)
    return (
        f'<section class="course"><h4>{text(table.title.say(language))} <small>{text(other)}</small></h4>'
        f'<div class="course-scroll" tabindex="0"><table><thead><tr><td></td>{names}</tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _row(row: Row, columns: Sequence[str], looks: Mapping[str, Look], language: str) -> str:
    cells = "".join(_cell(cell, name, language) for cell, name in zip(row.cells, columns, strict=True))
    look = looks.get(row.group.label)
    return f'<tr><th scope="row">{text(row.group.label)}{swatch(look) if look else ""}</th>{cells}</tr>'


def _cell(cell: Cell, column: str, language: str) -> str:
    left, right = ("「", "」") if language == "zh" else ("“", "”")
    claim = f"{left}{cell.claim.say(language)}{right}"
    measured, detail = cell.measured.say(language), cell.detail.say(language)
    said = f'<p class="said {cell.mark}"><i aria-hidden="true">{MARKS[cell.mark]}</i> {text(cell.sentence.say(language))}</p>'
    small = f"<small>{text(detail)}</small>" if detail else ""
    return f'<td data-column="{text(column)}" data-mark="{cell.mark}"><q>{text(claim)}</q><b>{text(measured)}</b>{small}{said}</td>'


def swatch(look: Look) -> str:
    """A short piece of a group's line with its marker."""
    dash = SVG_DASHES.get(look.dash, "")
    return (
        f'<svg class="swatch" width="34" height="14" aria-hidden="true" fill="{look.colour}" stroke="{look.colour}">'
        f'<line x1="1" x2="33" y1="7" y2="7" stroke-width="2.200" stroke-dasharray="{dash}"/>{SHAPES.get(look.marker, "")}</svg>'
    )


def differences(found: Sequence[Difference], language: str) -> str:
    """A row for each difference: what minus what, how much, and what may be said of it."""
    return "".join(_difference(each, language) for each in found if each.interval is not None)


def _difference(each: Difference, language: str) -> str:
    interval = each.interval
    assert interval is not None
    bounded = interval.n > 1 or abs(interval.low) != float("inf")
    ends = f"{points(interval.low, signed=True)} … {points(interval.high, signed=True)}" if bounded else ""
    sure = each.standing is Standing.DISTINGUISHABLE
    sign = "✓" if sure else "≈"
    kind = "sure" if sure else "unsure"
    names = f"{each.one.label} {MINUS} {each.other.label}"
    return (
        f'<div class="rests-row"><span class="of">{text(names)}</span><b>{points(interval.mean, signed=True)}</b>'
        f'<span class="ends">{ends}</span><span class="pill {kind}">{sign} {text(each.sentence.say(language))}</span></div>'
    )

"""What the lab changes in Gradio's own scripts as it serves them. The files on disk stay as they are.

Each change is one place of minified code that must be found exactly once; a script that is built otherwise is served as it is, and a test
says that the pinned Gradio has them all. What each saves stands in ``lab/ui/gradio_shims.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One replacement in the scripts whose name begins with ``script``."""

    script: str
    place: re.Pattern[bytes]
    replacement: bytes


TWO_TRACES = Change("PlotlyPlot-", re.compile(rb"(\.register\(\[\w+\(\)),(?:\w+\(\),?){20,}\]\)"), rb"\1])")
"""plotly.js sets up scatter and bar alone, not forty further modules (``lib/index.js``): no figure here has them."""

EVENTS_BY_COMPONENT = Change(
    "core-",
    re.compile(rb"e=>this\.find_attached_events\(e,(this\.#\w+)\)"),
    rb"(events=>e=>(e.props.shared_props.attached_events=events.get(e.id)??[],e))"
    rb"(\1.reduce((events,dependency)=>{const seen=new Set;for(const[id,name]of dependency.targets)"
    rb"seen.has(id)||(seen.add(id),name&&(events.has(id)||events.set(id,[]),events.get(id).push(name)));return events},new Map))",
)
"""Which events each component fires is found in one walk through the events, instead of one walk for each component."""

BUILT_ONCE = Change("Blocks-", re.compile(rb"\((\(\)=>\{)(\w+\(\)),(\w+\(\(\)=>\{\w+\.reload\()"), rb"(\1\2&&\3")
"""The page is not built a second time as soon as it is built: only a reload (a count above 0) builds it again."""

NO_EMPTY_ARGUMENTS = Change(
    "Blocks-",
    re.compile(rb"async set_event_args\((\w+),(\w+)\)\{"),
    rb"async set_event_args(\1,\2){if(!Object.keys(\2).length)return()=>{};",
)
"""An event without arguments of its own does not search the whole page for its component."""

CHANGES = (TWO_TRACES, EVENTS_BY_COMPONENT, BUILT_ONCE, NO_EMPTY_ARGUMENTS)


def is_changed(name: str) -> bool:
    """Whether the lab changes a script of this file name, which then does not tell the content."""
    return any(name.startswith(change.script) for change in CHANGES)


def changed(name: str, content: bytes) -> bytes:
    """The script as the lab serves it."""
    for change in CHANGES:
        if name.startswith(change.script) and len(change.place.findall(content)) == 1:
            content = change.place.sub(change.replacement, content)
    return content

"""Reads files of votes: two responses and which one somebody chose, as ``prompt, first, second`` with the vote.

| file | responses | vote |
|---|---|---|
| arenas | ``conversation_a``/``response_a`` and ``_b`` | ``winner``: ``model_a``, ``model_b``, ``tie``, ``tie (bothbad)``; or ``winner_model_a`` … as 0 and 1 |
| SHP | ``human_ref_A``, ``human_ref_B`` under ``history`` | ``labels``: 1 is A, 0 is B |
| HelpSteer 2 and 3 | ``response_1``/``response1`` and ``2`` | ``preference_strength``/``overall_preference``: −3 is the first, 3 the second, 0 a tie |
| PKU-SafeRLHF | ``response_0``, ``response_1`` | ``better_response_id`` |
| WebGPT and its like | ``answer_0``, ``answer_1`` | ``score_0``, ``score_1``: the higher |
| summaries | ``summaries``: two texts | ``choice``: 0 or 1 |
| Label Studio | ``data`` with two responses | ``annotations`` with ``selected``: ``left`` or ``right`` |

The responses may have any of the names that ``pair_rows.py`` knows. A vote that names neither is told, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab.core.preferences import Choice
from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.turns import is_missing, number_of, text, unpacked
from lab.data.vote_words import WINNERS, Counted, counted_in, named_choice, no_choice

Row = Mapping[str, Any]

PAIRED = (
    ("first", "second"),
    ("conversation_a", "conversation_b"),
    ("response_a", "response_b"),
    ("answer_a", "answer_b"),
    ("completion_a", "completion_b"),
    ("output_a", "output_b"),
    ("human_ref_A", "human_ref_B"),
    ("response_1", "response_2"),
    ("response1", "response2"),
    ("answer_1", "answer_2"),
    ("answer1", "answer2"),
    ("output_1", "output_2"),
    ("completion_1", "completion_2"),
    ("response_0", "response_1"),
    ("answer_0", "answer_1"),
    ("completion_0", "completion_1"),
)
"""What files call the two responses."""
PROMPTS = ("prompt", "question", "instruction", "query", "history", "context", "info", "problem")
AMBIGUOUS = (
    "label", "choice", "selected", "better", "chosen", "preferred", "best", "decision", "comparison", "verdict",
)  # fmt: skip
"""Names that may mean something else: they are a vote where some row's value is one."""
STRENGTHS = ("preference_strength", "overall_preference")
SCORED = ("score", "rating", "reward", "overall_score")
STRONGEST = 3
SHP = ("labels",)
"""Where 1 is the first response, and 0 the second."""


@dataclass(frozen=True)
class Layout:
    """Where a file keeps prompt, responses and vote."""

    prompt: str | None
    """None where the conversations hold it, or where ``data`` does (Label Studio)."""
    first: str
    second: str
    vote: tuple[str, ...]
    read: Callable[[Row, Layout], Voted] | None
    """None for Label Studio, whose rows hold their votes by annotator."""
    counted: Counted = Counted.NAMES
    """What the numbers of its votes mean."""
    scores: tuple[str, str] | None = None
    """What the two responses were scored, beside the vote."""


@dataclass(frozen=True)
class Voted:
    """A vote, by the response's identity."""

    choice: Choice
    strength: int | None = None
    annotator: str = ""


def layout_of(columns: Iterable[str]) -> Layout | None:
    """Where a file of votes keeps its parts; None where it is none."""
    names = list(dict.fromkeys(columns))
    if {"data", "annotations"} <= set(names):
        return Layout(None, "data", "data", ("annotations",), None)
    paired = next((pair for pair in PAIRED if set(pair) <= set(names)), None)
    if paired is None:
        summed = {"summaries", "choice"} <= set(names)
        return Layout(_prompt(names), "summaries", "summaries", ("choice",), _by_place) if summed else None
    vote, read = _vote(names, paired)
    if read is None:
        return None
    prompt = _prompt([name for name in names if name not in paired])
    return Layout(
        None if paired[0].startswith("conversation") and "prompt" not in names else prompt, *paired, vote, read
    )


def settled(layout: Layout, rows: Sequence[Row], columns: Iterable[str]) -> Layout:
    """The layout with what its rows tell: what the numbers of the votes mean, and where the responses' scores stand."""
    if layout.read not in (_by_name, _by_place) or layout.first == layout.second:
        return layout
    endings = (ending_of(layout.first), ending_of(layout.second))
    counted = counted_in(rows, layout.vote[0], endings) if layout.read is _by_name else layout.counted
    names = [tuple(f"{kind}_{ending}" for ending in endings) for kind in SCORED]
    scores = next((pair for pair in names if set(pair) <= set(columns)), None)
    return replace(layout, counted=counted, scores=scores)  # type: ignore[arg-type]


def votes_of(row: Row, layout: Layout, *, strict: bool = True) -> list[tuple[dict[str, Any], Voted | None]]:
    """``prompt, first, second`` with the vote: one, or of Label Studio one for each annotation; None without a vote yet.

    Raises NotUsable where the row has no two responses, or, if ``strict``, a vote that cannot be read.
    The texts are as the file has them; whole conversations still hold their prompt.
    """
    if layout.read is None:
        return _of_label_studio(row)
    try:
        voted = layout.read(row, layout)
    except NotUsable as reason:
        if strict and reason.why is not WhyLeftOut.NO_VOTE:
            raise
        voted = None
    if layout.first == "summaries":
        return [(_of_summaries(row, layout.prompt), voted)]
    pair: dict[str, Any] = {"first": row.get(layout.first), "second": row.get(layout.second)}
    questions = _texts(row.get(layout.prompt)) if layout.prompt is not None else None
    if questions is not None:  # an arena's conversations, their texts in one list each
        pair = {side: _woven(questions, _texts(value), side) for side, value in pair.items()}
    elif layout.prompt is not None:
        pair["prompt"] = _question(row.get(layout.prompt))
    for side, letter in (("first", "a"), ("second", "b")):
        place = {"first": "1", "second": "2"}[side]
        source = next(
            (row[name] for name in (f"model_{letter}", f"model_{place}", f"{side}_source") if text(row.get(name))), None
        )
        if source is not None:
            pair[f"{side}_source"] = source
    return [(pair, voted)]


def _prompt(names: list[str]) -> str | None:
    return next((name for name in PROMPTS if name in names), None)


def _vote(names: list[str], paired: tuple[str, str]) -> tuple[tuple[str, ...], Callable[[Row, Layout], Voted] | None]:
    """The columns that hold the vote, and what reads them."""
    if "winner_model_a" in names:
        return ("winner_model_a", "winner_model_b", "winner_tie"), _flags
    for name in STRENGTHS:
        if name in names:
            return (name,), _by_strength
    if "better_response_id" in names:
        return ("better_response_id",), _by_place
    if "labels" in names and paired[0] == "human_ref_A":
        return SHP, _by_place
    vote_column = next(
        (name for name in WINNERS if name in names and not (name == "chosen" and "rejected" in names)), None
    )
    if vote_column is not None:
        return (vote_column,), _by_name
    for kind in SCORED:
        scores = (f"{kind}_{ending_of(paired[0])}", f"{kind}_{ending_of(paired[1])}")
        if set(scores) <= set(names):
            return scores, _by_score
    return (), None


def ending_of(column: str) -> str:
    """What tells a response's column from the other's: ``a`` of ``response_a``, ``1`` of ``answer1``."""
    ending = re.search(r"([A-Za-z]|\d+)$", column.rpartition("_")[2] if "_" in column else column)
    return column if column in ("first", "second") or ending is None else ending[1]


def has_votes(rows: Iterable[Row], layout: Layout) -> bool:
    """Whether the rows are votes: some can be read, or the column can mean nothing else and is not empty."""
    blank = True
    for row in rows:
        try:
            if any(voted is not None for _, voted in votes_of(row, layout)):
                return True
        except NotUsable as reason:
            if reason.why is WhyLeftOut.UNSURE_VOTE:
                return True
            blank = False
    return not blank and layout.vote[0] not in AMBIGUOUS


def _by_name(row: Row, layout: Layout) -> Voted:
    sides = (layout.first, layout.second)
    endings = (ending_of(layout.first), ending_of(layout.second))
    return Voted(named_choice(row, layout.vote[0], sides, endings, layout.counted))


def contradicts(row: Row, layout: Layout, voted: Voted) -> bool:
    """Whether the scores of the two responses say the opposite of the vote."""
    if layout.scores is None or voted.choice not in (Choice.FIRST, Choice.SECOND):
        return False
    first, second = (number_of(row.get(name)) for name in layout.scores)
    if first is None or second is None:
        return False
    return first < second if voted.choice is Choice.FIRST else second < first


def _flags(row: Row, layout: Layout) -> Voted:
    flags = [text(row.get(name)).strip() in ("1", "1.0") or row.get(name) is True for name in layout.vote]
    if all(is_missing(row.get(name)) or row.get(name) == "" for name in layout.vote):
        raise NotUsable(WhyLeftOut.NO_VOTE)
    if sum(flags) != 1:
        raise NotUsable(WhyLeftOut.NO_CHOICE, ", ".join(layout.vote))
    return Voted((Choice.FIRST, Choice.SECOND, Choice.TIE)[flags.index(True)])


def _by_strength(row: Row, layout: Layout) -> Voted:
    number = number_of(row.get(layout.vote[0]))
    if number is None or not -STRONGEST <= number <= STRONGEST:
        raise no_choice(row.get(layout.vote[0]))
    if number == 0:
        return Voted(Choice.TIE)
    return Voted(Choice.FIRST if number < 0 else Choice.SECOND, max(1, round(abs(number))))


def _by_place(row: Row, layout: Layout) -> Voted:
    number = number_of(row.get(layout.vote[0]))
    if number not in (0, 1):
        raise no_choice(row.get(layout.vote[0]))
    return Voted(Choice.FIRST if number == (1 if layout.vote == SHP else 0) else Choice.SECOND)


def _by_score(row: Row, layout: Layout) -> Voted:
    first, second = (number_of(row.get(name)) for name in layout.vote)
    if first is None or second is None:
        raise NotUsable(WhyLeftOut.NO_SCORES, ", ".join(layout.vote))
    return Voted(Choice.TIE if first == second else Choice.FIRST if first > second else Choice.SECOND)


def _of_label_studio(row: Row) -> list[tuple[dict[str, Any], Voted | None]]:
    data = row.get("data")
    paired = next((pair for pair in PAIRED if isinstance(data, Mapping) and set(pair) <= data.keys()), None)
    if not isinstance(data, Mapping) or paired is None:
        raise NotUsable(WhyLeftOut.MISSING, "data")
    prompt = _prompt(list(data))
    if prompt is None:
        raise NotUsable(WhyLeftOut.MISSING, "prompt")
    pair = {"prompt": data[prompt], "first": data[paired[0]], "second": data[paired[1]]}
    votes: list[tuple[dict[str, Any], Voted | None]] = []
    for annotation in row.get("annotations") or ():
        if annotation.get("was_cancelled"):
            continue
        selected = [
            part.get("value", {}).get("selected")
            for part in annotation.get("result") or ()
            if part.get("type") == "pairwise"
        ]
        by = annotation.get("completed_by")
        annotator = text(by.get("email") or by.get("id")) if isinstance(by, Mapping) else text(by)
        for side in selected:
            if side not in ("left", "right"):
                raise no_choice(side)
            votes.append((pair, Voted(Choice.FIRST if side == "left" else Choice.SECOND, None, annotator)))
    return votes or [(pair, None)]


def _of_summaries(row: Row, prompt: str | None) -> dict[str, Any]:
    both = row.get("summaries")
    if not isinstance(both, (list, tuple)) or len(both) != 2:
        raise NotUsable(WhyLeftOut.NOT_TEXT, "summaries")
    first, second = (summary.get("text") if isinstance(summary, Mapping) else summary for summary in both)
    return {"prompt": _question(row.get(prompt or "prompt")), "first": first, "second": second}


def _question(value: Any) -> Any:
    """The question of a cell that holds more of it: WebGPT's ``{"full_text"}``, the post of a summary."""
    if isinstance(value, Mapping):
        return next((value[name] for name in ("full_text", "post", "text", "article") if text(value.get(name))), value)
    return value


def _texts(value: Any) -> list[str] | None:
    """A cell that is a list of texts, or JSON of one; None where it is anything else."""
    value = unpacked(value, '["')
    texts = isinstance(value, (list, tuple)) and bool(value) and all(isinstance(part, str) for part in value)
    return list(value) if texts else None


def _woven(questions: list[str], answers: list[str] | None, side: str) -> list[dict[str, str]]:
    """Questions and answers by turns, as messages. Raises NotUsable where they are not equally many."""
    if answers is None or len(answers) != len(questions):
        raise NotUsable(WhyLeftOut.NOT_TEXT, side)
    turns = zip(questions, answers, strict=True)
    return [
        {"role": role, "content": content}
        for turn in turns
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]

"""What the reward model, DPO and Annotate read: preferences of every known form, and pairs to be judged.

Prompts and completions are ``forms.py``'s, a list of all forms stands there.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab.core.notes import note
from lab.core.preferences import Choice
from lab.data.best_rows import best_first
from lab.data.completion_rows import conversation, demonstration
from lab.data.labels import labelled_pairs
from lab.data.left_out import NotUsable, WhyLeftOut
from lab.data.preference_rows import one_preference, preferences_of
from lab.data.prompt_rows import MEANINGS, refuse_what_is_no_text
from lab.data.ranked_rows import best_against_rest, ranked
from lab.data.recognition import PLAIN_PREFERENCES, Form, Recognised, recognise
from lab.data.refusals import nothing_left, other_use
from lab.data.rows import Rows
from lab.data.shaping import Shaped, chosen_leads, passed_over, shape_rows
from lab.data.turns import text
from lab.data.vote_rows import Voted, contradicts, votes_of
from lab.data.vote_words import Counted

PREFERENCE_FORMS = (*PLAIN_PREFERENCES, Form.VOTES, Form.RANKED, Form.LABELLED)
Row = dict[str, Any]


def shape_preferences(rows: Rows, *, contradicted: bool = False) -> Shaped:
    """``prompt, chosen, rejected`` rows, and ``category`` where the file has it. A prompt is text where it is one question, else
    messages (``[{"role", "content"}]``); the sides are text.

    Rows whose scores or margin say that the rejected response is the better one are left out, unless ``contradicted``: then they are
    counted. Raises DatasetError where a column is missing, and where no row can be used.
    """
    match = recognise(rows, PREFERENCE_FORMS)
    if match is None:
        raise other_use(rows, ("prompt", "chosen", "rejected"), "preferences")
    if match.form is Form.LABELLED and match.labels is not None:
        return _labelled(rows, match)

    def shape(row: Row) -> list[Row]:
        if match.form is Form.VOTES:
            return [_by_votes(row, match)]
        if match.form is Form.RANKED:
            return _by_rank(row, match)
        if not contradicted and (lead := chosen_leads(row, match)) is not None and lead < 0:
            raise NotUsable(WhyLeftOut.REVERSED, ", ".join(match.scores))
        return preferences_of(with_prompt(row, match.form))

    return shape_rows(rows, match, shape, sides=True)


def shape_pairs(rows: Rows) -> Shaped:
    """``prompt, first, second`` rows with what else a pair may have (``first_source, second_source, gold``), and the report.

    A prompt is text where it is one question, else messages; both responses are text. Of a file of votes each row has ``voted``
    (``vote_rows.Voted``), too; one with several votes is several rows.
    """
    match = recognise(rows, (Form.VOTES, Form.PAIRS))
    if match is None:
        raise other_use(rows, ("prompt", "first", "second"), "pairs")

    unsure = match.layout is not None and match.layout.counted is Counted.UNSURE

    def shape(row: Row) -> list[Row]:
        if match.layout is not None:
            return [{**one_pair(pair), "voted": voted} for pair, voted in voted_pairs(row, match, strict=not unsure)]
        return [one_pair(row)]

    said = (note("vote_unsure", column=match.layout.vote[0]),) if match.layout is not None and unsure else ()
    return shape_rows(rows, match, shape, said)


def with_prompt(row: Row, form: Form) -> Row:
    """A row of a preference form under the names ``prompt, chosen, rejected``."""
    if form is Form.CONVERSATIONS:
        return {**row, "prompt": row.get("conversations")}
    if form is Form.ALPACA_PREFERENCES:
        return {**row, "prompt": row.get("instruction")}
    if form is Form.WHOLE_CHATS:
        return {name: value for name, value in row.items() if name != "prompt"}
    return {"prompt": None, **row}


def one_pair(row: Row) -> Row:
    """One pair with its texts in order. Raises NotUsable naming the pair's own columns."""
    sides = {"chosen": row.get("first"), "rejected": row.get("second")}
    try:
        shaped = one_preference({**{name: row[name] for name in (*MEANINGS, "prompt") if name in row}, **sides})
    except NotUsable as reason:
        theirs = {"chosen": "first", "rejected": "second"}.get(reason.detail, reason.detail)
        raise NotUsable(reason.why, theirs) from reason
    further = {name: row[name] for name in ("first_source", "second_source", "gold") if name in row}
    return {"prompt": shaped["prompt"], "first": shaped["chosen"], "second": shaped["rejected"]} | further


def voted_pairs(row: Row, match: Recognised, *, strict: bool = True) -> list[tuple[Row, Voted | None]]:
    """The votes of a row, each with its pair and what else changes the prompt's meaning; without ``strict`` None for one that cannot be
    read."""
    assert match.layout is not None
    further = {name: row[name] for name in MEANINGS if name in row and name != match.layout.prompt}
    return [({**further, **pair}, voted) for pair, voted in votes_of(row, match.layout, strict=strict)]


def _by_votes(row: Row, match: Recognised) -> Row:
    """The preference that most votes on a row are for. Raises NotUsable where there is none."""
    votes = voted_pairs(row, match)
    if match.layout is not None and any(voted and contradicts(row, match.layout, voted) for _, voted in votes):
        raise NotUsable(WhyLeftOut.REVERSED, ", ".join(match.layout.scores or ()))
    counts = Counter(voted.choice for _, voted in votes if voted is not None)
    if not counts:
        raise NotUsable(WhyLeftOut.NO_VOTE)
    if counts[Choice.FIRST] == counts[Choice.SECOND]:
        raise NotUsable(WhyLeftOut.BOTH_BAD if set(counts) == {Choice.BOTH_BAD} else WhyLeftOut.TIE)
    shaped = one_pair(votes[0][0])
    better, worse = ("first", "second") if counts[Choice.FIRST] > counts[Choice.SECOND] else ("second", "first")
    category = text(row.get("category"))
    return {"prompt": shaped["prompt"], "chosen": shaped[better], "rejected": shaped[worse]} | (
        {"category": category} if category else {}
    )


def _by_rank(row: Row, match: Recognised) -> list[Row]:
    refuse_what_is_no_text(row)
    if not match.lists:  # the order is the ranking
        answers = row.get("output")
        if not isinstance(answers, list) or len(answers) < 2:
            raise NotUsable(WhyLeftOut.NOT_ONE_ANSWER, "output")
        pairs = [(answers[0], worse) for worse in answers[1:]]
    elif match.best is not None:
        best, *rest_of_them = best_first(row, match.lists[0], match.best)
        pairs = [(best, worse) for worse in rest_of_them]
    else:
        pairs = best_against_rest(ranked(row, match.lists))
    rest = {name: value for name, value in row.items() if name not in ("chosen", "rejected")}
    shaped, reason = [], None
    for better, worse in pairs:
        try:
            shaped.append(one_preference({**rest, "chosen": better, "rejected": worse}))
        except NotUsable as error:
            reason = error
    if reason is not None and not shaped:
        raise reason
    return shaped


def _labelled(rows: Rows, match: Recognised) -> Shaped:
    """The good and the bad completions of each prompt as preferences."""
    assert match.labels is not None
    completions = recognise(rows, (Form.MESSAGES, Form.DEMONSTRATIONS, Form.ALPACA)) or match

    def shape(row: Row) -> Row:
        view = completions.view(row)
        if completions.form is Form.MESSAGES:
            return conversation(view, every_answer=False)
        alpaca = completions.form is Form.ALPACA
        return demonstration(
            {**view, "prompt": view.get("instruction")} if alpaca else view, "output" if alpaca else "completion"
        )

    pairs, left_out = labelled_pairs(rows.numbered, shape, match.labels)
    left_out = sorted([*rows.left_out, *left_out], key=lambda row: row.line)
    if not pairs and not rows.more:
        raise nothing_left(rows, left_out, tuple(match.names.values()))
    notes = (*rows.notes, *match.notes, note("pairs_by_prompt", column=match.labels.column))
    return Shaped(
        match.form, [row for _, row in pairs], left_out, [line for line, _ in pairs], passed_over(rows, match), notes
    )

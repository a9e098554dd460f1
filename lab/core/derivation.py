"""Derives preferences from judgements by a stated rule, and the rows that preferences are exported as. Pure.

The rules themselves are described in ``preferences.py``; ``lab/annotation/versions/freeze.py`` stores the result.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lab.core.preferences import Adjudication, Choice, Derivation, Judgement, Pair, Preference, WhyNotDerived


class EditFate(StrEnum):
    """What becomes of a response that an annotator rewrote."""

    USED = "used"
    """It is the chosen text of a preference."""
    NOT_BY_RULE = "not_by_rule"
    """Its response was chosen, and the rule takes no edits: the response stands as it was written."""
    ANOTHER = "another"
    """Its response was chosen, with another annotator's edit."""
    NOT_CHOSEN = "not_chosen"
    """Its pair gives no preference, or prefers the other response, or its judgement is no vote."""


@dataclass(frozen=True)
class Derived:
    """The preferences by pair id, and the pairs that gave none, with the reason."""

    rule: Derivation
    preferences: tuple[Preference, ...]
    left_out: tuple[tuple[str, WhyNotDerived], ...]
    edits: Mapping[EditFate, int] = field(default_factory=dict)
    """How many edited responses have each fate; a fate that no response has is missing."""
    first_votes: tuple[str, ...] = ()
    """Pairs that more people judged than the rule wants, where only the first votes counted (``derive``)."""

    @property
    def counts(self) -> dict[WhyNotDerived, int]:
        """How many pairs were left out for each reason."""
        return dict(Counter(why for _, why in self.left_out))


def derive(
    pairs: Iterable[Pair],
    judgements: Iterable[Judgement],
    rule: Derivation | None = None,
    adjudications: Iterable[Adjudication] = (),
    overlap: int | None = None,
) -> Derived:
    """The preferences of these pairs by ``rule``; the order of pairs and adjudications does not matter.

    ``judgements`` is the current view, one of each annotator on a pair; ``adjudications`` the word that stands, one a pair. With
    ``overlap``, the number of judgements that were wanted of a pair, judgements come oldest first: where a pair has more of them
    (a claim ran out, somebody else judged, and the first one answered late) and all together give no preference, those that were
    wanted decide it. Gold pairs have no overlap. Raises ValueError where one judged a pair twice, or where two words stand.
    """
    rule = rule or Derivation()
    of_pair = _by_pair(judgements)
    words: dict[str, Adjudication] = {}
    for word in adjudications:
        if words.setdefault(word.pair_id, word) is not word:
            raise ValueError(f"{word.pair_id} was adjudicated twice")
    preferences: list[Preference] = []
    left_out: list[tuple[str, WhyNotDerived]] = []
    edits: Counter[EditFate] = Counter()
    first_votes: list[str] = []
    for pair in sorted(pairs, key=lambda pair: pair.id):
        votes = [vote for vote in of_pair.get(pair.id, {}).values() if vote.choice is not Choice.SKIP]
        decision = words.get(pair.id) if rule.use_adjudications else None
        derived = _derive_one(pair, votes, decision, rule)
        wanted = None if pair.gold is not None else overlap
        if derived in OF_DIVIDED_VOTES and (first := _first(votes, wanted, rule)) is not None:
            decided = _derive_one(pair, first, decision, rule)
            if decided not in OF_DIVIDED_VOTES:
                derived, votes = decided, first
                first_votes.append(pair.id)
        edits.update(_fate(vote, pair, derived, rule) for vote in of_pair.get(pair.id, {}).values() if vote.edited)
        if isinstance(derived, Preference):
            preferences.append(derived)
        else:
            left_out.append((pair.id, derived))
    return Derived(rule, tuple(preferences), tuple(left_out), dict(edits), tuple(first_votes))


OF_DIVIDED_VOTES = (WhyNotDerived.NO_MAJORITY, WhyNotDerived.LOW_AGREEMENT)
"""Reasons that one vote more can give a pair that had a preference without it."""


def _by_pair(judgements: Iterable[Judgement]) -> dict[str, dict[str, Judgement]]:
    """The judgements of each pair by annotator, in the order in which they came. Raises ValueError where one judged twice."""
    of_pair: dict[str, dict[str, Judgement]] = defaultdict(dict)
    for judgement in judgements:
        if judgement.annotator in of_pair[judgement.pair_id]:
            raise ValueError(f"{judgement.annotator} judged {judgement.pair_id} twice")
        of_pair[judgement.pair_id][judgement.annotator] = judgement
    return of_pair


def _first(votes: Sequence[Judgement], overlap: int | None, rule: Derivation) -> list[Judgement] | None:
    """The first ``overlap`` of the votes that the rule counts; None where there are no more than these."""
    counted = [vote for vote in votes if rule.use_revealed or not vote.revealed]
    return counted[:overlap] if overlap is not None and len(counted) > overlap else None


def _fate(vote: Judgement, pair: Pair, derived: Preference | WhyNotDerived, rule: Derivation) -> EditFate:
    """What becomes of the edit of one judgement, where ``found`` is what its pair gives."""
    if not isinstance(derived, Preference) or vote.annotator not in derived.annotators:
        return EditFate.NOT_CHOSEN
    if pair.response(vote.choice).text.strip() == derived.rejected.strip():
        return EditFate.NOT_CHOSEN
    if not rule.use_edits:
        return EditFate.NOT_BY_RULE
    return EditFate.USED if vote.edited == derived.chosen else EditFate.ANOTHER


def _derive_one(
    pair: Pair, votes: Sequence[Judgement], word: Adjudication | None, rule: Derivation
) -> Preference | WhyNotDerived:
    """One pair's preference, or why there is none; ``votes`` without skips, in any order."""
    votes = sorted(votes, key=lambda vote: vote.annotator)
    blind = [vote for vote in votes if rule.use_revealed or not vote.revealed]
    choice = word.choice if word is not None else _majority(blind, bool(votes), rule)
    if isinstance(choice, WhyNotDerived):
        return choice
    if not choice.is_response:
        return WhyNotDerived.TIE if choice is Choice.TIE else WhyNotDerived.BOTH_BAD
    behind = [vote for vote in blind if vote.choice is choice]
    if word is None and len(behind) < rule.least_agreement * len(blind) - 1e-9:
        return WhyNotDerived.LOW_AGREEMENT
    strengths = [vote.strength for vote in behind if vote.strength is not None]
    chosen, rejected = pair.response(choice), pair.response(choice.of_other)
    edited, edited_by = _edit(behind) if rule.use_edits else (None, None)
    text = chosen.text if edited is None else edited
    if text.strip() == rejected.text.strip():
        return WhyNotDerived.EQUAL_SIDES
    return Preference(
        prompt=pair.prompt,
        chosen=text,
        rejected=rejected.text,
        pair_id=pair.id,
        annotators=tuple(vote.annotator for vote in blind),
        n_votes=len(blind),
        agreement=len(behind) / len(blind) if blind else 0.0,
        strength=sum(strengths) / len(strengths) if strengths else None,
        source_chosen=chosen.source,
        source_rejected=rejected.source,
        edited_by=edited_by,
        adjudicated_by=word.by if word is not None else None,
        own=pair.own,
    )


def _majority(votes: Sequence[Judgement], judged: bool, rule: Derivation) -> Choice | WhyNotDerived:
    """What more than half of the votes say; ``judged`` tells whether there are others, which do not count."""
    if not votes:
        return WhyNotDerived.NOT_BLIND if judged else WhyNotDerived.NOT_JUDGED
    if len(votes) < rule.least_votes:
        return WhyNotDerived.TOO_FEW_VOTES
    choice, most = Counter(vote.choice for vote in votes).most_common(1)[0]
    return choice if 2 * most > len(votes) else WhyNotDerived.NO_MAJORITY


def _edit(behind: Sequence[Judgement]) -> tuple[str | None, str | None]:
    """The edit made most often and its first maker by name; (None, None) without an edit."""
    edits = [(vote.edited, vote.annotator) for vote in behind if vote.edited is not None]
    if not edits:
        return None, None
    counts = Counter(text for text, _ in edits)
    return max(edits, key=lambda edit: counts[edit[0]])  # of equals, max takes the first


def as_rows(preferences: Iterable[Preference], dataset_version: str) -> list[dict[str, Any]]:
    """Preferences as they are exported, in trl's form: all as text, or, where any prompt is a conversation, all as messages.

    ``adjudicated_by`` is a column only where any was adjudicated, and the pairs' own columns only where any has some: without, the rows
    (and their hash) are those of every older lab.
    """
    rows = list(preferences)
    messages = any(not isinstance(preference.prompt, str) for preference in rows)
    without = {"own"} | (set() if any(preference.adjudicated_by for preference in rows) else {"adjudicated_by"})
    columns = _own_columns(rows)
    return [
        _row(preference, messages, without)
        | {name: _own(preference.own.get(name), mixed) for name, mixed in columns.items()}
        | {"dataset_version": dataset_version}
        for preference in rows
    ]


def _own_columns(preferences: Sequence[Preference]) -> dict[str, bool]:
    """The pairs' own columns, and whether some rows have text in one and others numbers."""
    kinds: dict[str, set[type]] = {}
    for preference in preferences:
        for name, value in preference.own.items():
            kinds.setdefault(name, set()).add(float if type(value) is int else type(value))
    return {name: len(types) > 1 for name, types in kinds.items()}


def _own(value: Any, mixed: bool) -> Any:
    return str(value) if mixed and value is not None else value


def _row(preference: Preference, messages: bool, without: set[str]) -> dict[str, Any]:
    row = preference.model_dump(mode="json", exclude=without)
    if messages:
        asked = preference.prompt
        row["prompt"] = [{"role": "user", "content": asked}] if isinstance(asked, str) else row["prompt"]
        for side in ("chosen", "rejected"):
            row[side] = [{"role": "assistant", "content": row[side]}]
    return row

"""Pairs, judgements and preferences: what annotators compare, what they choose, and what training reads.

A choice is stored by the identity of the response (first, second), never by its place on the screen: where it stood is a column
beside it. This module stores nothing (``lab/store``), reads no files (``lab/data``), derives nothing (``derivation.py``), and says
nothing of how well people agree (``agreement.py``).
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

IMPORTED = "imported-"
"""Prefix of the ids of annotators whose votes came with a file: their sides and their pace are not known."""
LONGEST_REASON = 2_000
LONGEST_TEXT = 200_000
LONGEST_DURATION = 7 * 86_400.0

OWN_ID, CATEGORY = "own_id", "category"
"""The names under which a file's own id of a pair and its category are kept."""
MOST_OWN, LONGEST_OWN = 32, 2_000
"""Columns that are kept beside a pair, and characters of one."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]


class Choice(StrEnum):
    """An annotator's choice on a pair."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"

    @property
    def is_response(self) -> bool:
        """Whether one of the two was chosen."""
        return self in (Choice.FIRST, Choice.SECOND)

    @property
    def of_other(self) -> Choice:
        """The same choice after first and second are exchanged."""
        return {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST}.get(self, self)


Which = Literal[Choice.FIRST, Choice.SECOND]


class Place(StrEnum):
    """Where a response stood on the screen: A is left, B is right."""

    LEFT = "left"
    RIGHT = "right"


Own = dict[Name, Annotated[str, StringConstraints(max_length=LONGEST_OWN)] | bool | int | float]
"""Columns of a file by their names."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Message(_Frozen):
    """One message of a prompt that is a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text


Prompt = Text | tuple[Message, ...]


def plain_prompt(prompt: Prompt) -> str | list[dict[str, str]]:
    """A prompt as JSON has it: text, or messages."""
    return prompt if isinstance(prompt, str) else [message.model_dump() for message in prompt]


class Response(_Frozen):
    """One of the two that are compared; ``source`` (a run, a model, a file) stays hidden until it is judged."""

    text: Text
    source: str | None = None


class Pair(_Frozen):
    """A prompt and two responses that wait for a judgement; ``gold`` is the known right choice, where there is one."""

    id: Name
    prompt: Prompt
    first: Response
    second: Response
    gold: Which | None = None
    own: Own = Field(default_factory=dict, max_length=MOST_OWN)
    """What its file says of it besides: ``own_id``, ``category`` and the columns that were chosen to be kept. It is shown to nobody who judges."""

    @model_validator(mode="after")
    def _two_that_differ(self) -> Self:
        if self.first.text.strip() == self.second.text.strip():
            raise ValueError("the two responses are equal")
        return self

    def response(self, choice: Choice) -> Response:
        """The response that a choice of first or second means."""
        return {Choice.FIRST: self.first, Choice.SECOND: self.second}[choice]


class Judgement(_Frozen):
    """One annotator's choice on a pair. ``uuid`` is made when the pair is shown, so that a retry is the same judgement."""

    uuid: UUID
    pair_id: Name
    annotator: Name
    choice: Choice
    left: Which
    """Which response stood on the left."""
    strength: int | None = Field(None, ge=1, le=3, strict=True)
    reason: Annotated[str, StringConstraints(max_length=LONGEST_REASON)] = ""
    duration: float | None = Field(None, ge=0, le=LONGEST_DURATION)
    """Seconds from the pair on the screen to the choice."""
    edited: Text | None = None
    """The chosen response as the annotator rewrote it; the response itself stays as it is."""
    revealed: bool = False
    """Whether they had been shown before where the responses came from: then it is not blind."""

    @model_validator(mode="after")
    def _strength_and_edit_need_a_chosen_one(self) -> Self:
        if not self.choice.is_response and (self.strength is not None or self.edited is not None):
            raise ValueError("strength and an edit need a chosen response")
        if self.edited is not None and not self.edited.strip():
            raise ValueError("an edited response has text")
        return self

    @property
    def place(self) -> Place | None:
        """Where the chosen response stood; None where none was chosen."""
        if not self.choice.is_response:
            return None
        return Place.LEFT if self.choice is self.left else Place.RIGHT


class Adjudication(_Frozen):
    """Adjudication: the owner's final choice on a pair, made with the votes in view. It is no judgement: agreement does not count it."""

    pair_id: Name
    by: Name
    choice: Literal[Choice.FIRST, Choice.SECOND, Choice.TIE, Choice.BOTH_BAD]


class Preference(_Frozen):
    """What training reads: derived from judgements, never typed in by hand."""

    prompt: Prompt
    chosen: str
    rejected: str
    pair_id: str
    annotators: tuple[str, ...]
    """Those whose votes were counted, by name."""
    n_votes: int
    agreement: float
    """The share of the votes that chose the chosen one; 0 where it was adjudicated without any."""
    strength: float | None
    """The mean strength of the votes for the chosen one that gave any."""
    source_chosen: str | None
    source_rejected: str | None
    edited_by: str | None = None
    adjudicated_by: str | None = None
    """Whose word decided it, against or beside the votes."""
    own: Own = Field(default_factory=dict)
    """The pair's own columns."""


class WhyNotDerived(StrEnum):
    """Why a pair gives no preference, in the order in which it is looked at."""

    NOT_JUDGED = "not_judged"
    """It has no judgement, or every judgement is a skip."""
    NOT_BLIND = "not_blind"
    """Everyone who judged it had been shown the sources."""
    TOO_FEW_VOTES = "too_few_votes"
    NO_MAJORITY = "no_majority"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    LOW_AGREEMENT = "low_agreement"
    EQUAL_SIDES = "equal_sides"
    """An edit made the chosen one equal to the rejected one."""


class Derivation(_Frozen):
    """The rule by which judgements become preferences; it is stored with the dataset that it made.

    Every blind judgement but a skip is a vote; with ``use_revealed`` also those made after the sources were shown. What more than
    half of the votes say holds; where that is a response, it needs at least ``least_agreement`` of all votes. Ties and both-bad are
    left out and counted. With ``use_adjudications`` the owner's word on a pair decides it, whatever the votes say. With ``use_edits``
    the chosen text is the edit of those who chose it: the one made most often, then that of the first of them by name.
    """

    least_votes: int = Field(1, ge=1, le=100)
    least_agreement: float = Field(0.5, ge=0.5, le=1.0)
    use_edits: bool = False
    use_adjudications: bool = True
    use_revealed: bool = False


def side_swapped(annotator: str, pair_id: str, seed: int) -> bool:
    """Whether *second* stands on the left for this annotator: the same in every process, true for half of all."""
    return bool(_hash([seed, annotator, pair_id])[0] & 1)


def left_of(annotator: str, pair_id: str, seed: int) -> Which:
    """Which response stands on the left."""
    return Choice.SECOND if side_swapped(annotator, pair_id, seed) else Choice.FIRST


def choice_at(place: Place, left: Which) -> Which:
    """The response that stands at a place."""
    other: Which = Choice.SECOND if left is Choice.FIRST else Choice.FIRST
    return left if place is Place.LEFT else other


def make_pair(
    prompt: Prompt, one: Response, other: Response, better: Response | None = None, own: Own | None = None
) -> Pair:
    """A pair whose id and whose first come from the texts alone, not from which of the two was given first; a gold pair
    where the ``better`` of the two is known. ``own`` are the columns that its file has of it.

    So the same pair, imported twice, is one; and *first* means nothing: were it always the chosen one of a file, agreement by
    chance would be so likely that κ and α would say little.
    """
    plain = plain_prompt(prompt)
    first, second = sorted((one, other), key=lambda response: _hash([plain, response.text]))
    gold: Which | None = None
    if better is not None:
        gold = Choice.FIRST if better == first else Choice.SECOND
    return Pair(
        id=_hash([plain, first.text, second.text]).hex()[:20],
        prompt=prompt,
        first=first,
        second=second,
        gold=gold,
        own=own or {},
    )


def _hash(value: Any) -> bytes:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode("ascii")).digest()

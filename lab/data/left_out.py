"""Why a row of a file is not used: what the person reads in the report of rows left out. The words are in ``lab/words``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class WhyLeftOut(StrEnum):
    """Each has its sentence, with ``{detail}`` filled in, under ``left_out`` in ``lab/words``."""

    NOT_AN_OBJECT = "not_an_object"
    """A JSON value of another kind; the detail is its kind."""
    TOO_MANY_CELLS = "too_many_cells"
    """A CSV row that is longer than the header; the detail is its number of cells."""
    MISSING = "missing"
    """Without the column that the detail names."""
    EMPTY = "empty"
    """Nothing to read in the column that the detail names."""
    NOT_TEXT = "not_text"
    """Neither text nor messages in the column that the detail names."""
    EQUAL_SIDES = "equal_sides"
    """Chosen and rejected are the same."""
    NO_QUESTION = "no_question"
    """Messages that do not end with the user's."""
    NO_ANSWER = "no_answer"
    """A conversation that does not end with the assistant's message, so that there is nothing to learn."""
    NOT_ONE_ANSWER = "not_one_answer"
    """A side that is not exactly one message of the assistant; the detail is its column."""
    SEVERAL_TURNS = "several_turns"
    """A conversation or a system message where one plain prompt is needed."""
    SAME_PAIR = "same_pair"
    """The prompt and both responses stand in an earlier row; the detail is its line."""
    ALREADY_THERE = "already_there"
    """The collection has this pair from before."""
    ID_TWICE = "id_twice"
    """Another pair under the id that the detail names, which an earlier row has."""
    TOO_LONG = "too_long"
    """More characters than the lab stores in the column that the detail names."""
    PROMPT_TOO_LONG = "prompt_too_long"
    """With a model's tokenizer and length, the prompt leaves no room for a completion."""
    PAIR_TOO_LONG = "pair_too_long"
    """With a model's tokenizer and length, a side of a pair is longer than a reward model reads."""
    EQUAL_ONCE_CUT = "equal_once_cut"
    """With a model's tokenizer and ``max_length``, chosen and rejected are the same tokens."""
    EQUAL_ONCE_WRITTEN = "equal_once_written"
    """With a model's chat template, chosen and rejected are the same tokens."""
    NOTHING_WRITTEN = "nothing_written"
    """A model's chat template leaves nothing of the answer."""
    NO_CHOICE = "no_choice"
    """A ``gold``, a winner or a vote that names neither response; the detail is what it is."""
    NO_VOTE = "no_vote"
    """Nobody has voted on the two responses yet."""
    IMAGES = "images"
    """A picture, a sound or a film in the column that the detail names: the lab trains on text."""
    TOOLS = "tools"
    """Tools that may be called, or a call of one, in the column that the detail names."""
    MARKED_BAD = "marked_bad"
    """No demonstration: the column that the detail names says that the completion is bad."""
    NO_LABEL = "no_label"
    """Whether the completion is good is not said in the column that the detail names."""
    TIE = "tie"
    """A tie, or equal scores: neither response is the better one."""
    BOTH_BAD = "both_bad"
    """The vote is that neither response is good."""
    PARTS_EARLY = "parts_early"
    """The two conversations differ before their last answer, so that the answers do not stand on the same words."""
    OTHER_PROMPT = "other_prompt"
    """The side that the detail names answers another question."""
    NO_PARTNER = "no_partner"
    """No other completion of the same prompt is marked otherwise, so that it makes no pair."""
    NO_SCORES = "no_scores"
    """The scores or ranks do not fit the responses; the detail is the column."""
    UNRANKED = "unranked"
    """A list of responses of which nothing says which is better; the detail is its column."""
    COUNTED_FROM = "counted_from"
    """A place in a list that is counted from 0 or from 1, which the file does not say; the detail is its column."""
    UNSURE_VOTE = "unsure_vote"
    """A vote of 0 or 1 on responses that are not called so; the detail is its column."""
    REVERSED = "reversed"
    """A score or a margin that says that the rejected response is the better one; the detail is its column, or both."""
    OTHER_SPLIT = "other_split"
    """A row of another split than the one that is trained on; the detail is the column and what it says."""
    NO_OPTION = "no_option"
    """An answer that is none of the options; the detail is the answer."""
    TWO_SYSTEMS = "two_systems"
    """A system message in the conversation, and another one in the column that the detail names."""
    NOT_A_NUMBER = "not_a_number"
    """No number in the column that the detail names, where one is needed."""
    UNEVEN = "uneven"
    """A table whose lists have different lengths; the detail has the length of each."""
    TREE = "tree"
    """A tree of messages and replies to them, as Open Assistant writes it; the detail is its column."""
    NOT_TO_TRAIN = "not_to_train"
    """A message of the assistant is marked as not to be trained (``weight: 0``)."""


@dataclass(frozen=True)
class LeftOut:
    """One row that is not used; for an array or a table the line is the row's place in it, from 1."""

    line: int
    why: WhyLeftOut
    detail: str = ""


class NotUsable(Exception):  # never leaves lab/data
    """Raised while one row is shaped, where it has to be left out."""

    def __init__(self, why: WhyLeftOut, detail: str = "") -> None:
        super().__init__(why, detail)
        self.why = why
        self.detail = detail

    def at(self, line: int) -> LeftOut:
        """The same, with its line."""
        return LeftOut(line, self.why, self.detail)


def counted(left_out: Iterable[LeftOut]) -> list[tuple[WhyLeftOut, str, int]]:
    """``(why, detail, how many)``, the most frequent first: the short form of the report."""
    counts = Counter((row.why, row.detail) for row in left_out)
    return [(why, detail, count) for (why, detail), count in counts.most_common()]

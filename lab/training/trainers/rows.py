"""The rows of a data set as trainers get them: token ids and labels. The preview shows the same.

Not here: how a conversation becomes ids (``tokens.py``), which rows are used (``length_filter.py``), or padding (the trainers' collators).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.core.algorithms import DataForm, algorithm_of
from lab.core.recipes import Recipe
from lab.training.models.tokens import Encoded, Tokens

Row = Mapping[str, Any]
TokenRow = dict[str, list[int]]

SIDES = ("chosen", "rejected")


def encoded(tokens: Tokens, row: Row, recipe: Recipe) -> dict[str, Encoded]:
    """Each completion of a row with its prompt, whole."""
    if algorithm_of(recipe).data is DataForm.DEMONSTRATIONS:
        every_turn = (
            "messages" in row
        )  # a prompt's own answers are not trained, those of a conversation may be (datasets.py)
        return {"completion": tokens.encode(row["prompt"], row["completion"], every_turn=every_turn)}
    return dict(zip(SIDES, tokens.encode_pair(row["prompt"], row["chosen"], row["rejected"]), strict=True))


def demonstration(tokens: Tokens, row: Row, recipe: Recipe) -> TokenRow:
    """A row of SFT, cut to ``max_length``: ``input_ids``, and ``labels`` that leave out what is not trained."""
    cut = encoded(tokens, row, recipe)["completion"].cut(recipe.row_limit)
    return {"input_ids": cut.ids, "labels": cut.labels}


def scored_pair(tokens: Tokens, row: Row, recipe: Recipe) -> TokenRow:
    """A pair of a reward model: both conversations up to and with their end, where they are read."""
    return {f"{side}_ids": each.ids for side, each in encoded(tokens, row, recipe).items()}


def compared_pair(tokens: Tokens, row: Row, recipe: Recipe) -> TokenRow:
    """A pair of DPO: the prompt that both sides share, and each completion with its end. The collator cuts to ``max_length``."""
    sides = encoded(tokens, row, recipe)
    first = sides["chosen"]
    return {"prompt_ids": first.ids[: first.begin]} | {f"{s}_ids": each.ids[each.begin :] for s, each in sides.items()}

"""A few rows of a recipe as the model will see them: the chat template applied, and which tokens the loss counts. No weights load.

Printed as JSON by ``python -m lab.training --preview HOME`` (the recipe comes on standard input); shown by ``python -m lab preview``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.data.datasets import Row, load
from lab.data.left_out import counted
from lab.data.turns import as_conversation
from lab.store.models import resolve
from lab.training.models.base import PLAIN_TEMPLATE, load_tokenizer
from lab.training.models.length_filter import fitting, too_long
from lab.training.task import as_answer

ANSWERS = {"sft": ("completion",), "rm": ("chosen", "rejected"), "dpo": ("chosen", "rejected")}
"""The columns that follow the prompt; where there are none, the model writes what follows."""


def preview(recipe: Recipe, home: Path, count: int = 3) -> dict[str, Any]:
    """``{"template": "own" | "plain", "rows": [{column: {"masked", "trained", "parts", "tokens", "cut"}}…], "count", "left_out": [[why,
    detail, n]…]}``.

    ``masked`` and ``trained`` are text: what the loss leaves out, and what it counts (for a reward model, what is scored);
    ``parts`` is both again, ``[text, whose, counted]…``: whose is ``row`` for what stands in the row, ``template`` for what the
    chat template adds. ``tokens`` is the length of both, ``cut`` how many more are cut off. Raises LabError as the run would.
    """
    dataset = load(recipe, home)
    whole = len(dataset.train)
    dataset = fitting(recipe, dataset, home)
    tokenizer = load_tokenizer(resolve(recipe.model, home))
    reasons: list[tuple[str, str, int]] = [(str(why), detail, n) for why, detail, n in counted(dataset.left_out)]
    if count_too_long := whole - len(dataset.train):
        reasons.append((str(too_long(recipe)), "", count_too_long))
    return {
        "template": "plain" if tokenizer.chat_template == PLAIN_TEMPLATE else "own",
        "rows": [_seen(tokenizer, row, recipe) for row in dataset.train[:count]],
        "count": len(dataset.train),
        "left_out": reasons,
    }


def _seen(tokenizer: Any, row: Row, recipe: Recipe) -> dict[str, Any]:
    prompt = as_conversation(row["prompt"])
    asked = _ids(tokenizer, prompt, add_generation_prompt=True)
    columns = ANSWERS.get(recipe.algorithm)
    if columns is None:
        return {"prompt": _told(tokenizer, asked, len(asked), prompt)}
    most = int(getattr(recipe, "max_length", 0))
    seen = {}
    for column in columns:
        conversation = [*prompt, *as_answer(row[column])]
        ids = _ids(tokenizer, conversation)
        told = _told(tokenizer, ids[:most], len(asked), conversation)
        seen[column] = {**told, "cut": len(ids) - told["tokens"]}
    return seen


def _told(tokenizer: Any, ids: list[int], asked: int, conversation: list[dict[str, str]]) -> dict[str, Any]:
    masked, trained = tokenizer.decode(ids[:asked]), tokenizer.decode(ids[asked:])
    parts = marked(masked, trained, [message["content"] for message in conversation])
    return {"masked": masked, "trained": trained, "parts": parts, "tokens": len(ids), "cut": 0}


def marked(masked: str, trained: str, contents: list[str]) -> list[tuple[str, str, bool]]:
    """``(text, "row" | "template", counted)…``: the texts of the messages are found in their order; between them is the template's."""
    whole, at, spans = masked + trained, 0, []
    for content in (text.strip() for text in contents):
        begin = whole.find(content, at)
        if begin >= 0:
            at = begin + len(content)
        elif (begin := _begun(whole, at, content)) >= 0:  # cut off
            at = len(whole)
        else:
            continue
        spans.append((begin, at))
    edges = sorted({0, len(masked), len(whole), *(edge for span in spans for edge in span)})
    parts = []
    for first, last in pairwise(edges):
        of_row = any(begin <= first < end for begin, end in spans)
        parts.append((whole[first:last], "row" if of_row else "template", first >= len(masked)))
    return parts


def _begun(whole: str, at: int, content: str) -> int:
    """Where a text begins whose end is cut off: the longest rest of ``whole`` that it begins with; -1 where there is none."""
    return next((first for first in range(at, len(whole)) if content.startswith(whole[first:])), -1)


def _ids(tokenizer: Any, conversation: list[dict[str, str]], **more: Any) -> list[int]:
    return list(tokenizer.apply_chat_template(conversation, return_dict=True, **more)["input_ids"])

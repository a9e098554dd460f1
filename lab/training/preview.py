"""Previews a few rows of a recipe as the model will see them: with the chat template, and which tokens the loss counts. Loads no weights.

Printed as JSON by ``python -m lab.training --preview HOME`` (the recipe comes on standard input); shown by ``python -m lab preview``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import Any

from lab.core.algorithms import algorithm_of
from lab.core.recipes import Recipe
from lab.data.datasets import Row, load
from lab.data.turns import Turns, as_conversation
from lab.store.models import PLAIN_TEMPLATE, resolve
from lab.training.models.base import load_tokens
from lab.training.models.length_filter import fit
from lab.training.models.tokens import IGNORED, Tokens, answered
from lab.training.trainers.rows import encoded
from lab.training.worker.notes import notes
from lab.training.worker.row_notes import reasons


def preview(recipe: Recipe, home: Path, count: int = 3) -> dict[str, Any]:
    """``{"template": "own" | "plain", "rows": [{column: {"masked", "trained", "parts", "tokens", "cut"}}…], "count", "left_out": [[why,
    detail, n]…], "notes": [{"key", "params", "mend"}…]}``.

    ``masked`` and ``trained`` are text: what the loss leaves out, and what it counts (for a reward model, what is scored);
    ``parts`` is both again, ``[text, whose, counted]…``: whose is ``row`` for what stands in the row, ``template`` for what the
    chat template adds. ``tokens`` is the length of both, ``cut`` how many more are cut off. Raises LabError as the run would.
    """
    fitted = fit(recipe, load(recipe, home), home)
    recipe, dataset = fitted.recipe, fitted.dataset
    tokens = load_tokens(resolve(recipe.model, home))
    return {
        "template": "plain" if tokens.tokenizer.chat_template == PLAIN_TEMPLATE else "own",
        "rows": [_seen(tokens, row, recipe) for row in dataset.train[:count]],
        "count": len(dataset.train),
        "left_out": reasons(fitted),
        "notes": [note.as_dict() for note in notes(fitted, home)],
    }


def _seen(tokens: Tokens, row: Row, recipe: Recipe) -> dict[str, Any]:
    prompt = as_conversation(row["prompt"])
    if not algorithm_of(recipe).data.answer_columns:
        ids = tokens.asked(prompt)
        return {"prompt": _told(tokens, ids, [IGNORED] * len(ids), prompt)}
    seen = {}
    for column, whole in encoded(tokens, row, recipe).items():
        cut = whole.cut(recipe.row_limit)
        text = _told(tokens, cut.ids, cut.labels, answered(prompt, row[column]))
        seen[column] = {**text, "cut": len(whole.ids) - len(cut.ids)}
    return seen


def _told(tokens: Tokens, ids: list[int], labels: list[int], conversation: Turns) -> dict[str, Any]:
    runs = [
        (tokens.tokenizer.decode([token for token, _ in run]), counted)
        for counted, run in groupby(zip(ids, labels, strict=True), key=lambda pair: pair[1] != IGNORED)
    ]
    masked, trained = ("".join(text for text, counted in runs if counted is which) for which in (False, True))
    parts = marked(runs, [message["content"] for message in conversation])
    return {"masked": masked, "trained": trained, "parts": parts, "tokens": len(ids), "cut": 0}


def marked(runs: Sequence[tuple[str, bool]], contents: Sequence[str]) -> list[tuple[str, str, bool]]:
    """``(text, "row" | "template", counted)…`` of ``(text, counted)…``.

    The texts of the messages are found in their order; between them is the template's.
    """
    whole, at, spans = "".join(text for text, _ in runs), 0, []
    for content in (text.strip() for text in contents):
        begin = whole.find(content, at)
        if begin >= 0:
            at = begin + len(content)
        elif (begin := _begun(whole, at, content)) >= 0:  # cut off
            at = len(whole)
        else:
            continue
        spans.append((begin, at))
    borders = [0, *accumulate(len(text) for text, _ in runs)]
    edges = sorted({*borders, *(edge for span in spans for edge in span)})
    parts = []
    for first, last in pairwise(edges):
        of_row = any(begin <= first < end for begin, end in spans)
        run = bisect_right(borders, first) - 1
        parts.append((whole[first:last], "row" if of_row else "template", runs[run][1]))
    return parts


def _begun(whole: str, at: int, content: str) -> int:
    """Where a text begins whose end is cut off: the longest rest of ``whole`` that it begins with; -1 where there is none."""
    return next((first for first in range(at, len(whole)) if content.startswith(whole[first:])), -1)

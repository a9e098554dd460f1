"""Notes on tokens before a run begins: what a chat template opens, drops or lacks, and tokens that the model has no row for.

What cannot be trained at all is refused instead (``model_checks.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lab.core.algorithms import algorithm_of
from lab.core.notes import Note
from lab.core.recipes import Recipe
from lab.store.models import PLAIN_TEMPLATE
from lab.training.models.checks import Row, check_vocabulary
from lab.training.models.tokens import Tokens

LOOKED_AT = 256
"""Rows whose completions are compared with what the template makes of them."""


def token_notes(recipe: Recipe, tokens: Tokens, rows: Sequence[Row], config: Any) -> Iterator[Note]:
    """What a person would not expect of this model's tokens, the most important first."""
    columns = algorithm_of(recipe).data.answer_columns
    if text := tokens.opened.text:
        shown = {"text": text.strip()}
        if not columns:
            yield Note("template_opens", shown)
        elif not tokens.opened.trained:
            yield Note("template_opens_untrained", shown)
    looked_at = rows[:LOOKED_AT] if columns else ()
    losing = sum(any(tokens.loses(row["prompt"], row[column]) for column in columns) for row in looked_at)
    if losing:
        yield Note("template_drops", {"count": losing, "rows": len(looked_at)})
    name = tokens.tokenizer.convert_ids_to_tokens
    if tokens.tokenizer.chat_template == PLAIN_TEMPLATE:
        yield Note("template_plain", {"bos": tokens.tokenizer.bos_token or "–"})
    elif tokens.template_end is None and tokens.tokenizer.eos_token_id is not None:
        yield Note("template_without_end", {"end": name(tokens.tokenizer.eos_token_id)})
    if count := check_vocabulary(tokens, config, rows):
        yield Note("tokens_without_row", {"count": count})

"""Notes before a run begins: what happens to its rows, what its chat template does, what is not measured, and where a reward model was
trained differently. A note is printed to the log, and kept in the run's folder for the page and the command line.

Refusals are not here: they are raised where they are found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lab.core.algorithms import algorithm_of
from lab.core.notes import Note
from lab.core.recipes import Recipe
from lab.data.datasets import Dataset
from lab.data.turns import SYSTEM
from lab.errors import LabError
from lab.store.catalogue import packaged_source
from lab.store.models import PLAIN_TEMPLATE, resolve
from lab.store.run_folder import NOTES, RunFolder
from lab.training.models.base import load_tokens
from lab.training.models.checks import check_vocabulary, read_config
from lab.training.models.length_filter import Fitted
from lab.training.models.tokens import Tokens
from lab.training.worker.row_notes import row_notes
from lab.training.worker.score_job import recipe_of
from lab.words import with_mend

LOOKED_AT = 256
"""Rows whose completions are compared with what the template makes of them."""


def notes(fitted: Fitted, home: Path) -> list[Note]:
    """All notes on a run before it begins: on its rows, its measuring, its reward model."""
    recipe = fitted.recipe
    return [
        *row_notes(fitted),
        *_tokens(fitted, home),
        *_warm_up(recipe),
        *_unmeasured(recipe, fitted.dataset),
        *_other_format(recipe, home),
        *_packaged(recipe, home),
    ]


def tell(new_notes: Iterable[Note], folder: RunFolder) -> None:
    """Print notes to the log, and add them to those that the run's folder keeps."""
    lines = [note.as_dict() for note in new_notes]
    for note in lines:
        print(f"note: {with_mend(note)}", flush=True)
    known = [note for note in folder.notes() if note not in lines]
    folder.write(NOTES, [*known, *lines])


def _tokens(fitted: Fitted, home: Path) -> list[Note]:
    """On what the model's template and tokenizer make of the rows."""
    if not algorithm_of(fitted.recipe).starts_from_model:
        return []
    ref = resolve(fitted.recipe.model, home)
    return list(_token_notes(fitted.recipe, load_tokens(ref), fitted.dataset.train, read_config(ref.base)))


def _token_notes(recipe: Recipe, tokens: Tokens, rows: Sequence[dict[str, Any]], config: Any) -> Iterator[Note]:
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
    yield from _dropped_turns(tokens, rows[:LOOKED_AT])
    if "strftime_now" in str(tokens.tokenizer.chat_template):
        yield Note("template_dates")
    name = tokens.tokenizer.convert_ids_to_tokens
    if tokens.tokenizer.chat_template == PLAIN_TEMPLATE:
        yield Note("template_plain", {"bos": tokens.tokenizer.bos_token or "–"})
    elif tokens.template_end is None and tokens.tokenizer.eos_token_id is not None:
        yield Note("template_without_end", {"end": name(tokens.tokenizer.eos_token_id)})
    if count := check_vocabulary(tokens, config, rows):
        yield Note("tokens_without_row", {"count": count})


def _dropped_turns(tokens: Tokens, rows: Sequence[dict[str, Any]]) -> Iterator[Note]:
    """Messages of prompts that the template leaves out, such as system text that it has no place for."""
    dropped = [roles for row in rows if (roles := tokens.drops(row["prompt"]))]
    roles = sorted({role for each in dropped for role in each})
    if dropped:
        mend = {"system_in_first_turn": True} if roles == [SYSTEM] else {}
        yield Note("template_drops_turns", {"count": len(dropped), "rows": len(rows), "roles": ", ".join(roles)}, mend)


def _warm_up(recipe: Recipe) -> Iterator[Note]:
    """A warm-up that is not over when the run is: the learning rate never gets where it was set."""
    if recipe.warmup_steps >= recipe.steps:
        highest = recipe.learning_rate * (recipe.steps - 1) / recipe.warmup_steps  # the first step's is 0
        known = {"warmup": recipe.warmup_steps, "steps": recipe.steps, "highest": f"{highest:.2g}"}
        yield Note("warm_up_too_long", known | {"wanted": f"{recipe.learning_rate:g}"}, {"warmup_steps": 0})


def _unmeasured(recipe: Recipe, dataset: Dataset) -> Iterator[Note]:
    measured = dataset.held_out or dataset.held_out_pairs or dataset.watched
    if recipe.measure_samples and not measured:
        yield Note("unmeasured_pairs" if algorithm_of(recipe).trains_on_pairs else "unmeasured_prompts")


def _other_format(recipe: Recipe, home: Path) -> Iterator[Note]:
    """A reward model that was trained on the same base in another number format: its scores differ a little from those measured."""
    reward_model = recipe.reward_run
    if not reward_model:
        return
    try:
        in_four_bits = recipe_of(reward_model, home).four_bit_base
    except LabError:  # a model that was copied here without its recipe
        return
    if in_four_bits != recipe.four_bit_base:
        yield Note("other_format_4bit" if in_four_bits else "other_format_full", {"model": reward_model})


def _packaged(recipe: Recipe, home: Path) -> Iterator[Note]:
    """A start model whose weights come from a package, and not from the hub."""
    if not algorithm_of(recipe).starts_from_model:
        return
    if package := packaged_source(Path(resolve(recipe.model, home).base)):
        yield Note("model_from_package", {"model": recipe.model, "package": package})

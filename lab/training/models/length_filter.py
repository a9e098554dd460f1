"""Selects the rows that a run trains on: those that it has steps for and the model has room for. Runs before any weight is loaded.

- A recipe without a ``max_length`` gets the one that its data needs.
- Of more rows than the steps take, as many as they take are drawn by the seed, and only these are looked at.
- Left out is a prompt that leaves no room for its completion, for a reward model a pair of which one side is longer than
  ``max_length`` (trl's RewardTrainer passes over it: the end of a response that is cut is not what was judged), and a pair whose
  responses are the same tokens once cut or once the chat template has written them, and an answer of which the template leaves nothing.
- Other completions that are too long are cut by the trainers; their end is not taught. Nothing is measured on one that would be cut.

Everything that is done to the rows becomes a note (``row_notes.py``).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lab.core.algorithms import DataForm, Head, algorithm_of
from lab.core.recipes import EQUATIONS, Recipe, with_values
from lab.core.row_lengths import max_length_for
from lab.data.datasets import Dataset, Row
from lab.data.left_out import WhyLeftOut
from lab.errors import DatasetError
from lab.store.models import resolve
from lab.training.models.checks import check_start
from lab.training.models.ruler import COMPLETIONS, Ruler, context_of


@dataclass(frozen=True)
class Fitted:
    """A recipe and the rows that its run uses, with what was done to them."""

    recipe: Recipe
    """With a ``max_length`` of its own, where the recipe left it to the data."""
    dataset: Dataset
    rows: int
    """Rows to train on before any was drawn or left out for its length."""
    drawn: int
    """Of these, the rows that were looked at: no more than the steps take."""
    left_out: Counter[WhyLeftOut]
    """Of those drawn, by why."""
    cut: int = 0
    """Of those used, the rows of which the end is cut off."""
    longest: int = 0
    """Tokens of the longest row that is too long."""
    context: int | None = None
    not_measured: int = 0
    """Held-out rows that are too long to measure on, of ``measured_of`` that were looked at."""
    measured_of: int = 0
    from_data: bool = False
    """Whether ``max_length`` was chosen here."""


def fit(recipe: Recipe, dataset: Dataset, home: Path, *, look_at: int | None = None) -> Fitted:
    """The rows that the run uses; at most ``look_at`` of them where a part is enough.

    Raises DatasetError where none can be used, ModelError or RecipeError where the model cannot read them (``checks.py``).
    """
    train = _drawn(recipe, dataset.train, look_at)
    whole = Fitted(recipe, replace(dataset, train=train), len(dataset.train), len(train), Counter())
    algorithm = algorithm_of(recipe)
    if not algorithm.starts_from_model:
        return whole
    ref = resolve(recipe.model, home)
    ruler = Ruler(ref)
    check_start(recipe, dataset, ref, ruler.tokens)
    if recipe.dataset == EQUATIONS and algorithm.data is DataForm.PROMPTS:
        return whole
    context = context_of(ref.base)
    from_data = bool(algorithm.data.answer_columns) and not recipe.row_limit
    if from_data:
        lengths = ruler.lengths(_drawn(recipe, dataset.train) or dataset.held_out_pairs)
        recipe = with_values(recipe, {"max_length": max_length_for(lengths, context)})
    if room_for_prompts(recipe, ref.base) is None:
        return whole
    sorter = _Sorter(recipe, ruler, ref.base)
    used = [row for row in train if sorter.takes(row)]
    if train and not used:
        raise _nothing(recipe, train, sorter)
    held_out = [row for row in dataset.held_out if sorter.measures(row)]
    fitting = (row for row in dataset.held_out_pairs if sorter.measures(row))
    pairs = tuple(islice(fitting, recipe.measure_samples))
    looked_at = len(pairs) + sorter.not_measured if dataset.held_out_pairs else 0
    return replace(
        whole,
        recipe=recipe,
        dataset=replace(dataset, train=used, held_out=held_out, held_out_pairs=pairs),
        left_out=sorter.left_out,
        cut=sorter.cut,
        longest=sorter.longest,
        context=context,
        not_measured=sorter.not_measured,
        measured_of=len(dataset.held_out) or looked_at,
        from_data=from_data,
    )


class _Sorter:
    """Says of each row whether it is used, and counts why not, and which are cut."""

    def __init__(self, recipe: Recipe, ruler: Ruler, base: str) -> None:
        self.algorithm, self.ruler, self.context = algorithm_of(recipe), ruler, context_of(base)
        prompts = room_for_prompts(recipe, base)
        assert prompts is not None
        self.prompts, self.rows = prompts, room_for_rows(recipe, base)
        self.left_out: Counter[WhyLeftOut] = Counter()
        self.cut = self.longest = self.not_measured = 0

    def takes(self, row: Row) -> bool:
        """Whether a row trains."""
        if self.algorithm.data is DataForm.PROMPTS:
            why = None if self.ruler.within(row, self.prompts, with_completion=False) else WhyLeftOut.PROMPT_TOO_LONG
        else:
            why = self._why(row, self.ruler.within(row, self.rows))
        if why is not None:
            self.left_out[why] += 1
        return why is None

    def measures(self, row: Row) -> bool:
        """Whether a held-out row is measured on."""
        whole = any(column in row for column in COMPLETIONS)
        fits = self.ruler.within(row, self.rows if whole else self.prompts, with_completion=whole)
        self.not_measured += not fits
        return fits

    def _why(self, row: Row, fits: bool) -> WhyLeftOut | None:
        if not fits:
            self.longest = max(self.longest, self.ruler.longest(row))
            if self.algorithm.head is Head.SCORE:
                return WhyLeftOut.PAIR_TOO_LONG
            if not self.ruler.within(row, self.prompts, with_completion=False):
                return WhyLeftOut.PROMPT_TOO_LONG
        if "chosen" in row and self.ruler.equal_once_cut(row, self.rows):
            return WhyLeftOut.EQUAL_ONCE_WRITTEN if fits else WhyLeftOut.EQUAL_ONCE_CUT
        if self.ruler.leaves_nothing(row):
            return WhyLeftOut.NOTHING_WRITTEN
        self.cut += not fits
        return None


def _drawn(recipe: Recipe, rows: list[Row], look_at: int | None = None) -> list[Row]:
    """The rows that the steps can take, in the order of the data; drawn by the seed where there are more."""
    most = look_at
    if algorithm_of(recipe).data.answer_columns:
        taken = recipe.steps * int(recipe.batch_size)  # type: ignore[attr-defined]
        most = taken if look_at is None else min(taken, look_at)
    if most is None or len(rows) <= most:
        return rows
    places = random.Random(f"rows-{recipe.seed}").sample(range(len(rows)), most)
    return [rows[place] for place in sorted(places)]


def room_for_prompts(recipe: Recipe, base: str) -> int | None:
    """How many tokens a prompt may have; None where the model tells no context."""
    if algorithm_of(recipe).data is DataForm.PROMPTS:
        context = context_of(base)
        return None if context is None else context - recipe.max_completion_length  # type: ignore[attr-defined]
    return room_for_rows(recipe, base) - 1  # one token of the completion, at least


def room_for_rows(recipe: Recipe, base: str) -> int:
    """How many tokens a prompt and its completion may have together."""
    return min(recipe.row_limit, context_of(base) or recipe.row_limit)


def _nothing(recipe: Recipe, rows: Sequence[Row], sorter: _Sorter) -> DatasetError:
    """The error for data of which not one row can be used: the commonest reason, with the figures that mend it."""
    why = sorter.left_out.most_common(1)[0][0]
    known = {"path": recipe.dataset, "count": len(rows)}
    if why is WhyLeftOut.EQUAL_ONCE_CUT:
        wanted = max_length_for([sorter.longest], sorter.context)
        if wanted <= sorter.rows:
            return DatasetError("pairs_equal_in_context", **known, context=sorter.rows)
        return DatasetError("pairs_equal_once_cut", **known, max_length=sorter.rows, wanted=wanted)
    if why in (WhyLeftOut.EQUAL_ONCE_WRITTEN, WhyLeftOut.NOTHING_WRITTEN):
        return DatasetError(f"rows_{why}", **known)
    whole = why is WhyLeftOut.PAIR_TOO_LONG
    shortest = min(sorter.ruler.longest(row, with_completion=whole) for row in rows)
    room = sorter.rows if whole else sorter.prompts
    return DatasetError("pairs_too_long" if whole else "prompts_too_long", **known, room=room, shortest=shortest)

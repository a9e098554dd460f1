"""A reward model: which of two completions would be preferred, as one number a completion.

Loss (Bradley–Terry; Ouyang et al., arXiv 2203.02155, eq. 1)::

    L = −mean log σ( r(x, chosen) − r(x, rejected) )

The head has one output and stands on the policy's own base, as an adapter by default, so that PPO can hold policy, reference, reward and
value on one base.

Departures from trl's RewardTrainer:

1. The mean is over the step's pairs, not a mean of its micro-batches' means.
2. Rows are tokenised when a batch asks for them, not all of them before the first step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import RewardConfig, RewardTrainer

from lab.core.recipes import RmRecipe
from lab.data.turns import Prompt
from lab.training.algorithms import losses
from lab.training.models.base import Loaded, load_scorer
from lab.training.models.checks import context_of
from lab.training.models.scorer import rows_to_score
from lab.training.models.tokens import Tokens
from lab.training.task import Task
from lab.training.trainers.rows import scored_pair
from lab.training.trainers.step_trainer import Batch, LazyRows, StepTrainer, pairs_in


class ScoreTrainer(StepTrainer, RewardTrainer):
    """trl's loop with the loss below."""


def prepare(task: Task) -> Loaded:
    """The start model with a head of one output."""
    return load_scorer(task.recipe, task.home)


def build_trainer(task: Task) -> ScoreTrainer:
    """The trainer of a task."""
    recipe: RmRecipe = task.recipe
    size = recipe.rows_per_micro_batch
    arguments = RewardConfig(
        **task.arguments(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=recipe.batch_size // size,
            max_length=recipe.max_length or None,
            remove_unused_columns=False,
        )
    )
    rows = LazyRows(task.dataset.train, lambda row: scored_pair(task.tokens, row, recipe))
    return ScoreTrainer(
        recipe=recipe,
        loss=loss,
        size_of=pairs_in,
        rows=rows,
        model=task.model,
        args=arguments,
        train_dataset=Dataset.from_list([rows[0]]),
        processing_class=task.tokenizer,
    )


def loss(trainer: ScoreTrainer, model: Any, batch: Batch) -> torch.Tensor:
    """L of the step, the part of one micro-batch, whose first half are chosen and whose second half rejected."""
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    chosen, rejected = output.logits.squeeze(-1).float().chunk(2)
    trainer.metrics.mean("accuracy", chosen > rejected)
    trainer.metrics.mean("margin", chosen - rejected)
    trainer.metrics.mean("mean_reward", output.logits)
    trainer.metrics.train_on(batch["attention_mask"])
    return losses.bradley_terry(chosen, rejected).sum() / trainer.step_size(batch)


def train(task: Task) -> None:
    """Train the model in place."""
    task.run(build_trainer(task))


def measure(task: Task) -> dict[str, Any] | None:
    """Held-out pair accuracy, overall and *by category*: pooled accuracy hides what a reward model has not learned.

    ``length_bias`` is the share of pairs of unequal length in which it gives the longer completion more.
    """
    pairs = task.dataset.held_out_pairs[: task.recipe.measure_samples]
    if not pairs:
        return None
    recipe: RmRecipe = task.recipe
    texts = [(row["prompt"], row[side]) for row in pairs for side in ("chosen", "rejected")]
    rows = 2 * recipe.rows_per_pass  # as many as an update has
    chosen, rejected = scores(task.model, task.tokens, texts, rows=rows).reshape(-1, 2).T
    right = chosen > rejected
    by_category: dict[str, list[bool]] = defaultdict(list)
    for row, is_right in zip(pairs, right, strict=True):
        by_category[row.get("category", "all")].append(bool(is_right))
    longer = np.array([len(row["chosen"]) - len(row["rejected"]) for row in pairs])
    unequal = longer != 0
    return {
        "pair_accuracy": float(right.mean()),
        **{f"accuracy/{name}": float(np.mean(values)) for name, values in sorted(by_category.items())},
        "margin": float((chosen - rejected).mean()),
        "length_bias": float((right == (longer > 0))[unequal].mean()) if unequal.any() else None,
        "samples": len(pairs),
    }


def scores(model: Any, tokens: Tokens, texts: Sequence[tuple[Prompt, str]], *, rows: int) -> np.ndarray:
    """r(x, y) for each (prompt, completion), shape (len(texts),). No forward pass has more than ``rows``; the longest come first."""
    whole = rows_to_score(tokens, texts, context_of(model.config))
    order = sorted(range(len(texts)), key=lambda place: -len(whole[place]))  # like lengths together: less padding
    rewards = np.zeros(len(texts))
    training = model.training
    model.eval()
    for start in range(0, len(order), rows):
        places = order[start : start + rows]
        ids, mask = (batch.to(model.device) for batch in tokens.padded([whole[place] for place in places]))
        with torch.no_grad():
            output = model(input_ids=ids, attention_mask=mask)
        rewards[places] = output.logits.squeeze(-1).float().cpu().numpy()
    model.train(training)
    return rewards

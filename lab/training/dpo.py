"""DPO: straight from preferences, no reward model.

Loss (Rafailov et al., arXiv 2305.18290, eq. 7)::

    L = −log σ( β [ (log π − log π_ref)(chosen) − (log π − log π_ref)(rejected) ] )

Trainer: trl's DPOTrainer, which here also tells how long the chosen responses are. The reference is the start: the adapter switched
off (or its frozen copy), never a second model, except for full training, where the start is loaded once more.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from lab.core.recipes import DpoRecipe, Training, micro_batch
from lab.training.measure.agreement import Agreement, share_won
from lab.training.models.base import Loaded, load, load_start
from lab.training.task import Task, as_answer, as_conversation

MOST_HELD_OUT = 256
"""Pairs that are measured on at most."""
SCORES_AT_ONCE = 1 << 26
"""Scores of next tokens that measuring holds at once: 256 MB."""


class HeldOutPairs(Agreement):
    """Held-out pairs by the reward that the policy stands for, r = β (log π − log π_start); before the first step all are ties."""

    def __init__(self, task: Task, loaded: Loaded) -> None:
        recipe: DpoRecipe = task.recipe
        self._beta = recipe.beta
        super().__init__(
            loaded.model,
            loaded.tokenizer,
            task.dataset.held_out_pairs[: min(MOST_HELD_OUT, recipe.measure_samples)],
            rows=2 * micro_batch(recipe.batch_size, recipe.micro_batch_size),
            tokens=max(1, SCORES_AT_ONCE // loaded.model.config.get_text_config().vocab_size),
            name=recipe.dataset,
            said="measuring on {} held-out pairs",
        )

    def of(self, policy: Any) -> dict[str, Any]:
        """``{"pair_accuracy", "margin", "pairs"}`` of the policy as it is now; a tie is half right."""
        margins = self._beta * self.margins(policy)
        return {"pair_accuracy": share_won(margins), "margin": float(margins.mean()), "pairs": len(margins)}


class CountingDPOTrainer(DPOTrainer):
    """trl's trainer, which also counts the tokens of the chosen responses, by which their log-ratio is told a token."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._chosen = self._tokens = 0

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        chosen = inputs["completion_mask"].chunk(2)[0]
        self._chosen += len(chosen)
        self._tokens += int(chosen.sum())
        return super().compute_loss(model, inputs, *args, **kwargs)

    def of_step(self) -> dict[str, float]:
        """``chosen_tokens``: their mean number since the last call."""
        mean = self._tokens / max(1, self._chosen)
        self._chosen = self._tokens = 0
        return {"chosen_tokens": mean}


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it; held-out pairs are noted as the start sees them."""
    loaded = load(task.recipe, task.home)
    if task.measures and task.dataset.held_out_pairs:
        task.agreement = HeldOutPairs(task, loaded)
    return loaded


def build_trainer(task: Task) -> CountingDPOTrainer:
    """trl's trainer for a task."""
    recipe: DpoRecipe = task.recipe
    size = micro_batch(recipe.batch_size, recipe.micro_batch_size)
    arguments = DPOConfig(
        **task.arguments(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=recipe.batch_size // size,
            max_length=recipe.max_length,
            beta=recipe.beta,
        )
    )
    rows = [
        {
            "prompt": as_conversation(row["prompt"]),
            "chosen": as_answer(row["chosen"]),
            "rejected": as_answer(row["rejected"]),
        }
        for row in task.dataset.train
    ]
    return CountingDPOTrainer(
        model=task.model,
        ref_model=load_start(recipe, task.home) if recipe.training is Training.FULL else None,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=task.tokenizer,
    )


def train(task: Task) -> None:
    """Train the model in place."""
    trainer = build_trainer(task)
    task.watch.more = trainer.of_step
    task.run(trainer)

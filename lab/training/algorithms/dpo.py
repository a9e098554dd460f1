"""DPO: straight from preferences, no reward model.

Loss (Rafailov et al., arXiv 2305.18290, eq. 7)::

    r(y) = β [ log π(y|x) − log π_ref(y|x) ]
    L    = −mean log σ( r(chosen) − r(rejected) )

The reference is the start: the adapter switched off (or its frozen copy), never a second model, except for full training, where the
start is loaded once more.

Departures from trl's DPOTrainer (one reference, loss type ``sigmoid``, whose numbers these are):

1. The mean is over the step's pairs, not a mean of its micro-batches' means.
2. Rows are tokenised when a batch asks for them, not all of them before the first step.
3. Also logged: ``chosen_tokens``, by which the chosen responses' log-ratio is told a token.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from lab.core.recipes import DpoRecipe, Training
from lab.core.step_time import Part
from lab.training.algorithms import losses
from lab.training.measure.agreement import Agreement, share_won
from lab.training.models.base import Loaded, load, load_start
from lab.training.task import Task
from lab.training.trainers.pair_journal import PairJournal
from lab.training.trainers.rows import compared_pair
from lab.training.trainers.step_trainer import Batch, LazyRows, StepTrainer, acting_as_reference, log_probs, pairs_in
from lab.training.worker import team

MOST_HELD_OUT = 256
"""Pairs that are measured on at most."""
SCORES_AT_ONCE = 1 << 26
"""Scores of next tokens that measuring holds at once: 256 MB."""


class PreferenceTrainer(StepTrainer, DPOTrainer):
    """trl's loop with the loss below."""

    journal: PairJournal | None
    """Where some pairs are written; None: nowhere."""


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it; held-out pairs are noted as the start sees them."""
    loaded = load(task.recipe, task.home)
    if task.measures and task.dataset.held_out_pairs:
        task.agreement = HeldOutPairs(task, loaded)
    return loaded


def build_trainer(task: Task) -> PreferenceTrainer:
    """The trainer of a task."""
    recipe: DpoRecipe = task.recipe
    size = recipe.rows_per_micro_batch
    arguments = DPOConfig(
        **task.arguments(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=recipe.batch_size // size,
            max_length=recipe.max_length or None,
            beta=recipe.beta,
            remove_unused_columns=False,
        )
    )
    rows = LazyRows(task.dataset.train, lambda row: compared_pair(task.tokens, row, recipe))
    return PreferenceTrainer(
        recipe=recipe,
        loss=loss,
        size_of=pairs_in,
        rows=rows,
        model=task.model,
        ref_model=load_start(recipe, task.home) if recipe.training is Training.FULL else None,
        args=arguments,
        train_dataset=Dataset.from_list([rows[0]]),
        processing_class=task.tokenizer,
    )


def loss(trainer: PreferenceTrainer, model: Any, batch: Batch) -> torch.Tensor:
    """L of the step, the part of one micro-batch, whose first half are chosen and whose second half rejected."""
    beta, mask = trainer.recipe.beta, batch["completion_mask"]
    policy = log_probs(model, batch, mask)
    with trainer.timer.part(Part.SCORING), acting_as_reference(trainer) as reference:
        start = log_probs(reference, batch, mask)
    logps, ref_logps = policy.log_probs.sum(1), start.log_probs.sum(1)  # Σ_t over the completion's tokens

    if trainer.journal is not None:
        logged = {"logps": policy.log_probs, "ref_logps": start.log_probs, "entropies": policy.entropy}
        with trainer.timer.part(Part.WRITING):
            trainer.journal.note(trainer.state.global_step + 1, batch, beta, **logged)

    chosen, rejected = losses.implicit_reward(logps, ref_logps, beta).chunk(2)
    pair_losses = losses.dpo(chosen, rejected)

    written, written_chosen = mask[:, 1:], mask[:, 1:].chunk(2)[0]
    trainer.metrics.mean("reward_chosen", chosen)
    trainer.metrics.mean("reward_rejected", rejected)
    trainer.metrics.mean("margin", chosen - rejected)
    trainer.metrics.mean("accuracy", chosen > rejected)
    trainer.metrics.mean("chosen_tokens", written_chosen.sum(1))
    trainer.metrics.mean("token_accuracy", policy.is_top1.chunk(2)[0], written_chosen)
    trainer.metrics.mean("entropy", policy.entropy, written)
    trainer.metrics.train_on(batch["attention_mask"])
    return pair_losses.sum() / trainer.step_size(batch)


def train(task: Task) -> None:
    """Train the model in place."""
    trainer = build_trainer(task)
    if (room := task.recipe.token_megabytes) and team.is_leader():
        trainer.journal = PairJournal(task.reporter, task.tokenizer, room, task.recipe.steps)
    task.run(trainer)


class HeldOutPairs(Agreement):
    """Held-out pairs by the reward that the policy stands for, r = β (log π − log π_start); before the first step all are ties."""

    def __init__(self, task: Task, loaded: Loaded) -> None:
        recipe: DpoRecipe = task.recipe
        self._beta = recipe.beta
        super().__init__(
            loaded.model,
            loaded.tokens,
            task.dataset.held_out_pairs[: min(MOST_HELD_OUT, recipe.measure_samples)],
            rows=2 * recipe.rows_per_pass,
            scored_at_once=max(1, SCORES_AT_ONCE // loaded.model.config.get_text_config().vocab_size),
            name=recipe.dataset,
            log_line="measuring on {} held-out pairs",
        )

    def of(self, policy: Any) -> dict[str, Any]:
        """``{"pair_accuracy", "margin", "pairs"}`` of the policy as it is now; a tie is half right."""
        margins = self._beta * self.margins(policy)
        return {"pair_accuracy": share_won(margins), "margin": float(margins.mean()), "pairs": len(margins)}

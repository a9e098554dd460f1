"""DPO with trl's DPOTrainer; the reference is the start: the adapter switched off, its frozen copy, or the model loaded again."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from lab.training.algorithms.losses import dpo, implicit_reward
from lab.training.eject.pieces.common import (
    RUN,
    arguments,
    begin,
    encode,
    keep_wide,
    load_policy,
    load_start,
    read_rows,
    run,
)
from lab.training.eject.pieces.pairs import StepOfPairs
from lab.training.trainers.step_trainer import acting_as_reference


class PreferenceTrainer(StepOfPairs, DPOTrainer):
    """trl's loop with the loss of Rafailov et al. (arXiv 2305.18290, eq. 7), as a mean over the whole step."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # its rows are token ids already

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        policy = log_probs(model, inputs).sum(1)
        with acting_as_reference(self) as reference:
            start = log_probs(reference, inputs).sum(1)
        chosen, rejected = implicit_reward(policy, start, RUN["beta"]).chunk(2)
        return dpo(chosen, rejected).sum() / self.pairs_in_step


def log_probs(model: Any, inputs: Any) -> torch.Tensor:
    """log π of the completions' tokens, 0 elsewhere, shape (B, T − 1); through trl's fused head."""
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    output = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        labels=labels,
        use_cache=False,
        fused_lm_head=True,
    )
    logps: torch.Tensor = output.log_probs
    return logps


def tokenized(tokenizer: Any, row: dict[str, Any]) -> dict[str, list[int]]:
    """The prompt that both sides share, and each completion with its end."""
    (chosen, first), (rejected, second) = (
        encode(tokenizer, row["prompt"], row[side]) for side in ("chosen", "rejected")
    )
    shared = min(first, second)
    return {"prompt_ids": chosen[:shared], "chosen_ids": chosen[shared:], "rejected_ids": rejected[shared:]}


def main() -> None:
    """Load, train, save."""
    tokenizer = begin()
    model = load_policy()
    wide = keep_wide(model)
    trainer = PreferenceTrainer(
        model=model,
        ref_model=load_start() if RUN["training"] == "full" else None,
        args=DPOConfig(**arguments(max_length=RUN["max_length"], beta=RUN["beta"])),
        train_dataset=Dataset.from_list([tokenized(tokenizer, row) for row in read_rows()]),
        processing_class=tokenizer,
    )
    run(trainer, wide)

"""A reward model with trl's RewardTrainer: Bradley–Terry on pairs, read at the end token of each answer."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from peft import get_peft_model, get_peft_model_state_dict, load_peft_weights, set_peft_model_state_dict
from transformers import AutoModelForSequenceClassification
from trl import RewardConfig, RewardTrainer

from lab.training.algorithms.losses import bradley_terry
from lab.training.eject.pieces.common import (
    FOLDER,
    RUN,
    LoraConfig,
    arguments,
    begin,
    encode,
    keep_wide,
    load_base,
    lora,
    read_rows,
    run,
    train_in_fp32,
)
from lab.training.eject.pieces.pairs import StepOfPairs


class PairsTrainer(StepOfPairs, RewardTrainer):
    """trl's loop with the mean of the whole step."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        chosen, rejected = output.logits.squeeze(-1).float().chunk(2)
        return bradley_terry(chosen, rejected).sum() / self.pairs_in_step


def load_scorer(tokenizer: Any) -> Any:
    """The base with a head of one output, and an adapter where the run trained one."""
    model = load_base(AutoModelForSequenceClassification, num_labels=1)
    model.config.pad_token_id = tokenizer.pad_token_id
    if RUN["start_adapter"]:
        config = LoraConfig.from_pretrained(str(FOLDER / RUN["start_adapter"]))
        config.task_type, config.inference_mode = "SEQ_CLS", False
        model = get_peft_model(model, config)
        start = load_peft_weights(str(FOLDER / RUN["start_adapter"]), device=RUN["device"])
        set_peft_model_state_dict(model, get_peft_model_state_dict(model) | start)  # the head is its own
        if RUN["training"] == "full":
            model = model.merge_and_unload().requires_grad_(True)
    elif RUN["training"] == "lora":
        model = get_peft_model(model, lora("SEQ_CLS"))
    train_in_fp32(model)
    return model


def main() -> None:
    """Load, train, save."""
    tokenizer = begin()
    model = load_scorer(tokenizer)
    wide = keep_wide(model)
    rows = [
        {f"{side}_ids": encode(tokenizer, row["prompt"], row[side])[0] for side in ("chosen", "rejected")}
        for row in read_rows()
    ]
    trainer = PairsTrainer(
        model=model,
        args=RewardConfig(**arguments(max_length=RUN["max_length"])),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    run(trainer, wide)

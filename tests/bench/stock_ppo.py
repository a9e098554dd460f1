"""A plain script on trl 1.12's PPO, the last that trl had, with the settings of a recipe: what ``peers.py`` holds the lab's PPO against.

``python stock_ppo.py SETTINGS.json``, in an environment of its own that has trl 1.12, trains and writes to ``settings["out"]`` the seconds of each
rollout with its updates, the memory that the imported libraries took, and the most that the process took. Four models, as trl has them:
policy (LoRA), its reference, the reward model and the critic. It imports nothing of the lab, which needs another trl.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import psutil
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
    set_seed,
)
from trl.experimental.ppo import PPOConfig, PPOTrainer


class Clock(TrainerCallback):  # type: ignore[misc]
    """Notes when each rollout and its updates end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())

    def on_log(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


def main(path: Path) -> None:
    """Train as the settings say."""
    libraries = psutil.Process().memory_info().rss
    settings = json.loads(path.read_text("utf-8"))
    set_seed(settings["seed"])
    tokenizer = AutoTokenizer.from_pretrained(settings["model"], padding_side="left")
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        tokenizer.pad_token = "<|endoftext|>"
    rows = [json.loads(line) for line in Path(settings["rows"]).read_text("utf-8").splitlines()]
    prompts = [
        tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
        for row in rows
    ]
    clock = Clock()
    trainer = PPOTrainer(
        args=arguments(settings),
        processing_class=tokenizer,
        model=AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32),
        ref_model=AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32),
        reward_model=scorer(settings, tokenizer),
        value_model=scorer(settings, tokenizer),
        train_dataset=Dataset.from_dict({"input_ids": prompts}),
        eval_dataset=Dataset.from_dict({"input_ids": prompts[:8]}),
        callbacks=[clock],
        peft_config=LoraConfig(
            r=settings["lora_rank"],
            lora_alpha=settings["lora_alpha"],
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    trainer.train()
    measured = {
        "seconds": [after - before for before, after in zip(clock.ends, clock.ends[1:], strict=False)],
        "libraries_bytes": libraries,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    Path(settings["out"]).write_text(json.dumps(measured), "utf-8")


def scorer(settings: dict[str, Any], tokenizer: Any) -> Any:
    """The start model with a head of one output, as reward model and as critic."""
    model = AutoModelForSequenceClassification.from_pretrained(settings["model"], num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def arguments(settings: dict[str, Any]) -> PPOConfig:
    """The recipe's settings under trl's names."""
    rows = settings["micro_batch_size"]
    return PPOConfig(
        output_dir=settings["folder"],
        total_episodes=settings["batch_size"] * settings["rollouts"],
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=settings["batch_size"] // rows,
        local_rollout_forward_batch_size=rows,
        num_mini_batches=1,
        num_ppo_epochs=settings["iterations"],
        num_sample_generations=0,
        response_length=settings["max_completion_length"],
        stop_token="eos",
        temperature=settings["temperature"],
        kl_coef=settings["kl_coefficient"],
        cliprange=settings["epsilon_low"],
        cliprange_value=settings["value_clip"],
        gamma=settings["discount"],
        lam=settings["gae_lambda"],
        learning_rate=settings["learning_rate"],
        lr_scheduler_type="linear",
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=settings["seed"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

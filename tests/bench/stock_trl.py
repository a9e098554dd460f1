"""A plain script on stock trl with the settings of a recipe: what ``peers.py`` holds the lab's steps against.

``python stock_trl.py SETTINGS.json`` trains and writes the seconds of each optimiser step to ``settings["out"]``. Trainers, losses,
collators and loop are trl's own, with nothing of the lab's but the model folder, the rows and, in GRPO, the three rules as reward functions.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
    TrainerCallback,
    set_seed,
)
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from lab.rules import RULES
from lab.rules.values import CannotTell


class Clock(TrainerCallback):
    """Notes when each step ends."""

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
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        tokenizer.pad_token = "<|endoftext|>"
    rows = [json.loads(line) for line in Path(settings["rows"]).read_text("utf-8").splitlines()]
    clock = Clock()
    trainer = MAKERS[settings["algorithm"]](settings, tokenizer, Dataset.from_list(rows))
    trainer.add_callback(clock)
    trainer.train()
    seconds = [after - before for before, after in zip(clock.ends, clock.ends[1:], strict=False)][: settings["steps"]]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    measured = {"seconds": seconds, "libraries_bytes": libraries, "peak_bytes": peak}
    Path(settings["out"]).write_text(json.dumps(measured), "utf-8")


def sft(settings: dict[str, Any], tokenizer: Any, rows: Dataset) -> Any:
    arguments = SFTConfig(**shared(settings), max_length=None, completion_only_loss=True)
    return SFTTrainer(
        policy(settings), args=arguments, train_dataset=rows, processing_class=tokenizer, **adapter(settings)
    )


def rm(settings: dict[str, Any], tokenizer: Any, rows: Dataset) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(settings["model"], num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
    more = adapter(settings, "SEQ_CLS")
    return RewardTrainer(
        model, args=RewardConfig(**shared(settings)), train_dataset=rows, processing_class=tokenizer, **more
    )


def dpo(settings: dict[str, Any], tokenizer: Any, rows: Dataset) -> Any:
    arguments = DPOConfig(**shared(settings), beta=settings["beta"])
    return DPOTrainer(
        policy(settings), args=arguments, train_dataset=rows, processing_class=tokenizer, **adapter(settings)
    )


def grpo(settings: dict[str, Any], tokenizer: Any, rows: Dataset) -> Any:
    names = (
        "group_size",
        "iterations",
        "epsilon_low",
        "epsilon_high",
        "max_completion_length",
        "temperature",
        "loss_type",
    )
    of_trl = (
        "num_generations",
        "num_iterations",
        "epsilon",
        "epsilon_high",
        "max_completion_length",
        "temperature",
        "loss_type",
    )
    own = {theirs: settings[ours] for theirs, ours in zip(of_trl, names, strict=True)}
    slices = settings["batch_size"] // settings["micro_batch_size"]
    arguments = GRPOConfig(**shared(settings), **own, top_k=0, beta=0.0, steps_per_generation=slices)
    rewards = [reward(name) for name in settings["rules"]]
    return GRPOTrainer(
        policy(settings),
        reward_funcs=rewards,
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        **adapter(settings),
    )


MAKERS = {"sft": sft, "rm": rm, "dpo": dpo, "grpo": grpo}


def reward(name: str) -> Any:
    """A rule in trl's form."""
    function = RULES[name].function

    def score(prompts: Any, completions: Any, answer: Any, **_: Any) -> list[float]:
        texts = [completion[-1]["content"] for completion in completions]
        asked = [prompt[-1]["content"] for prompt in prompts]
        return [value(*each) for each in zip(asked, texts, answer, strict=True)]

    def value(*case: str) -> float:
        try:
            return float(function(*case))
        except CannotTell:  # the text cannot be read as an answer
            return 0.0

    score.__name__ = name
    return score


def policy(settings: dict[str, Any]) -> Any:
    """The start model, in fp32, or its weights in NF4 and the products in fp32."""
    if not settings.get("load_in_4bit"):
        return AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32)
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    return AutoModelForCausalLM.from_pretrained(
        settings["model"], dtype=torch.float32, quantization_config=four_bits, device_map={"": "cpu"}
    )


def adapter(settings: dict[str, Any], task: str = "CAUSAL_LM") -> dict[str, Any]:
    """LoRA on all linear layers, where the recipe trains an adapter."""
    if settings["training"] != "lora":
        return {}
    rank, alpha = settings["lora_rank"], settings["lora_alpha"]
    return {"peft_config": LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type=task)}


def shared(settings: dict[str, Any]) -> dict[str, Any]:
    """What every trainer is told."""
    return {
        "output_dir": settings["folder"],
        "max_steps": settings["steps"],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": "linear",
        "per_device_train_batch_size": settings["micro_batch_size"],
        "gradient_accumulation_steps": settings["batch_size"] // settings["micro_batch_size"],
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "seed": settings["seed"],
        "dataloader_pin_memory": False,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))

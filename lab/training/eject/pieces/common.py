"""What every ejected script does: load the start, render conversations, name the trainer's arguments, write down the losses."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback, set_seed

RUN: dict[str, Any] = {}
"""The run's settings."""

FOLDER = Path(__file__).resolve().parent
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
IGNORED = -100


# ---- the model


def load_tokenizer() -> Any:
    """The run's tokenizer, with its chat template and its pad token."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / "tokenizer")
    tokenizer.padding_side = "left"
    return tokenizer


def load_base(kind: Any = AutoModelForCausalLM, **more: Any) -> Any:
    """The frozen base as the run had it: in the same number format, in NF4 where it was."""
    place = FOLDER / RUN["base"] if (FOLDER / RUN["base"]).is_dir() else RUN["base"]
    if RUN["load_in_4bit"]:
        compute = DTYPES[RUN["precision"]] if RUN["device"] == "cuda" else torch.float32
        more["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
        )
        more["device_map"] = {"": RUN["device"]}
    model = kind.from_pretrained(place, dtype=DTYPES[RUN["precision"]], use_safetensors=True, **more)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # a layer that is packed so passes no gradient on
    return model if "device_map" in more else model.to(RUN["device"])


def lora(task_type: str) -> LoraConfig:
    """LoRA on all linear layers."""
    return LoraConfig(
        r=RUN["lora_rank"],
        lora_alpha=RUN["lora_alpha"],
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type=task_type,
    )


def load_policy() -> Any:
    """The start model with what trains: all weights, a fresh adapter, or a copy of the adapter that the run started from."""
    model = load_base()
    if RUN["training"] == "full":
        if RUN["start_adapter"]:
            model = PeftModel.from_pretrained(model, FOLDER / RUN["start_adapter"]).merge_and_unload()
        model = model.requires_grad_(True)
    elif RUN["start_adapter"]:
        model = PeftModel.from_pretrained(model, FOLDER / RUN["start_adapter"], is_trainable=True)
    else:
        model = get_peft_model(model, lora("CAUSAL_LM"))
    train_in_fp32(model)
    model.config.pad_token_id = model.generation_config.pad_token_id = RUN["pad"]
    model.generation_config.eos_token_id = RUN["ends"]
    return model


def load_start() -> Any:
    """The start once more, frozen."""
    model = load_base()
    if RUN["start_adapter"]:
        model = PeftModel.from_pretrained(model, FOLDER / RUN["start_adapter"])
    return model.requires_grad_(False).eval()


def train_in_fp32(model: Any) -> None:
    """Small steps would be lost in bf16: what trains is kept in fp32, and autocast computes in less."""
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype in (torch.bfloat16, torch.float16):
            parameter.data = parameter.data.float()


# ---- conversations


def conversation(prompt: Any) -> list[dict[str, str]]:
    """A prompt as messages."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def rendered(tokenizer: Any, turns: list[dict[str, str]], ask: bool = False) -> list[int]:
    """A conversation's ids."""
    return list(tokenizer.apply_chat_template(turns, add_generation_prompt=ask, return_dict=True)["input_ids"])


def common_prefix(first: Any, second: Any) -> int:
    """How many leading items two sequences share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def encode(tokenizer: Any, prompt: Any, completion: str) -> tuple[list[int], int]:
    """The ids of a conversation up to and with the end of the answer, and where the answer begins.

    What the template writes behind the end token (ChatML: a new line) is left out.
    """
    turns = conversation(prompt)
    whole = rendered(tokenizer, [*turns, {"role": "assistant", "content": completion}])
    begin = max(1, common_prefix(rendered(tokenizer, turns, ask=True), whole))
    end: int | None = len(whole) - 1 - RUN["trailing"]
    if end is None or end < begin or whole[end] != RUN["template_end"]:
        end = next((at for at in range(len(whole) - 1, begin - 1, -1) if whole[at] in RUN["ends"]), None)
    if end is None and tokenizer.eos_token_id is not None:
        whole, end = [*whole, tokenizer.eos_token_id], len(whole)
    return whole[: len(whole) if end is None else end + 1], begin


# ---- the trainer


def arguments(**more: Any) -> dict[str, Any]:
    """What trl's configurations share."""
    shared = {
        "output_dir": str(FOLDER / "checkpoints"),
        "max_steps": RUN["steps"],
        "learning_rate": RUN["learning_rate"],
        "lr_scheduler_type": RUN["schedule"],
        "warmup_steps": RUN["warmup_steps"],
        "optim": RUN["optimizer"],
        "weight_decay": RUN["weight_decay"],
        "max_grad_norm": RUN["max_grad_norm"],
        "per_device_train_batch_size": RUN["micro_batch_size"],
        "gradient_accumulation_steps": RUN["batch_size"] // RUN["micro_batch_size"],
        "seed": RUN["seed"],
        "data_seed": RUN["seed"],
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": RUN["device"] == "cpu",
        "bf16": RUN["precision"] == "bf16",
        "fp16": RUN["precision"] == "fp16",
        "gradient_checkpointing": RUN["gradient_checkpointing"],
        "dataloader_pin_memory": RUN["device"] == "cuda",
        "remove_unused_columns": False,
    }
    return shared | more


def read_rows() -> list[dict[str, Any]]:
    """The rows that the run trained on, in its order."""
    return [json.loads(line) for line in (FOLDER / "data.jsonl").read_text("utf-8").splitlines()]


class Losses(TrainerCallback):
    """Writes each step's loss to losses.jsonl."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            line = json.dumps({"step": state.global_step, "loss": logs["loss"]})
            with (FOLDER / "losses.jsonl").open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            print(line, flush=True)


def keep_wide(model: Any) -> dict[str, torch.Tensor]:
    """What trains on a 4-bit base, before trl rounds it to bf16 as a trainer is made."""
    four_bits = getattr(model, "is_loaded_in_4bit", False)
    named = model.named_parameters() if four_bits else ()
    return {name: value.detach().clone() for name, value in named if value.requires_grad}


def run(trainer: Any, wide: dict[str, torch.Tensor]) -> None:
    """Train, and save what was trained beside this file."""
    for name, value in trainer.model.named_parameters():
        if name in wide:
            value.data = wide[name]
    (FOLDER / "losses.jsonl").unlink(missing_ok=True)
    trainer.add_callback(Losses())
    trainer.train()
    only = {"selected_adapters": ["default"]} if hasattr(trainer.model, "peft_config") else {}
    trainer.model.save_pretrained(FOLDER / "model", **only)
    trainer.processing_class.save_pretrained(FOLDER / "model")


def begin() -> Any:
    """The tokenizer, with every generator seeded as in the run."""
    tokenizer = load_tokenizer()
    set_seed(RUN["seed"])  # before the model: a fresh adapter draws its weights
    return tokenizer

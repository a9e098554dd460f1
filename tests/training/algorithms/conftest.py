"""A task of any algorithm on the tiny untrained model, without a worker, and its trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import get_peft_model

from lab.core.recipes import parse
from lab.data.datasets import Dataset
from lab.store.run_folder import RunFolder
from lab.tasks.equations import Split, demonstrations, preferences, prompts
from lab.training.algorithms import dpo, grpo, ppo, pretrain, rm, sft
from lab.training.models.base import Loaded, lora_config, train_in_fp32
from lab.training.models.scorer import scorer_class
from lab.training.task import Task, rule_set
from lab.training.worker.reporter import Reporter
from tests.training.conftest import LETTERS

SIBLINGS = {"pretrain": pretrain, "sft": sft, "rm": rm, "ppo": ppo, "dpo": dpo, "grpo": grpo}
SAMPLED = {"group_size": 2, "max_completion_length": 6, "iterations": 1}
SMALL: dict[str, dict[str, Any]] = {
    "pretrain": {"hidden_size": 32, "heads": 2, "layers": 2, "feed_forward": 64},
    "sft": {"max_length": 64},
    "rm": {"max_length": 64},
    "dpo": {"max_length": 64},
    "ppo": SAMPLED,
    "grpo": SAMPLED
    | {"group_size": 4, "batch_size": 8, "beta": 0.05, "threshold": {"kind": "all"}, "skip_no_spread": False},
}


@pytest.fixture
def make_task(tmp_path, make_model, tokenizer) -> Callable[..., Task]:
    """A task, by algorithm and changes; ``rows`` are its training data, by default 16 of the lab's own."""

    def make(algorithm: str, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Task:
        few = {"steps": 1, "batch_size": 4, "warmup_steps": 0, "lora_rank": 4, "device": "cpu"}
        few = few if algorithm != "pretrain" else {name: few[name] for name in few if name != "lora_rank"}
        recipe: Any = parse({"algorithm": algorithm, **few, **SMALL[algorithm], **changes})
        folder = RunFolder(tmp_path)
        data = Dataset(rows_of(algorithm, 16) if rows is None else rows, [], "")
        rules = LETTERS if algorithm in ("grpo", "ppo") else rule_set(recipe)
        task = Task(recipe, folder, Reporter(folder, recipe.steps), data, rules, home=tmp_path)
        task.loaded = Loaded(_model(recipe, make_model, tokenizer), tokenizer, torch.device("cpu"), fresh_adapter=True)
        return task

    return make


@pytest.fixture
def make_trainer_of(make_task) -> Callable[..., Any]:
    """The trainer of such a task, as ``Task.run`` leaves it before the first step."""

    def make(algorithm: str, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Any:
        torch.manual_seed(5)
        return SIBLINGS[algorithm].build_trainer(make_task(algorithm, rows, **changes))

    return make


def rows_of(algorithm: str, count: int) -> list[dict[str, Any]]:
    """The lab's own data for an algorithm."""
    makers = {"sft": demonstrations, "rm": preferences, "dpo": preferences}
    return list(makers.get(algorithm, prompts)(Split.TRAIN, 1, count)) if algorithm != "pretrain" else []


def _model(recipe: Any, make_model: Any, tokenizer: Any) -> Any:
    model = make_model()
    if recipe.algorithm == "pretrain":
        return model
    task_type = "CAUSAL_LM"
    if recipe.algorithm == "rm":
        model.config.num_labels, model.config.pad_token_id, task_type = 1, tokenizer.pad_token_id, "SEQ_CLS"
        torch.manual_seed(4)
        model = scorer_class(model.config)(model.config)
        torch.nn.init.normal_(model.score.weight, std=0.3)
    model = model.to({"bf16": torch.bfloat16}.get(recipe.precision, torch.float32))
    if getattr(recipe, "training", "lora") == "lora":
        model = get_peft_model(model, lora_config(recipe, task_type))
        generator = torch.Generator().manual_seed(6)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    train_in_fp32(model)
    return model

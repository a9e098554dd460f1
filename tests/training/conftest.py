"""A tiny untrained model, and a GRPO trainer on it, for tests of the algorithms themselves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from datasets import Dataset

from lab.core.recipes import GrpoRecipe, PretrainRecipe, micro_batch
from lab.core.rules import Rule
from lab.data.turns import as_conversation
from lab.sandbox.rewards import Weighed
from lab.tasks.equations import Split, pretraining_texts, prompts
from lab.training.models.tokens import tokens_of

LETTERS = [Weighed(Rule("length", lambda _p, completion, _a: (len(completion) * 7919 % 13) / 13), 2.0)]
"""An arbitrary rule with spread, as an untrained model never answers right."""


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """As a worker on two cores has it: on a busy machine, more would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer():
    from lab.training.models.tiny_llama import build_tokenizer

    return build_tokenizer((text for pair in islice(pretraining_texts(0), 3000) for text in pair), 288)


@pytest.fixture(scope="session")
def tokens(tokenizer):
    """The tokenizer, examined."""
    return tokens_of(tokenizer)


@pytest.fixture
def make_model(tokenizer):
    """A fresh model of the same random weights at each call."""
    from lab.training.models.tiny_llama import build_model

    def make(seed=0, **shape):
        torch.manual_seed(seed)
        model = build_model(
            PretrainRecipe(**{"hidden_size": 32, "heads": 2, "layers": 2, "feed_forward": 64} | shape), tokenizer
        )
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        return model

    return make


@pytest.fixture
def grpo_config(tmp_path):
    """trl's arguments for a recipe, as the lab sets them."""
    from trl import GRPOConfig

    def make(recipe: GrpoRecipe):
        size = micro_batch(recipe.batch_size, recipe.micro_batch_size)
        slices = recipe.batch_size // size
        return GRPOConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=recipe.steps,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="constant",
            per_device_train_batch_size=size,
            gradient_accumulation_steps=slices,
            steps_per_generation=slices,
            num_generations=recipe.group_size,
            num_iterations=recipe.iterations,
            max_completion_length=recipe.max_completion_length,
            top_k=0,
            beta=recipe.beta,
            epsilon=recipe.epsilon_low,
            epsilon_high=recipe.epsilon_high,
            loss_type=recipe.loss_type.value,
            scale_rewards="group" if recipe.scale_rewards else "none",
            remove_unused_columns=False,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            seed=recipe.seed,
        )

    return make


@pytest.fixture
def grpo_rows():
    """Prompts of the equations task as trl reads them."""
    rows = [{"prompt": as_conversation(row["prompt"]), "answer": row["answer"]} for row in prompts(Split.TRAIN, 1, 64)]
    return Dataset.from_list(rows)


@pytest.fixture
def group_trainer(make_model, grpo_config, grpo_rows, tokenizer):
    """The lab's trainer for a recipe."""
    from lab.training.algorithms import grpo
    from lab.training.trainers.group_trainer import GroupTrainer

    def make(recipe: GrpoRecipe, rules: list[Weighed] = LETTERS, model=None, **more):
        return GroupTrainer(
            recipe=recipe,
            rules=rules,
            score=grpo.score,
            loss=grpo.loss,
            model=model or make_model(),
            args=grpo_config(recipe),
            train_dataset=grpo_rows,
            processing_class=tokenizer,
            **more,
        )

    return make

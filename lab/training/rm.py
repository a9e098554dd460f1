"""A reward model: which of two completions would be preferred, as one number a completion.

Loss (Bradley–Terry; Ouyang et al., arXiv 2203.02155, eq. 1)::

    L = −log σ( r(x, chosen) − r(x, rejected) )

Trainer: trl's RewardTrainer, as it is. The head has one output and stands on the policy's own base, as an adapter by default,
so that PPO can hold policy, reference, reward and value on one base.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import RewardConfig, RewardTrainer

from lab.core.recipes import RmRecipe, micro_batch
from lab.data.turns import Prompt
from lab.training.models.base import Loaded, load_scorer
from lab.training.task import Task, as_answer, as_conversation


def prepare(task: Task) -> Loaded:
    """The start model with a head of one output."""
    return load_scorer(task.recipe, task.home)


def train(task: Task) -> None:
    """Train the model in place."""
    recipe: RmRecipe = task.recipe
    size = micro_batch(recipe.batch_size, recipe.micro_batch_size)
    arguments = RewardConfig(
        **task.arguments(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=recipe.batch_size // size,
            max_length=recipe.max_length,
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
    trainer = RewardTrainer(
        model=task.model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=task.tokenizer
    )
    task.run(trainer)


def measure(task: Task) -> dict[str, Any] | None:
    """Held-out pair accuracy, overall and *by category*: pooled accuracy hides what a reward model has not learned.

    ``length_bias`` is the share of pairs of unequal length in which it gives the longer completion more.
    """
    pairs = task.dataset.held_out_pairs[: task.recipe.measure_samples]
    if not pairs:
        return None
    recipe: RmRecipe = task.recipe
    texts = [(row["prompt"], row[side]) for row in pairs for side in ("chosen", "rejected")]
    rows = 2 * micro_batch(recipe.batch_size, recipe.micro_batch_size)  # as many as an update has
    chosen, rejected = scores(task.model, task.tokenizer, texts, rows=rows).reshape(-1, 2).T
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


def scores(model: Any, tokenizer: Any, texts: Sequence[tuple[Prompt, str]], *, rows: int) -> np.ndarray:
    """r(x, y) for each (prompt, completion), shape (len(texts),). No forward pass has more than ``rows``; the longest come first."""
    conversations = [[*as_conversation(prompt), *as_answer(text)] for prompt, text in texts]
    order = sorted(range(len(texts)), key=lambda place: -len(str(texts[place])))  # like lengths together: less padding
    found = np.zeros(len(texts))
    training = model.training
    model.eval()
    for start in range(0, len(order), rows):
        places = order[start : start + rows]
        inputs = tokenizer.apply_chat_template(
            [conversations[place] for place in places],
            return_dict=True,
            return_tensors="pt",
            padding=True,
            padding_side="right",
        ).to(model.device)
        with torch.no_grad():
            output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        found[places] = output.logits.squeeze(-1).float().cpu().numpy()
    model.train(training)
    return found

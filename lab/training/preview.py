"""A few rows of a recipe as the model will see them: the chat template applied, and which tokens the loss counts. No weights load.

Printed as JSON by ``python -m lab.training --preview HOME`` (the recipe comes on standard input); shown by ``python -m lab preview``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.core.recipes import Recipe
from lab.data.datasets import Row, load
from lab.data.left_out import counted
from lab.data.turns import as_conversation
from lab.store.models import resolve
from lab.training.base import PLAIN_TEMPLATE, load_tokenizer
from lab.training.fitting import fitting
from lab.training.task import as_answer

ANSWERS = {"sft": ("completion",), "rm": ("chosen", "rejected"), "dpo": ("chosen", "rejected")}
"""The columns that follow the prompt; where there are none, the model writes what follows."""


def preview(recipe: Recipe, home: Path, count: int = 3) -> dict[str, Any]:
    """``{"template": "own" | "plain", "rows": [{column: {"masked", "trained", "tokens", "cut"}}…], "count", "left_out": [[why, detail, n]…]}``.

    ``masked`` and ``trained`` are text: what the loss leaves out, and what it counts (for a reward model, what is scored);
    ``tokens`` is the length of both, ``cut`` how many more are cut off. Raises LabError as the run would.
    """
    dataset = load(recipe, home)
    whole = len(dataset.train)
    dataset = fitting(recipe, dataset, home)
    tokenizer = load_tokenizer(resolve(recipe.model, home))
    reasons: list[tuple[str, str, int]] = [(str(why), detail, n) for why, detail, n in counted(dataset.left_out)]
    if too_long := whole - len(dataset.train):
        reasons.append(("prompt_too_long", "", too_long))
    return {
        "template": "plain" if tokenizer.chat_template == PLAIN_TEMPLATE else "own",
        "rows": [_seen(tokenizer, row, recipe) for row in dataset.train[:count]],
        "count": len(dataset.train),
        "left_out": reasons,
    }


def _seen(tokenizer: Any, row: Row, recipe: Recipe) -> dict[str, Any]:
    prompt = as_conversation(row["prompt"])
    asked = _ids(tokenizer, prompt, add_generation_prompt=True)
    columns = ANSWERS.get(recipe.algorithm)
    if columns is None:
        return {"prompt": {"masked": tokenizer.decode(asked), "trained": "", "tokens": len(asked), "cut": 0}}
    most = int(getattr(recipe, "max_length", 0))
    seen = {}
    for column in columns:
        ids = _ids(tokenizer, [*prompt, *as_answer(row[column])])
        kept = ids[:most]
        seen[column] = {
            "masked": tokenizer.decode(kept[: len(asked)]),
            "trained": tokenizer.decode(kept[len(asked) :]),
            "tokens": len(kept),
            "cut": len(ids) - len(kept),
        }
    return seen


def _ids(tokenizer: Any, conversation: list[dict[str, str]], **more: Any) -> list[int]:
    return list(tokenizer.apply_chat_template(conversation, return_dict=True, **more)["input_ids"])

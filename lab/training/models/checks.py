"""Refuses a model that cannot be trained, before any weight is read: its kind, adapter, tokenizer, context or chat template.

Each refusal is one sentence with the mend. Not here: whether it fits into memory (``base.check_room``), or rows that are too long
(``length_filter.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from lab.core.algorithms import DataForm, Head, algorithm_of
from lab.core.recipes import Recipe
from lab.data.datasets import Dataset
from lab.data.turns import ASSISTANT, as_conversation
from lab.errors import ModelError, RecipeError, first_line
from lab.store.models import ModelRef
from lab.training.models.tokens import Tokens, answered

SHOWN = 3
"""Tokens that a refusal names at most."""

Row = dict[str, Any]

CLASSIFIER = "ForSequenceClassification"


def read_config(place: Path | str) -> Any:
    """A model's configuration. Raises ModelError where it cannot be read, or is of a kind that is not known here."""
    try:
        return AutoConfig.from_pretrained(place)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError("model_cannot_load", value=str(place), why=first_line(error)) from None


def causal_config(place: Path | str, *, scorer: bool = False) -> Any:
    """The configuration of a causal language model. Raises ModelError where it is another kind of model.

    With ``scorer`` a reward model with its head is taken too.
    """
    config = read_config(place)
    kinds = [str(kind) for kind in config.architectures or ()]
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError("model_encoder_decoder", value=str(place), kind=", ".join(kinds) or config.model_type)
    causal = {name for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() for name in _all(names)}
    known = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    scores = scorer and any(kind.endswith(CLASSIFIER) for kind in kinds)
    if not known or (kinds and not scores and not causal.intersection(kinds)):
        raise ModelError("model_not_causal", value=str(place), kind=", ".join(kinds) or config.model_type)
    return config


def check_adapter(folder: Path | str) -> None:
    """Raise ModelError where an adapter is no LoRA."""
    config = json.loads((Path(folder) / "adapter_config.json").read_text("utf-8"))
    if (kind := config.get("peft_type", "LORA")) != "LORA":
        raise ModelError("adapter_not_lora", value=str(folder), kind=kind)


def check_start(recipe: Recipe, dataset: Dataset, ref: ModelRef, tokens: Tokens) -> None:
    """Raise the LabError of the first thing about a recipe's start model that would make the run fail. No weight is read."""
    check_reward(recipe)
    if ref.adapter is not None:
        check_adapter(ref.adapter)
    config = causal_config(ref.base, scorer=algorithm_of(recipe).head is Head.SCORE)
    check_context(recipe, config)
    columns = [
        column for column in algorithm_of(recipe).data.answer_columns if dataset.train and column in dataset.train[0]
    ]
    check_vocabulary(tokens, config, dataset.train)
    check_roles(tokens, dataset.train, columns)
    check_roles(tokens, dataset.held_out)


def check_reward(recipe: Recipe) -> None:
    """Raise RecipeError where every part of the reward has the weight 0, so that nothing could be learnt."""
    if algorithm_of(recipe).data is not DataForm.PROMPTS or recipe.rule_uses is None:
        return
    rules = recipe.rules_factor * sum(abs(use.weight) for use in recipe.rule_uses)
    scored = bool(recipe.reward_run) and bool(getattr(recipe, "reward_model_weight", 0))
    if not rules and not scored:
        raise RecipeError("reward_weightless", rules=", ".join(use.name for use in recipe.rule_uses) or "–")


def context_of(config: Any) -> int | None:
    """How many tokens a model reads at most; None where its configuration names no limit."""
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(context) if context else None


def check_context(recipe: Recipe, config: Any) -> None:
    """Raise RecipeError where the model reads less than the recipe's lengths."""
    if (context := context_of(config)) is None:
        return
    if algorithm_of(recipe).data is DataForm.PROMPTS:
        length: int = recipe.max_completion_length  # type: ignore[attr-defined]
        if length >= context:
            raise RecipeError("context_short_of_completion", context=context, length=length)
    elif recipe.row_limit > context:
        raise RecipeError("context_short_of_length", context=context, length=recipe.row_limit)


def check_vocabulary(tokens: Tokens, config: Any, rows: Iterable[Row] = ()) -> int:
    """Raise ModelError where the tokenizer gives ids that the model has no embedding row for.

    Added tokens without a row are let pass as long as nothing uses them (Gemma 3 has one for pictures); returns how many those are.
    """
    count = int(config.get_text_config().vocab_size)
    tokenizer = tokens.tokenizer
    if tokens.pad >= count:
        spare = next((tokenizer.convert_ids_to_tokens(end) for end in tokens.ends if end < count), "")
        name = tokenizer.convert_ids_to_tokens(tokens.pad)
        raise ModelError("pad_outside", value=name, id=tokens.pad, rows=count, last=count - 1, spare=spare)
    beyond = {text: number for text, number in tokenizer.get_vocab().items() if number >= count}
    if not beyond:
        return 0
    added = {str(token.content) for token in tokenizer.added_tokens_decoder.values()}
    used = [text for text, number in beyond.items() if text not in added or number in tokens.ends]
    used = used or sorted(_written(beyond, rows))
    if used:
        shown = ", ".join(used[:SHOWN]) + (" …" if len(used) > SHOWN else "")
        raise ModelError("tokens_outside", count=len(beyond), rows=count, tokens=shown)
    return len(beyond)


def check_roles(tokens: Tokens, rows: Sequence[Row], answers: Sequence[str] = ()) -> None:
    """Raise ModelError where the chat template refuses the roles of some rows. One row of each order of roles is rendered.

    ``answers`` are the columns of completions; without them the prompts are asked.
    """
    orders: Counter[tuple[str, ...]] = Counter()
    examples: dict[tuple[str, ...], Row] = {}
    for row in rows:
        order = tuple(message["role"] for message in as_conversation(row["prompt"]))
        orders[order] += 1
        examples.setdefault(order, row)
    refused: dict[tuple[str, ...], ModelError] = {}
    for order, row in examples.items():
        try:
            tokens.asked(row["prompt"])
            for column in answers:
                tokens.encode(row["prompt"], row[column])
        except ModelError as error:
            refused[order] = error
    if refused:
        order, refusal = max(refused.items(), key=lambda item: orders[item[0]])
        count = sum(orders[each] for each in refused)
        roles = ", ".join((*order, ASSISTANT) if answers else order)
        key = "template_refuses_system" if "system" in order else "template_refuses_rows"
        raise ModelError(key, count=count, of=len(rows), roles=roles, why=refusal.params["why"])


def _written(beyond: Iterable[str], rows: Iterable[Row]) -> set[str]:
    """Which of these tokens the texts of some rows hold."""
    written: set[str] = set()
    columns = ("completion", "chosen", "rejected")
    for row in rows:
        texts = [message["content"] for message in answered(row["prompt"], "")] + [str(row.get(c, "")) for c in columns]
        written.update(token for token in beyond if any(token in text for text in texts))
    return written


def _all(names: Any) -> tuple[str, ...]:
    return names if isinstance(names, tuple) else (names,)

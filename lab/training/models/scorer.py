"""Reward models: a base with a head of one output that is read at the last token of a conversation, its end.

transformers' classes look for the last token that is not the pad token: where pad and end are one token, that is the token before the end.
Here the attention mask says where a row ends, in training, measuring, scoring and PPO alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedModel
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutputWithPast

from lab.data.turns import Prompt
from lab.training.models.tokens import Tokens


class ReadAtEnd(GenericForSequenceClassification):
    """transformers' classifier with one output a row, read at the row's last unmasked token."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        model: Any = self
        width = model.get_input_embeddings().embedding_dim  # OPT-350M's states are narrower than its ``hidden_size``
        if width != model.score.in_features:
            model.score = torch.nn.Linear(width, 1, bias=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **more: Any) -> Any:
        """``logits`` of shape (B, 1)."""
        model: Any = self
        output = getattr(model, model.base_model_prefix)(input_ids=input_ids, attention_mask=attention_mask, **more)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return SequenceClassifierOutputWithPast(logits=model.score(at_last(output.last_hidden_state, mask)))


def scorer_class(config: Any) -> Any:
    """The class of a reward model: the body of a causal language model's family with a head of one output, for every family alike.

    It is named as transformers names it, with the same weights, so that what is saved loads there where such a class exists.
    """
    causal = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    family = next(
        kind for kind in causal.__mro__ if kind.__name__.endswith("PreTrainedModel") and kind is not PreTrainedModel
    )
    name = causal.__name__.removesuffix("ForCausalLM").removesuffix("LMHeadModel") + "ForSequenceClassification"
    members = {"base_model_prefix": causal.base_model_prefix, "__module__": causal.__module__}
    return type(name, (ReadAtEnd, family), members)


def at_last(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What stands at each row's last unmasked position, shape (B, width) of (B, T, width); rows may be padded on either side."""
    positions = torch.arange(mask.shape[1], device=states.device)
    last = (positions * mask.to(states.device)).argmax(1)
    return states[torch.arange(len(states), device=states.device), last]


def rows_to_score(tokens: Tokens, texts: Sequence[tuple[Prompt, str]], context: int | None = None) -> list[list[int]]:
    """The ids of each (prompt, completion) as a reward model is trained on them; what no context holds is cut off."""
    return [tokens.finished(prompt, text)[:context] for prompt, text in texts]

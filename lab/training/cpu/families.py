"""The families of models whose every part the lab knows: they differ in biases, and in norms of queries and keys."""

from __future__ import annotations

from typing import Any

from transformers.models.llama import modeling_llama as llama
from transformers.models.mistral import modeling_mistral as mistral
from transformers.models.qwen2 import modeling_qwen2 as qwen2
from transformers.models.qwen3 import modeling_qwen3 as qwen3

MODELS = {
    llama.LlamaForCausalLM: "Llama",
    mistral.MistralForCausalLM: "Mistral",
    qwen2.Qwen2ForCausalLM: "Qwen2",
    qwen3.Qwen3ForCausalLM: "Qwen3",
}
"""Language models, and the first part of their modules' names."""
BODIES = (llama.LlamaModel, mistral.MistralModel, qwen2.Qwen2Model, qwen3.Qwen3Model)
"""What such a model, or a scorer, reads with."""
FEED_FORWARDS = (llama.LlamaMLP, mistral.MistralMLP, qwen2.Qwen2MLP, qwen3.Qwen3MLP)
"""Their feed-forward layers."""


def has_window(config: Any) -> bool:
    """Whether a token sees only so many tokens before it."""
    return getattr(config, "sliding_window", None) is not None

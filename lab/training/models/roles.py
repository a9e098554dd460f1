"""Policy, reference, reward and value as roles on one base: adapters that take turns, and heads of one output.

Four models are usual (Ouyang et al., arXiv 2203.02155); here a base is held once, and a role is a LoRA on it. Switching a role
moves no weight and never touches ``requires_grad`` (peft's ``set_adapter`` does: it freezes what it switches off), so the two
roles that train keep their gradients.

Shapes: B completions, T tokens of prompt and completion together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from torch import nn

from lab.core.recipes import Critic
from lab.data.turns import Prompt
from lab.errors import ModelError
from lab.training.models.checks import context_of
from lab.training.models.scorer import at_last, rows_to_score
from lab.training.models.sharding import gather_for_body
from lab.training.models.tokens import Tokens

POLICY, VALUE, REWARD = "default", "value", "reward"


@contextmanager
def acting_as(model: nn.Module, adapter: str | None) -> Iterator[None]:
    """Let one adapter act for the time of the block; None lets the bare base act."""
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    before = [(layer._active_adapter, layer._disable_adapters) for layer in layers]
    for layer in layers:
        layer._disable_adapters = adapter is None
        if adapter is not None:
            layer._active_adapter = [adapter]
    try:
        yield
    finally:
        for layer, (active, disabled) in zip(layers, before, strict=True):
            layer._active_adapter, layer._disable_adapters = active, disabled


def copy_adapter(model: Any, source: str, target: str) -> None:
    """Copy one adapter's weights into another of the same shape."""
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in weights.items():
            if f".{target}." in name:
                parameter.copy_(weights[name.replace(f".{target}.", f".{source}.")])


class Roles:
    """The roles of one peft model whose policy is its ``default`` adapter; with ``Critic.TRUNK`` the values are read from it too."""

    def __init__(self, model: Any, *, reference: str | None = None, critic: Critic = Critic.OWN) -> None:
        self.model, self.reference, self.critic = model, reference, critic
        self.autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
        """Entered for every pass that is made here; a trainer gives its own, so that all roles compute alike."""
        self.has_reward = False

    def add_value(self) -> None:
        """A head that begins at 0, and for a critic of the policy's own depth an adapter of the policy's shape."""
        if self.critic is Critic.OWN:
            self.model.add_adapter(VALUE, copy(self.model.peft_config[POLICY]))
        width = self.model.get_output_embeddings().weight.shape[1]
        self.model.value_head = nn.Linear(width, 1, bias=False).to(self.model.device)  # in fp32, as adapters are
        nn.init.zeros_(self.model.value_head.weight)
        self.settle()

    def add_reward(self, folder: Path) -> None:
        """A frozen reward model: the adapter and head of a reward-model run on the same base."""
        config = LoraConfig.from_pretrained(str(folder))
        weights = load_file(folder / "adapter_model.safetensors")
        head = next((value for key, value in weights.items() if key.endswith("score.weight")), None)
        if head is None:
            raise ModelError("ppo_not_a_reward_model", value=str(folder))
        config.task_type, config.modules_to_save, config.inference_mode = "CAUSAL_LM", None, True
        self.model.add_adapter(REWARD, config)
        adapter = {key: value for key, value in weights.items() if "lora_" in key}
        set_peft_model_state_dict(self.model, adapter, adapter_name=REWARD)
        self.model.reward_head = nn.Linear(head.shape[1], 1, bias=False).to(self.model.device)
        self.model.reward_head.weight.data.copy_(head)
        self.has_reward = True
        self.settle()

    def settle(self) -> None:
        """Policy and critic train, whatever was added since; everything else is frozen."""
        for name, parameter in self.model.named_parameters():
            owned = any(f".{adapter}." in name for adapter in (POLICY, VALUE)) and "lora_" in name
            parameter.requires_grad_(owned or name.startswith("value_head"))

    def policy_parameters(self) -> list[nn.Parameter]:
        """What trains of the policy."""
        return self._trained(POLICY)

    def critic_parameters(self) -> list[nn.Parameter]:
        """What trains of the critic alone: its adapter, where it has one, and its head."""
        return [*self._trained(VALUE), *self.model.value_head.parameters()]

    def _trained(self, adapter: str) -> list[nn.Parameter]:
        named = self.model.named_parameters()
        return [parameter for name, parameter in named if f".{adapter}." in name and parameter.requires_grad]

    def hidden(self, adapter: str | None, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The last hidden states under a role, shape (B, T, width)."""
        gather_for_body(self.model)
        with acting_as(self.model, adapter), self.autocast():
            states: torch.Tensor = self._body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            return states

    @property
    def _body(self) -> Any:
        base = self.model.get_base_model()
        return getattr(base, base.base_model_prefix)

    @contextmanager
    def noting_states(self) -> Iterator[list[torch.Tensor]]:
        """The last hidden states of every pass that is made in the block, shape (B, T, width) each, with their gradients."""
        passes: list[torch.Tensor] = []
        hook = self._body.register_forward_hook(lambda _module, _given, output: passes.append(output.last_hidden_state))
        try:
            yield passes
        finally:
            hook.remove()

    def values(self, ids: torch.Tensor, mask: torch.Tensor, width: int) -> torch.Tensor:
        """V(s_t) of the state *before* each of the last ``width`` tokens, shape (B, width)."""
        return self.values_of(self.hidden(VALUE if self.critic is Critic.OWN else POLICY, ids, mask), width)

    def values_of(self, states: torch.Tensor, width: int) -> torch.Tensor:
        """The same, read from hidden states of shape (B, T, width of the model)."""
        return _read(self.model.value_head, states[:, -width - 1 : -1])

    def scores(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The reward model's score of each row, read at its last token, shape (B,)."""
        return _read(self.model.reward_head, at_last(self.hidden(REWARD, ids, mask), mask))

    def scores_of(self, tokens: Tokens, texts: Sequence[tuple[Prompt, str]], *, rows: int) -> torch.Tensor:
        """The reward model's scores of (prompt, completion), shape (len(texts),), ``rows`` at a time.

        They are rendered as in its training: a completion that was cut off gets an end, as it would from whoever scores its text.
        """
        whole = rows_to_score(tokens, texts, context_of(self.model.config))
        scores = []
        with torch.no_grad():
            for start in range(0, len(whole), rows):
                ids, mask = tokens.padded(whole[start : start + rows])
                scores.append(self.scores(ids.to(self.model.device), mask.to(self.model.device)))
        return torch.cat(scores)


def _read(head: nn.Linear, states: torch.Tensor) -> torch.Tensor:
    """A head's one output, in the head's format: the states of a bf16 or fp16 base are narrower."""
    output: torch.Tensor = head(states.to(head.weight.dtype)).squeeze(-1)
    return output.float()

"""LoRA's product on a CPU: added in place to the layer's own, h = W x, then h += B (s A x).

peft computes W x + s · (B (A x)): three more tensors of the layer's width, and under bf16 autocast two more casts of x. For 2,400 tokens in the
widest layer of SmolLM2-135M, on two cores in bf16, that takes three times as long. Everything that is not plain LoRA (several
adapters at once, variants such as DoRA, dropout while training) is left to peft.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from torch.nn import functional


class CpuLora(lora.Linear):  # type: ignore[misc]
    """A LoRA layer of peft whose forward pass is made in place where it can be."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """h of shape (..., outputs) for x of shape (..., inputs)."""
        name = self._only_adapter()
        if name is None or args or kwargs:
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        output: torch.Tensor = self.base_layer(x)
        dtype = output.dtype
        down, up = self.lora_A[name].weight.to(dtype), self.lora_B[name].weight.to(dtype)
        low = functional.linear(x.to(dtype), down) * self.scaling[name]
        return output.view(-1, output.size(-1)).addmm_(low.view(-1, low.size(-1)), up.t()).view_as(output)

    def _only_adapter(self) -> str | None:
        """The adapter that acts, where there is one and it is plain."""
        names = [name for name in self.active_adapters if name in self.lora_A]
        if len(names) != 1 or self.disable_adapters or self.merged:
            return None
        name: str = names[0]
        dropout = self.lora_dropout[name]
        plain = name not in self.lora_variant and self.lora_B[name].bias is None
        return name if plain and (isinstance(dropout, nn.Identity) or not self.training) else None


def use_on_cpu(model: nn.Module) -> None:
    """Let the model's LoRA layers over plain linear ones compute so. Adapters that are added later are theirs, too."""
    for module in model.modules():
        if type(module) is lora.Linear and type(module.base_layer) is nn.Linear:
            module.__class__ = CpuLora

"""What a model gives, and what it gives back: shared by the tests of layers that a CPU computes another way."""

from __future__ import annotations

from typing import Any

import torch


def outcome(model: Any, x: torch.Tensor) -> list[torch.Tensor]:
    """The output, and the gradients of the input and of what trains."""
    model.zero_grad()
    x = x.clone().requires_grad_()
    output = model(x)
    output.float().square().sum().backward()
    trained = [value.grad for _, value in sorted(model.named_parameters()) if value.grad is not None]
    assert x.grad is not None
    return [output.detach(), x.grad, *trained]

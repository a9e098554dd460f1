"""Counts the work of a run's steps: the products of the model's weights with activations, and the bytes of weights that are read for them.

A position that passes through a matrix of n weights costs 2n floating-point operations; the backward pass costs as much again for the
gradients of the activations, and once more for those of the weights that train. Each pass reads every weight once. Where this cannot be
known (a mixture of experts, whose positions pass through a few of its matrices), nothing is counted.
"""

from __future__ import annotations

from typing import Any

import torch

from lab.core.roofline import WORKING, bytes_metric, flops_metric
from lab.core.step_time import Part
from lab.training.worker.step_timer import StepTimer


class WorkCounter:
    """Listens to the embedding of one model, which each pass goes through; the timer says for which part."""

    def __init__(self, model: Any, timer: StepTimer) -> None:
        self._timer = timer
        head = model.get_output_embeddings()
        embeddings = {id(each.weight) for each in (head, model.get_input_embeddings()) if each is not None}
        parameters = list(model.parameters())
        bodies = [each for each in parameters if each.dim() >= 2 and id(each) not in embeddings]
        self._matrices = sum(map(_weights, bodies))
        self._trained = sum(_weights(each) for each in bodies if each.requires_grad)
        self._bytes = sum(each.numel() * each.element_size() for each in bodies)
        self._head = _weights(head.weight) if head is not None else 0
        self._head_bytes = head.weight.numel() * head.weight.element_size() if head is not None else 0
        self._head_trains = bool(self._head and head.weight.requires_grad)
        self._tokens_trained = 0
        self._restart()
        if all(each.dim() == 2 for each in bodies):
            model.get_input_embeddings().register_forward_hook(self._passed)

    def _restart(self) -> None:
        self._flops, self._read = dict.fromkeys(WORKING, 0.0), dict.fromkeys(WORKING, 0.0)

    def _passed(self, _module: Any, _inputs: Any, embedded: torch.Tensor) -> None:
        """A pass of hidden states of shape (B, T, width)."""
        part = self._timer.current
        if part not in WORKING:
            return
        rows, width = embedded.shape[0], embedded.shape[-1]
        positions = embedded.numel() // width
        self._flops[part] += 2.0 * self._matrices * positions
        self._read[part] += self._bytes
        if part is Part.GENERATION:  # the head scores each row's last position
            self._flops[part] += 2.0 * self._head * rows
            self._read[part] += self._head_bytes
        if part is Part.FORWARD and torch.is_grad_enabled():
            self._flops[Part.BACKWARD] += 2.0 * (self._matrices + self._trained) * positions
            self._read[Part.BACKWARD] += self._bytes

    def take(self, tokens_trained: int) -> dict[str, float]:
        """The step's counts as metrics; those of the next step begin. ``tokens_trained``: this process's since the run began."""
        scored, self._tokens_trained = tokens_trained - self._tokens_trained, tokens_trained
        if self._flops[Part.FORWARD] and self._head:  # the head scores the places that are trained on
            self._flops[Part.FORWARD] += 2.0 * self._head * scored
            self._flops[Part.BACKWARD] += 2.0 * self._head * (2 if self._head_trains else 1) * scored
        counts = {flops_metric(part): value for part, value in self._flops.items() if value}
        counts |= {bytes_metric(part): value for part, value in self._read.items() if value}
        self._restart()
        return counts


def _weights(parameter: Any) -> int:
    """How many weights a matrix has; of one in 4 bits, which is kept as bytes, those that it stands for."""
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel()) if state is not None else int(parameter.numel())

"""Prompts are read, and tokens are written, by a Llama on a CPU: what the model's own passes compute, in a quarter of their calls.

transformers walks some forty modules a layer for each token, copies all keys and values to append one, and reads a prompt once for each row that
begins with it. Here the layers that read the same input are one product, keys and values are written in place, and attention is two products in
fp32. Weights are laid out once as oneDNN reads them. It serves models whose every part is known (``families.py``), where memory has room for a copy
of their weights; all others keep the pass of transformers. Not here: how tokens are drawn (``generation.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.activations import SiLUActivation

from lab.machine import machine_memory
from lab.training.cpu import linear as cpu_linear
from lab.training.cpu.attention import attended
from lab.training.cpu.families import MODELS, has_window
from lab.training.cpu.feed_forward import CpuFeedForward
from lab.training.cpu.lora import Plain, plain_of

ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Rotary embeddings that do not depend on the length of the row."""
SMALL = 20_000_000
"""Weights of all layers up to which those in fp32 are joined with their adapters, W + s B A, for each rollout. In bf16 that would round
the adapter away."""
ROOM = 8
"""The copy of the weights may take one part of so many of the free memory."""
POSITIONS = 2048
"""Places of prompts that are read at once."""
PLACES = 16
"""Tokens for which a row's room for keys and values grows at once."""


class LlamaStep:
    """The pass of prompts, then of one new token a row, of n rows, with the keys and values of all tokens before."""

    def __init__(self, model: Any) -> None:
        body, config = model.model, model.config
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_size: int = body.layers[0].self_attn.head_dim
        self._body, self._head = body, model.get_output_embeddings()
        self._layers = [_Layer(layer, self) for layer in body.layers]
        self._modules = list(body.layers.modules())
        weights = sum(parameter.numel() for parameter in body.layers.parameters())
        self._small = weights <= SMALL and body.norm.weight.dtype is torch.float32

    def __deepcopy__(self, _memo: Any) -> None:
        """A copy of the model makes a step of its own: weights that are laid out for oneDNN cannot be copied."""

    def take_weights(self) -> bool:
        """Take the weights as they are now, before a rollout. Whether each layer is still what the step computes."""
        if any(module._forward_hooks or module._forward_pre_hooks for module in self._modules):
            return False
        return all(layer.take_weights(joined=self._small) for layer in self._layers)

    def read(self, ids: torch.Tensor, mask: torch.Tensor, longest: int) -> torch.Tensor:
        """Read prompts ``ids`` (n, P), padded on the left where ``mask`` is 0: the scores of each row's first token, (n, V), fp32.

        Rows with the same prompt are read as one. No row gets longer than ``longest``.
        """
        both, of_row = torch.cat([ids, mask.long()], 1).unique(dim=0, return_inverse=True)
        prompts, there = both.chunk(2, 1)
        self.at, self._longest = mask.size(1), longest
        self._turns = self._all_turns(longest)
        room = min(PLACES, longest - self.at)
        for layer in self._layers:
            layer.begin(len(ids), self.at + room)
        scores, size = [], max(1, POSITIONS // self.at)
        for first in range(0, len(prompts), size):
            rows = ((of_row >= first) & (of_row < first + size)).nonzero().squeeze(1)
            part = slice(first, first + size)
            scores.append(self._read(prompts[part], there[part], rows, of_row[rows] - first))

        self._place = mask.sum(1)  # of the next token of each row, not counting padding
        hidden = functional.pad(torch.zeros(mask.shape).masked_fill_(mask == 0, -torch.inf), (0, room))
        self._hidden = hidden.repeat_interleave(self.kv_heads, 0).unsqueeze(1)  # (n · K, 1, places)
        return torch.cat(scores)[of_row]

    def _read(self, ids: torch.Tensor, mask: torch.Tensor, rows: torch.Tensor, of_row: torch.Tensor) -> torch.Tensor:
        """The scores behind some of the prompts, with which ``rows`` begin."""
        cos, sin = self._turns[(mask.cumsum(1) - 1).clamp(min=0)].flatten(0, 1).unbind(1)
        seen = mask.bool()[:, None, None] & torch.ones(ids.size(1), ids.size(1), dtype=torch.bool).tril()
        to_add = seen.logical_not() * torch.finfo(torch.float32).min
        states = self._body.embed_tokens(ids).flatten(0, 1)
        for layer in self._layers:
            states = layer.read(states, cos, sin, to_add, rows, of_row)
        return self._scored(states.unflatten(0, ids.shape)[:, -1])

    def forget(self) -> None:
        """Let go of keys and values, which nobody needs while the model trains."""
        for layer in self._layers:
            layer.begin(0, 0)

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows alone."""
        self._place = self._place[rows]
        self._hidden = self._hidden.unflatten(0, (-1, self.kv_heads))[rows].flatten(0, 1)
        for layer in self._layers:
            layer.keep(rows)

    def scores(self, tokens: torch.Tensor) -> torch.Tensor:
        """The scores of each row's next token, shape (n, V), fp32, after ``tokens`` (n,)."""
        if self.at == self._hidden.size(2):
            self._make_room()
        cos, sin = self._turns[self._place].unbind(1)
        states = self._body.embed_tokens(tokens)
        hidden = self._hidden[:, :, : self.at + 1]
        for layer in self._layers:
            states = layer(states, cos, sin, hidden)
        self.at += 1
        self._place = self._place + 1
        return self._scored(states)

    def _scored(self, states: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self._head(_normed(states, self._body.norm).unsqueeze(1))
        return scores[:, -1].float()

    def _all_turns(self, longest: int) -> torch.Tensor:
        """For each place cos θ and ± sin θ of all heads of a token's queries, keys and values, (longest, 2, H + 2 K, D); values do not turn."""
        turns = self._body.rotary_emb(torch.empty(0), torch.arange(longest).unsqueeze(0))
        cos, sin = (part[0].float().unsqueeze(1) for part in turns)
        sin = torch.cat([-sin[..., : self.head_size // 2], sin[..., self.head_size // 2 :]], 2)
        turning = [each.expand(-1, self.heads + self.kv_heads, -1) for each in (cos, sin)]
        still = torch.ones(longest, self.kv_heads, self.head_size)
        return torch.stack([torch.cat([turning[0], still], 1), torch.cat([turning[1], 0 * still], 1)], 1)

    def _make_room(self) -> None:
        places = min(PLACES, self._longest - self._hidden.size(2))
        self._hidden = functional.pad(self._hidden, (0, places))
        for layer in self._layers:
            layer.make_room(places)


class _Layer:
    """One layer of the step; n rows, H heads, K heads of keys and values, D numbers a head."""

    def __init__(self, layer: Any, step: LlamaStep) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._step, self._layer = step, layer
        self._scaling = attention.scaling
        self._head_norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
        self._qkv = _Fused([attention.q_proj, attention.k_proj, attention.v_proj])
        self._out = _Fused([attention.o_proj])
        self._gate_up = _Fused([mlp.gate_proj, mlp.up_proj])
        self._down = _Fused([mlp.down_proj])
        # Of all tokens so far, with room for more: (n, K, D, places), so that scores are a product along memory, and (n, K, places, D).
        self._keys = self._values = torch.empty(0)

    def take_weights(self, *, joined: bool) -> bool:
        products = (self._qkv, self._out, self._gate_up, self._down)
        return all(product.take_weights(joined=joined) for product in products)

    def begin(self, rows: int, places: int) -> None:
        kv_heads, size = self._step.kv_heads, self._step.head_size
        self._keys, self._values = torch.zeros(rows, kv_heads, size, places), torch.zeros(rows, kv_heads, places, size)

    def read(
        self,
        states: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        to_add: torch.Tensor,
        rows: torch.Tensor,
        of_row: torch.Tensor,
    ) -> torch.Tensor:
        """The states (u · P, width) of u prompts after this layer; ``rows`` keep the keys and values of the prompt that they begin with."""
        heads, kv_heads = self._step.heads, self._step.kv_heads
        turned = self._turned(states, cos, sin).unflatten(0, (len(to_add), -1)).transpose(1, 2)
        queries, keys, values = turned.split((heads, kv_heads, kv_heads), 1)  # (u, H, P, D), (u, K, P, D)
        length = keys.size(2)
        self._keys[rows, :, :, :length], self._values[rows, :, :length] = keys.transpose(2, 3)[of_row], values[of_row]
        return self._after(states, attended(queries, keys, values, to_add, self._scaling).flatten(0, 1))

    def __call__(
        self, states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, hidden: torch.Tensor
    ) -> torch.Tensor:
        """The states (n, width) of one new token a row after this layer; ``hidden`` (n · K, 1, T) is −∞ at padding."""
        heads, at = self._step.heads, self._step.at
        turned = self._turned(states, cos, sin)
        self._keys[..., at], self._values[:, :, at] = turned[:, heads:].unflatten(1, (2, -1)).unbind(1)
        keys, values = self._keys.flatten(0, 1)[..., : at + 1], self._values.flatten(0, 1)[:, : at + 1]
        # heads that share keys are rows of one product
        queries = turned[:, :heads].reshape(len(keys), -1, keys.size(1))
        weights = torch.baddbmm(hidden, queries, keys, alpha=self._scaling).softmax(2)
        return self._after(states, torch.bmm(weights, values))

    def keep(self, rows: torch.Tensor) -> None:
        self._keys, self._values = self._keys[rows], self._values[rows]

    def make_room(self, places: int) -> None:
        self._keys = functional.pad(self._keys, (0, places))
        self._values = functional.pad(self._values, (0, 0, 0, places))

    def _turned(self, states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """Queries and keys, turned by their places, and values: (n, H + 2 K, D), fp32."""
        qkv = self._qkv(_normed(states, self._layer.input_layernorm)).float().view(len(states), -1, cos.size(2))
        if self._head_norms[0] is not None:
            qkv = self._with_head_norms(qkv)
        return torch.addcmul(qkv * cos, qkv.roll(qkv.size(2) // 2, 2), sin)

    def _after(self, states: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The states after the layer, from those before it and what each has attended to."""
        states = self._out(attended.view(len(states), -1).to(states.dtype)).add_(states)
        gate, up = self._gate_up(_normed(states, self._layer.post_attention_layernorm)).chunk(2, 1)
        return self._down(functional.silu(gate).mul_(up)).add_(states)

    def _with_head_norms(self, qkv: torch.Tensor) -> torch.Tensor:
        heads, kv_heads = self._step.heads, self._step.kv_heads
        queries, keys, values = qkv.split((heads, kv_heads, kv_heads), 1)
        of_queries, of_keys = self._head_norms
        return torch.cat([_normed(queries, of_queries), _normed(keys, of_keys), values], 1)


class _Fused:
    """Linear layers that read the same input, as one product: (n, inputs) to (n, the sum of their outputs)."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self._layers = layers
        self._taken: list[tuple[int, int]] | None = None
        self._weight, self._bias = torch.empty(0), None
        self._packed: list[Plain] | None = None
        self._adapter: tuple[torch.Tensor, torch.Tensor] | None = None

    def take_weights(self, *, joined: bool) -> bool:
        """Take the weights as they are now; frozen ones that have not changed since are not taken again. ``joined``: with their adapters.

        False where a layer is not a plain linear one with at most one plain adapter.
        """
        parts = [part for layer in self._layers if (part := plain_of(layer)) is not None]
        if len(parts) < len(self._layers):
            return False
        with_adapters = any(part.adapter is not None for part in parts)
        self._adapter = _adapters(parts) if with_adapters and not joined else None
        self._packed = parts if not joined and any(part.packing is not None for part in parts) else None
        if self._packed is not None:
            return True
        tensors = [each for part in parts for each in (part.weight, part.bias) if each is not None]
        now = [(each.data_ptr(), each._version) for each in tensors]
        # torch's fused optimisers do not count the versions of what they change
        moves = (joined and with_adapters) or any(each.requires_grad for each in tensors)
        if moves or now != self._taken:
            weight = torch.cat([part.joined() if joined else part.weight for part in parts])
            self._weight, self._bias = cpu_linear.laid_out(weight), _bias(parts)
            self._taken = None if moves else now
        return True

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._packed is None:
            y = cpu_linear.by_laid_out(x, self._weight, self._bias)
        else:  # unpacked for each token: who keeps a base in 4 bits has no memory for a copy
            y = torch.cat([cpu_linear.product(x, part.dense(), part.bias) for part in self._packed], 1)
        if self._adapter is None:
            return y
        down, up = self._adapter
        return y.addmm_(functional.linear(x, down), up)


def _bias(parts: list[Plain]) -> torch.Tensor | None:
    biases = [part.bias for part in parts if part.bias is not None]
    if not biases:
        return None
    return torch.cat([biases[0].new_zeros(part.outputs) if part.bias is None else part.bias for part in parts])


def _adapters(parts: list[Plain]) -> tuple[torch.Tensor, torch.Tensor]:
    """All adapters as one: s A (sum of ranks, inputs) and Bᵀ (sum of ranks, sum of outputs), with zeros between the layers."""
    dtype = parts[0].weight.dtype if parts[0].packing is None else torch.float32
    down = [torch.empty(0, part.inputs) if part.adapter is None else part.adapter[0] * part.scaling for part in parts]
    up = [torch.empty(part.outputs, 0) if part.adapter is None else part.adapter[1] for part in parts]
    return torch.cat([each.to(dtype) for each in down]), torch.block_diag(*up).t().contiguous().to(dtype)


def _normed(x: torch.Tensor, norm: Any) -> torch.Tensor:
    return functional.rms_norm(x, x.shape[-1:], norm.weight.to(x.dtype), norm.variance_epsilon)


def step_of(model: Any) -> LlamaStep | None:
    """The step of a model with its weights of now; None where the model has a part that is not known, or memory no room for a copy."""
    step = getattr(model, "_llama_step", None)
    if step is None:
        if not serves(model) or not _is_known(model):
            return None
        if not has_room(bytes_to_copy(model)):
            return None
        step = model._llama_step = LlamaStep(model)
    return step if step.take_weights() else None


def serves(model: Any) -> bool:
    """Whether the step is made for models of this family with these settings."""
    if type(model) not in MODELS or has_window(model.config):
        return False
    return model.config.rope_parameters.get("rope_type") in ROTATIONS


def bytes_to_copy(model: Any) -> int:
    """Of the layers' weights, without those in 4 bits, which are not copied."""
    return sum(weight.nbytes for weight in model.model.layers.parameters() if not hasattr(weight, "quant_state"))


def has_room(copied: int) -> bool:
    """Whether memory has room for a copy of so many bytes of weights."""
    return copied * ROOM <= machine_memory()[0]


def _is_known(model: Any) -> bool:
    """Whether each part is of the class that the step computes, on a CPU. Linear layers are looked at when they are read."""
    body, name = model.model, MODELS[type(model)]
    if type(body.embed_tokens) is not nn.Embedding or any(each.device.type != "cpu" for each in body.parameters()):
        return False
    kinds = [f"{name}{kind}" for kind in ("DecoderLayer", "Attention", "MLP", "RMSNorm", "RMSNorm")]
    for layer in body.layers:
        parts = (layer, layer.self_attn, layer.mlp, layer.input_layernorm, layer.post_attention_layernorm)
        found = [kinds[2] if type(part) is CpuFeedForward else type(part).__name__ for part in parts]
        if found != kinds:
            return False
        if not isinstance(layer.mlp.act_fn, SiLUActivation | nn.SiLU):
            return False
    return True

"""Sharding of the frozen base: each process of a run keeps its part of it and gathers a layer while it computes with it (FSDP).

PyTorch's ``fully_shard`` (FSDP2; ZeRO stage 3, Rajbhandari et al., arXiv 1910.02054) shards the base's parameters alone. Adapters and heads
are left out: every process holds them whole, and ``worker/team.py`` adds up their gradients as without sharding. A 4-bit weight is sharded as
the bytes that bitsandbytes packed it into; its scales stay whole (1/32 of these bytes).

A forward pass gathers, so all processes must make the same passes in the same order. Who keeps that: ``trainers/step_trainer.py`` (a process
without rows), ``Task.measures`` (measuring), transformers' ``synced_gpus`` (generation). Not here: which recipes may ask for it
(``core/recipes/adapted.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from lab.machine import machine_memory
from lab.training.worker import team

MESH = "fsdp"
"""The name by which peft knows that a layer's weight is sharded and its product is not."""
SHARE_OF_FREE = 0.5
"""The share of the free memory that the whole base may take while completions are written; the rest is for keys and values."""


def is_asked_for(recipe: Any) -> bool:
    """Whether this process is one of several that share the base. A job of one process holds it whole, whatever its run's recipe says."""
    return team.size() > 1 and bool(getattr(recipe, "shards_base", False))


@contextmanager
def in_turn(recipe: Any, device: torch.device) -> Iterator[DeviceMesh | None]:
    """Load one process after the other where the base is sharded, so that the machine holds one whole base at a time.

    Gives the processes of ``shard``, or None where nothing is to be sharded.
    """
    if not is_asked_for(recipe):
        yield None
        return
    mesh = init_device_mesh(device.type, (team.size(),), mesh_dim_names=(MESH,))
    for _ in range(team.rank()):
        team.wait()
    yield mesh
    for _ in range(team.rank(), team.size()):
        team.wait()


def shard(model: Any, mesh: DeviceMesh | None, device: torch.device) -> None:
    """Leave this process its part of the base below a peft model, on ``device``, and the adapters and heads whole. Nothing without a mesh.

    Decoder layers are gathered one by one, and so are the embeddings where the head has weights of its own. The head, the last norm, and
    embeddings that are the head's weights are gathered together, for a whole pass.
    """
    if mesh is None:
        return
    base = model.get_base_model()
    whole = {parameter for name, parameter in model.named_parameters() if is_left_whole(name, parameter)}
    for alone in gathered_alone(base):
        fully_shard(alone, mesh=mesh, ignored_params=whole)
    fully_shard(base, mesh=mesh, ignored_params=whole)
    for parameter in whole:
        parameter.data = parameter.data.to(device)
    base._is_fsdp_managed_module = True  # so that transformers' generate takes as many steps as the other processes
    if hasattr(base, "hf_device_map"):
        base.hf_device_map = {"": str(device)}


def is_left_whole(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter of a peft model is no part of the frozen base: an adapter's or a head's, frozen or not."""
    return parameter.requires_grad or "lora_" in name or "modules_to_save" in name


def gathered_alone(base: Any) -> list[nn.Module]:
    """The modules that are gathered one at a time: decoder layers, and embeddings that are not the head's weights, too."""
    embeddings, head = base.get_input_embeddings(), base.get_output_embeddings()
    tied = head is not None and head.weight is embeddings.weight
    return [*layers_of(base), *([] if tied else [embeddings])]


def layers_of(base: Any) -> list[nn.Module]:
    """A language model's decoder layers: the members of the lists that its body holds."""
    body = getattr(base, base.base_model_prefix)
    return [layer for part in body.children() if isinstance(part, nn.ModuleList) for layer in part]


def is_sharded(model: nn.Module) -> bool:
    """Whether a model's base is sharded."""
    return any(isinstance(module, FSDPModule) for module in model.modules())


def gather_for_body(model: nn.Module) -> None:
    """Gather what a whole pass gathers, for one that leaves out the language model's head. All processes must call it."""
    if is_sharded(model):
        _parts(model)[0].unshard()


def release(model: nn.Module) -> None:
    """Free what a pass without gradients has left gathered. Reading a state dict does it, too: all processes call this before one saves, or the
    next pass would find them in different states."""
    for part in _parts(model):
        part.reshard()


@contextmanager
def kept_gathered(model: nn.Module) -> Iterator[None]:
    """Within the block each process keeps the layers that it has gathered, where all of them have room for the whole base.

    Writing a token then gathers nothing; where there is no room, every token gathers every layer. Nothing may train in it.
    """
    keep = is_sharded(model) and all(team.gathered(_has_room(model)))
    parts = _parts(model) if keep else []
    for part in parts[1:]:
        part.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        if keep:
            release(model)
        for part in parts[1:]:
            part.set_reshard_after_forward(True, recurse=False)


def _has_room(model: nn.Module) -> bool:
    device = next(model.parameters()).device
    weights = (weight for name, weight in model.named_parameters() if not is_left_whole(name, weight))
    need = sum(weight.numel() * weight.element_size() for weight in weights)
    free = torch.cuda.mem_get_info()[0] if device.type == "cuda" else machine_memory()[0] // team.size()
    return need <= SHARE_OF_FREE * free


def _parts(model: nn.Module) -> list[Any]:
    """What is gathered together: the base with all that is in no layer, then its layers."""
    return [module for module in model.modules() if isinstance(module, FSDPModule)]

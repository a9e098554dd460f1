"""A run's memory by part and by stage, compared with the free memory, and the settings that would lower it most.

Pure arithmetic on figures that were measured elsewhere: ``lab/training/measure/memory.py`` runs the real modules on the ``meta``
device, ``lab/runs/estimate.py`` asks for it. Bytes everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from lab.core.recipes import Critic, Recipe


class MemoryPart(StrEnum):
    """What memory is spent on, in the order in which it is shown."""

    WEIGHTS = "weights"
    """The base, a second copy of the start where full training compares itself with it, and of the layers where a CPU samples."""
    ADAPTERS = "adapters"
    """The adapter that is trained."""
    ROLES = "roles"
    """PPO's critic and reward model, and a reference that is an adapter: their weights."""
    OPTIMISER = "optimiser"
    GRADIENTS = "gradients"
    ACTIVATIONS = "activations"
    LOGITS = "logits"
    CACHE = "cache"
    """Keys and values of the tokens written so far."""
    PROCESS = "process"
    """What the process takes beside tensors: rows, tokenizer, the allocator's slack. Calibrated; see docs/benchmarks/memory.md."""


class Stage(StrEnum):
    """What a run does, one after the other; the one that needs most memory is the peak."""

    LOADING = "loading"
    MEASURING = "measuring"
    ROLLOUT = "rollout"
    UPDATE = "update"


class Frozen(BaseModel):
    """Frozen; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageCost(Frozen):
    """The moment of a stage that needs most memory, by part."""

    stage: Stage
    parts: dict[MemoryPart, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


class Lengths(Frozen):
    """The tokens and rows that the figures are made for. ``from_data``: the longest rows of the data; else the recipe's bounds."""

    prompt: int
    completion: int
    rows: int
    """Of one forward and backward pass; a preference is two rows."""
    read: int = 0
    """Tokens of such a pass where a CPU leaves padding out and reads what rows share once; 0: every place of the rows."""
    rollout: int = 0
    """Completions that are sampled at once."""
    held_out: int = 0
    """Completions, or rows, that are measured at once."""
    from_data: bool = True

    @property
    def whole(self) -> int:
        return self.prompt + self.completion


class Cost(Frozen):
    """A recipe's memory on a kind of device."""

    stages: list[StageCost]
    lengths: Lengths
    parameters: int
    trained_parameters: int

    @property
    def peak_stage(self) -> StageCost:
        """The stage that needs most memory."""
        return max(self.stages, key=lambda stage: stage.total)

    @property
    def peak(self) -> int:
        return self.peak_stage.total


class Memory(Frozen):
    """A device's memory as it is now. ``libraries``: what a worker takes before it has loaded anything (nothing on CUDA)."""

    device: str
    free: int
    total: int
    libraries: int


class Alternative(Frozen):
    """One setting changed, and the peak that it would come to. ``changes`` is as ``with_values`` takes it."""

    changes: dict[str, Any]
    peak: int


class Estimate(Frozen):
    """The memory a run needs, whether it fits, and which changes would help."""

    cost: Cost
    memory: Memory
    alternatives: list[Alternative] = []
    """Empty where it fits."""
    together: Alternative | None = None
    """All of them at once."""
    notes: list[dict[str, Any]] = []
    """What the recipe's rows give reason to say (``lab/core/notes.py``); of many rows, of some that were drawn."""
    processes: int = 1
    """How many share the memory, each with a base of its own; 1 where each has a device of its own. ``cost`` is one's."""

    @property
    def need(self) -> int:
        """Free memory that a worker needs, libraries and all; with several processes torchrun's own, too."""
        return self._needed(self.cost.peak)

    def _needed(self, peak: int) -> int:
        libraries = self.memory.libraries
        return self.processes * (peak + libraries) + (libraries if self.processes > 1 else 0)

    @property
    def fits(self) -> bool:
        return self.need <= self.memory.free

    @property
    def mend(self) -> Alternative | None:
        """The one setting that would help most; None where it fits, or where nothing helps."""
        best = min(self.alternatives, key=lambda other: other.peak, default=None)
        return best if best is not None and best.peak < self.cost.peak else None

    def would_fit(self, other: Alternative) -> bool:
        return self._needed(other.peak) <= self.memory.free


def cheaper(recipe: Recipe, lengths: Lengths) -> list[dict[str, Any]]:
    """Changes to try, one step each, that lower a recipe's memory: 4 bits, LoRA, a sharded base, checkpointing, critic, micro-batch, batch, lengths."""
    settings = dict(recipe)
    batch = recipe.rows_per_step
    changes: list[dict[str, Any]] = []
    if "training" in settings:
        if recipe.trains_all_weights:
            changes.append({"training": "lora"})
        elif not recipe.four_bit_base:
            changes.append({"load_in_4bit": True})
        if recipe.processes > 1 and not recipe.trains_all_weights and not recipe.shards_base:
            changes.append({"shard_base": True})
        if not recipe.recomputes_activations:
            changes.append({"gradient_checkpointing": True})
    if settings.get("critic") is Critic.OWN:
        changes.append({"critic": "trunk"})
    if "micro_batch_size" not in settings and batch > 1:
        changes.append({"batch_size": max(1, batch // 4)})
    elif (size := min(settings.get("micro_batch_size", 1), batch)) > 1:
        changes.append({"micro_batch_size": max(1, size // 4)})
    if "group_size" in settings and batch >= 2 * (group_size := settings["group_size"]):
        changes.append({"batch_size": batch // group_size // 2 * group_size})
    if (longest := settings.get("max_completion_length", 0)) >= 32:
        changes.append({"max_completion_length": longest // 2})
    if "max_length" in settings and lengths.whole >= 32:
        changes.append({"max_length": min(settings["max_length"] or lengths.whole, lengths.whole) // 2})
    if recipe.measure_samples >= 32:
        changes.append({"measure_samples": recipe.measure_samples // 2})
    return changes


def merged(changes: list[dict[str, Any]]) -> dict[str, Any]:
    """All changes at once."""
    return {key: value for change in changes for key, value in change.items()}


def weights_at_least(shapes: Mapping[str, tuple[int, ...]], four_bits: bool, bytes_each: int) -> int:
    """The bytes of a base in memory, from its tensors' shapes: a bound from below that needs no model. In 4 bits, the
    matrices of linear layers take half a byte a weight, and embeddings, heads and vectors stay as they are."""
    total = 0
    for name, shape in shapes.items():
        count = math.prod(shape)
        packed = four_bits and len(shape) == 2 and not any(word in name for word in ("embed", "lm_head", "score"))
        total += count // 2 if packed else count * bytes_each
    return total

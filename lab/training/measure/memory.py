"""What a recipe will cost in memory on this machine: ``python -m lab.training --measure RECIPE.json --home DIR``.

The recipe's model makes its passes on the ``meta`` device (``meta_model.py``) for the longest rows of its data; where it does not fit, so
do cheaper recipes. Deep models are measured at 3 and 6 layers and extrapolated linearly, which is exact while the same moment stays
the peak; training all weights is measured at full depth, because there it does not.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import psutil
import torch

from lab.core.algorithms import algorithm_of
from lab.core.budget import Alternative, Cost, Estimate, Lengths, Memory, MemoryPart, Stage, StageCost, cheaper, merged
from lab.core.notes import Note
from lab.core.recipes import Device, Recipe, with_values
from lab.data import datasets
from lab.errors import RecipeError
from lab.machine import machine_memory
from lab.store.models import resolve
from lab.training.cpu.format import settled
from lab.training.cpu.llama_step import has_room
from lab.training.measure.lengths import lengths_of
from lab.training.measure.meta_model import MetaModel
from lab.training.models.base import choose_device, load_tokens
from lab.training.models.checks import read_config
from lab.training.models.length_filter import fit
from lab.training.models.tiny_llama import llama_config
from lab.training.worker.notes import notes
from lab.words import size_text

FEW, SOME = 3, 6
"""Layers at which a deep model is measured."""
PROCESS_BYTES = {"cpu": 40_000_000}
"""What a worker's process has grown by beside its tensors, by device. Calibrated: docs/benchmarks/memory.md."""
LOOKED_AT = 2_000
"""Rows of which the notes of an estimate tell, drawn by the seed: a page asks again at each edit."""
SLACK = {"cpu": 0.3}
"""What the system's allocator holds in holes between activations, as a share of these. Calibrated likewise: with glibc, of blocks
below 32 MB. On CUDA torch's own allocator counts, and its peak is that of what is allocated."""


def estimate(recipe: Recipe, home: Path, *, config: Any = None) -> Estimate:
    """The recipe's memory on the device that it asks for. ``config`` stands in for a model of which only the shape is known.

    Raises LabError where model, data or device are not there.
    """
    device = choose_device(recipe.device).type
    memory = memory_of(device)  # before anything is built
    tokens = None
    row_notes: list[Note] = []
    if config is None:
        recipe, row_notes = settled(recipe, home)
    dataset = datasets.load(recipe, home)
    if config is None and algorithm_of(recipe).starts_from_model:
        fitted = fit(recipe, dataset, home, look_at=LOOKED_AT)
        recipe, row_notes = fitted.recipe, [*notes(fitted, home), *row_notes]
        tokens = load_tokens(resolve(recipe.model, home))

    def cost(changed: Recipe) -> Cost:
        return cost_of(changed, home, lengths_of(changed, dataset, tokens), device, config)

    one = cost(recipe)
    sharing = recipe.processes if device == Device.CPU else 1
    if sharing > 1:
        kind = "processes_sharded_memory" if recipe.shards_base else "processes_memory"
        row_notes = [*row_notes, Note(kind, {"processes": sharing, "each": size_text(one.peak)})]
    result = Estimate(cost=one, memory=memory, notes=[note.as_dict() for note in row_notes], processes=sharing)
    if result.fits:
        return result
    others = []
    for change in cheaper(recipe, result.cost.lengths):
        try:
            others.append(Alternative(changes=change, peak=cost(with_values(recipe, change)).peak))
        except RecipeError:  # PPO in full, say: that setting is not to be had here
            continue
    everything = merged([other.changes for other in others])
    together = Alternative(changes=everything, peak=cost(with_values(recipe, everything)).peak) if others else None
    return result.model_copy(update={"alternatives": others, "together": together})


def cost_of(recipe: Recipe, home: Path, lengths: Lengths, device: str, config: Any = None) -> Cost:
    """A recipe's cost for given lengths, on a kind of device that need not be here."""
    ref = None
    if config is None and algorithm_of(recipe).starts_from_model:
        ref = resolve(recipe.model, home)
        config = read_config(ref.base)
    elif config is None:
        config = llama_config(recipe, recipe.vocabulary)  # type: ignore[arg-type, attr-defined]

    def at_depth(layers: int) -> MetaModel:
        return MetaModel(recipe, home, lengths, device, _with_layers(config, layers), ref)

    text = config.get_text_config()
    layers, kinds = text.num_hidden_layers, set(getattr(text, "layer_types", None) or ())
    if recipe.trains_all_weights or layers <= FEW + SOME or len(kinds) > 1:
        whole = at_depth(layers)
        return _cost(whole.stages(), lengths, device, whole.copied, whole.parameters, whole.trained_parameters)
    few, some = at_depth(FEW), at_depth(SOME)

    def extrapolated(shallow: int, deeper: int) -> int:
        return max(0, round(deeper + (deeper - shallow) / (SOME - FEW) * (layers - SOME)))

    stages = [
        StageCost(
            stage=less.stage,
            parts={part: extrapolated(less.parts.get(part, 0), more.parts[part]) for part in more.parts},
        )
        for less, more in zip(few.stages(), some.stages(), strict=True)
    ]
    counts = (
        (few.copied, some.copied),
        (few.parameters, some.parameters),
        (few.trained_parameters, some.trained_parameters),
    )
    return _cost(stages, lengths, device, *(extrapolated(*pair) for pair in counts))


def memory_of(device: str) -> Memory:
    """What is free on a device now. On CUDA what torch's allocator could still get; else the machine's, or its container's."""
    if device == Device.CUDA:
        free, total = torch.cuda.mem_get_info()
        return Memory(device=device, free=free, total=total, libraries=0)
    free, total = machine_memory()
    return Memory(device=device, free=free, total=total, libraries=psutil.Process(os.getpid()).memory_info().rss)


def _cost(moments: list[StageCost], lengths: Lengths, device: str, copied: int, parameters: int, trained: int) -> Cost:
    """The peak of each stage, with what the process takes besides, and the copy of the weights that sampling makes where there is room."""
    stages = []
    copy_of_weights = copied if copied and has_room(copied) else 0
    for stage in Stage:
        if own := [moment for moment in moments if moment.stage is stage]:
            parts = max(own, key=lambda moment: moment.total).parts
            slack = SLACK.get(device, 0.0) * parts.get(MemoryPart.ACTIVATIONS, 0)
            process = PROCESS_BYTES.get(device, 0) + round(slack)
            if copy_of_weights and stage is not Stage.LOADING:
                parts = parts | {MemoryPart.WEIGHTS: parts.get(MemoryPart.WEIGHTS, 0) + copy_of_weights}
            stages.append(StageCost(stage=stage, parts=parts | ({MemoryPart.PROCESS: process} if process else {})))
    return Cost(stages=stages, lengths=lengths, parameters=parameters, trained_parameters=trained)


def _with_layers(config: Any, layers: int) -> Any:
    """A copy of the shape with so many layers."""
    shape = copy.deepcopy(config)
    text = shape.get_text_config()
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    if getattr(text, "max_window_layers", None) is not None:
        text.max_window_layers = layers
    return shape

"""What a recipe will cost in memory on this machine: ``python -m lab.training --measure RECIPE.json --home DIR``.

The recipe is played through on the ``meta`` device (``trial.py``) for the longest rows of its data; where it does not fit, so are
cheaper ones. A deep model is played with a few of its layers and carried on by the layer, which is exact as long as the dearest
moment stays the same one; full training is always played whole, because there it does not.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoConfig

from lab.core.budget import Alternative, Cost, Estimate, Lengths, Memory, MemoryPart, Stage, StageCost, cheaper, merged
from lab.core.notes import Note
from lab.core.recipes import Device, Recipe, Training, with_values
from lab.data import datasets
from lab.errors import ModelError, RecipeError
from lab.machine import machine_memory
from lab.store.models import resolve
from lab.training.measure.lengths import lengths_of
from lab.training.measure.meta_stages import Trial, config_of
from lab.training.models.base import choose_device, load_tokens
from lab.training.models.length_filter import fit
from lab.training.worker.notes import notes

FEW, SOME = 3, 6
"""Layers that a deep model is played with."""
PROCESS_BYTES = {"cpu": 60_000_000}
"""What a worker's process has grown by beside its tensors, by device. Calibrated: docs/benchmarks/memory.md."""
LOOKED_AT = 2_000
"""Rows of which the notes of an estimate tell, drawn by the seed: a page asks again at each edit."""
SLACK = {"cpu": 0.85}
"""What the system's allocator holds in holes between activations, as a share of these. Calibrated likewise: with glibc, of blocks
below 32 MB. On CUDA torch's own allocator counts, and its peak is that of what is allocated."""


def estimate(recipe: Recipe, home: Path, *, config: Any = None, lengths: Lengths | None = None) -> Estimate:
    """The recipe's memory on the device that it asks for. ``config`` stands in for a model of which only the shape is known.

    Raises LabError where model, data or device are not there.
    """
    device = choose_device(recipe.device).type
    memory = memory_of(device)  # before anything is built
    dataset = tokens = None
    told: list[Note] = []
    if lengths is None:
        dataset = datasets.load(recipe, home)
        if config is None and recipe.algorithm != "pretrain":
            fitted = fit(recipe, dataset, home, look_at=LOOKED_AT)
            recipe, told = fitted.recipe, notes(fitted, home)
            tokens = load_tokens(resolve(recipe.model, home))

    def cost(one: Recipe) -> Cost:
        return cost_of(one, home, lengths or lengths_of(one, dataset, tokens), device, config)

    found = Estimate(cost=cost(recipe), memory=memory, notes=[note.as_dict() for note in told])
    if found.fits:
        return found
    changes = cheaper(recipe, found.cost.lengths)
    others = []
    for change in changes:
        try:
            others.append(Alternative(changes=change, peak=cost(with_values(recipe, change)).peak))
        except RecipeError:  # PPO in full, say: that setting is not to be had here
            continue
    everything = merged([other.changes for other in others])
    together = Alternative(changes=everything, peak=cost(with_values(recipe, everything)).peak) if others else None
    return found.model_copy(update={"alternatives": others, "together": together})


def cost_of(recipe: Recipe, home: Path, lengths: Lengths, device: str, config: Any = None) -> Cost:
    """A recipe's cost for given lengths, on a kind of device that need not be here."""
    if config is None:
        ref = None if recipe.algorithm == "pretrain" else resolve(recipe.model, home)
        config = config_of(recipe, ref)
    text = config.get_text_config()
    layers, kinds = text.num_hidden_layers, set(getattr(text, "layer_types", None) or ())
    full = getattr(recipe, "training", Training.FULL) is Training.FULL
    if full or layers <= FEW + SOME or len(kinds) > 1:
        return _whole(Trial(recipe, home, lengths, device, copy.deepcopy(config)))
    few, some = (Trial(recipe, home, lengths, device, _shallow(config, depth)) for depth in (FEW, SOME))
    moments = [
        StageCost(stage=less.stage, parts=_carried(less.parts, more.parts, layers))
        for less, more in zip(few.moments(), some.moments(), strict=True)
    ]
    return _cost(
        moments,
        lengths,
        device,
        _on(few.parameters, some.parameters, layers),
        _on(few.trained_parameters, some.trained_parameters, layers),
    )


def read_shape(path: Path) -> Any:
    """A model's configuration from a ``config.json``. Raises ModelError where it is none."""
    try:
        return AutoConfig.from_pretrained(path)
    except (OSError, ValueError) as error:
        why = str(error).strip().splitlines()
        raise ModelError("model_cannot_load", value=str(path), why=(why or [""])[0][:200]) from None


def memory_of(device: str) -> Memory:
    """What is free on a device now. On CUDA what torch's allocator could still get; else the machine's, or its container's."""
    if device == Device.CUDA:
        free, total = torch.cuda.mem_get_info()
        return Memory(device=device, free=free, total=total, libraries=0)
    free, total = machine_memory()
    return Memory(device=device, free=free, total=total, libraries=psutil.Process(os.getpid()).memory_info().rss)


def _whole(trial: Trial) -> Cost:
    moments = trial.moments()
    return _cost(moments, trial.lengths, trial.device, trial.parameters, trial.trained_parameters)


def _cost(moments: list[StageCost], lengths: Lengths, device: str, parameters: int, trained: int) -> Cost:
    """The dearest moment of each stage, with what the process takes besides."""
    stages = []
    for stage in Stage:
        if own := [moment for moment in moments if moment.stage is stage]:
            parts = max(own, key=lambda moment: moment.total).parts
            slack = SLACK.get(device, 0.0) * parts.get(MemoryPart.ACTIVATIONS, 0)
            process = PROCESS_BYTES.get(device, 0) + round(slack)
            stages.append(StageCost(stage=stage, parts=parts | ({MemoryPart.PROCESS: process} if process else {})))
    return Cost(stages=stages, lengths=lengths, parameters=parameters, trained_parameters=trained)


def _shallow(config: Any, layers: int) -> Any:
    """The same shape with fewer layers."""
    shallow = copy.deepcopy(config)
    text = shallow.get_text_config()
    text.num_hidden_layers = layers
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:layers]
    if getattr(text, "max_window_layers", None) is not None:
        text.max_window_layers = layers
    return shallow


def _carried(few: dict[MemoryPart, int], some: dict[MemoryPart, int], layers: int) -> dict[MemoryPart, int]:
    return {
        part: _on(few.get(part, 0), some.get(part, 0), layers) for part in MemoryPart if part in few or part in some
    }


def _on(few: int, some: int, layers: int) -> int:
    return max(0, round(some + (some - few) / (SOME - FEW) * (layers - SOME)))

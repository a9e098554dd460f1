"""Whether a CPU run computes in bf16: by half a second of measuring its matrix product, never by the name of the chip.

CPUs with AVX512-BF16 or AMX compute in bf16 several times as fast as in fp32; others emulate it and are slower. With ``precision = "auto"``
a model that is not tiny takes bf16 autocast where that pays; what trains stays fp32 (``base.train_in_fp32``). A 4-bit base is left as it is.
What was chosen stands in the run's recipe, so that a resumed run computes alike. Not here: CUDA and MPS (``base.default_precision``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from lab.core.algorithms import algorithm_of
from lab.core.notes import Note
from lab.core.recipes import Precision, Recipe, with_values
from lab.store import boot_cache
from lab.store.models import resolve, shapes_of
from lab.training.cpu.stopwatch import best_in_turn
from lab.training.models.base import choose_device

PAYS = 1.5
"""How many times as fast as fp32 a bf16 product must be: casts and what is not a product take a part of it back."""
TINY = 20_000_000
"""Weights below which a step is made of overheads and not of products."""
SIDE, SECONDS = 512, 0.5


@dataclass(frozen=True)
class ProductSpeed:
    """Floating-point operations a second of a matrix product in two formats, on as many threads as a run has."""

    fp32: float
    bf16: float

    @property
    def pays(self) -> bool:
        """Whether bf16 is faster by enough."""
        return self.bf16 >= PAYS * self.fp32


def measured(home: Path) -> ProductSpeed:
    """The speed here, of a product of each format in turn; measured once for each start of the machine."""

    def measure() -> dict[str, float]:
        matrices = {"fp32": torch.ones(SIDE, SIDE), "bf16": torch.ones(SIDE, SIDE, dtype=torch.bfloat16)}
        best = best_in_turn({name: partial(torch.mm, each, each) for name, each in matrices.items()}, SECONDS)
        return {name: 2 * SIDE**3 / seconds for name, seconds in best.items()}

    return ProductSpeed(**boot_cache.kept_or_measured(home, f"formats-{torch.get_num_threads()}", measure))


def settled(
    recipe: Recipe, home: Path, measure: Callable[[Path], ProductSpeed] = measured
) -> tuple[Recipe, list[Note]]:
    """The recipe with the format that it computes in, where ``auto`` leaves that to a CPU's speed, and what was measured.

    Raises LabError where the model or the device is not there.
    """
    if recipe.precision is not Precision.AUTO or recipe.four_bit_base or not algorithm_of(recipe).starts_from_model:
        return recipe, []
    if choose_device(recipe.device).type != "cpu":
        return recipe, []
    shapes = shapes_of(Path(resolve(recipe.model, home).base))
    if sum(math.prod(shape) for shape in shapes.values()) < TINY:
        return recipe, []
    speed = measure(home)
    chosen = Precision.BF16 if speed.pays else Precision.FP32
    figures = {"bf16": f"{speed.bf16 / 1e9:.0f}", "fp32": f"{speed.fp32 / 1e9:.0f}"}
    note = Note("cpu_bf16" if speed.pays else "cpu_fp32", figures)
    return with_values(recipe, {"precision": chosen.value}), [note]

"""What a model's files say of its tensors, read from their headers: shapes without weights. Nothing is loaded.

And what is said of a model that memory cannot hold, before a start (``lab/runs/checks.py``) and before loading (the worker).
"""

from __future__ import annotations

import json
from pathlib import Path

from lab.core.recipes import Recipe
from lab.errors import MachineError

Shapes = dict[str, tuple[int, ...]]

LONGEST_HEADER = 100_000_000
"""The format's own bound."""


def shapes_of(folder: Path) -> Shapes:
    """Each tensor's shape, from the headers of a folder's safetensors files; what cannot be read is left out."""
    found: Shapes = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with file.open("rb") as stream:
                size = int.from_bytes(stream.read(8), "little")
                header = json.loads(stream.read(size)) if size <= LONGEST_HEADER else {}
            found |= {
                name: tuple(int(n) for n in entry["shape"]) for name, entry in header.items() if name != "__metadata__"
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue  # the loader has the better words for a broken file
    return found


def too_big(recipe: Recipe, need: int, free: int) -> MachineError:
    """The error of a base that needs ``need`` bytes where ``free`` are to be had, with the mend that is left."""
    key = "model_too_big_in_4bit" if recipe.four_bit_base else "model_too_big"
    return MachineError(key, value=recipe.model, need=_gigabytes(need), free=_gigabytes(free))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

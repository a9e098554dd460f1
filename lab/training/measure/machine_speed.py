"""How fast this machine multiplies matrices, as the lab's layers do, and copies memory: two seconds of measuring, once for each boot, device,
number format and count of threads.

It is measured when a run ends, so that nobody waits for it, and kept (``store/boot_cache.py``).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lab.core.roofline import MachineSpeed
from lab.store import boot_cache
from lab.training.cpu.linear import product as by_lab
from lab.training.cpu.stopwatch import best_in_turn

SECONDS = 1.0
"""For each of the two."""
SIDE = {"cuda": 8192}
"""Rows and columns of the matrices by device; the usual ones are below."""
USUAL_SIDE = 1024
COPIED = {"cuda": 1 << 30}
USUAL_COPIED = 1 << 27
"""Bytes, well above any cache."""
FORMATS = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


def kept(home: Path, device: torch.device, dtype: torch.dtype) -> MachineSpeed | None:
    """What was measured since this machine was started, or None."""
    return MachineSpeed.of(boot_cache.kept(home, _name(device, dtype)))


def measured(home: Path, device: torch.device, dtype: torch.dtype) -> MachineSpeed | None:
    """What is kept, else what is measured now and kept."""
    found = boot_cache.kept_or_measured(home, _name(device, dtype), lambda: asdict(_measure(device, dtype)))
    return MachineSpeed.of(found)


def _measure(device: torch.device, dtype: torch.dtype) -> MachineSpeed:
    matrix = torch.ones(*2 * (SIDE.get(device.type, USUAL_SIDE),), dtype=dtype, device=device)
    source = torch.ones(COPIED.get(device.type, USUAL_COPIED) // 4, device=device)
    target = torch.empty_like(source)
    wait: Any = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    product = best_in_turn({"product": lambda: by_lab(matrix, matrix)}, SECONDS, wait)["product"]
    copy = best_in_turn({"copy": lambda: target.copy_(source)}, SECONDS, wait)["copy"]
    return MachineSpeed(device.type, FORMATS[dtype], 2.0 * matrix.shape[0] ** 3 / product, 2.0 * source.nbytes / copy)


def _name(device: torch.device, dtype: torch.dtype) -> str:
    return f"speed-{device.type}-{FORMATS[dtype]}-{torch.get_num_threads()}"

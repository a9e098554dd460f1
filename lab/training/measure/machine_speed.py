"""How fast this machine multiplies matrices, as the lab's layers do, and copies memory: two seconds of measuring, once for each boot, device,
number format and count of threads.

It is measured when a run ends, so that nobody waits for it, and kept under ``LAB_HOME/cache/machine_speed``; the folder may be deleted
at any time.
"""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from lab.core.roofline import MachineSpeed
from lab.store.lines import read_json
from lab.training.models.cpu_linear import product as by_lab

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
    return MachineSpeed.of(read_json(_file(home, device, dtype)))


def measured(home: Path, device: torch.device, dtype: torch.dtype) -> MachineSpeed:
    """What is kept, else what is measured now and kept."""
    if (speed := kept(home, device, dtype)) is not None:
        return speed
    matrix = torch.ones(*2 * (SIDE.get(device.type, USUAL_SIDE),), dtype=dtype, device=device)
    product = 2.0 * matrix.shape[0] ** 3 / _best(lambda: by_lab(matrix, matrix), device)
    source = torch.ones(COPIED.get(device.type, USUAL_COPIED) // 4, device=device)
    target = torch.empty_like(source)
    copied = 2.0 * source.nbytes / _best(lambda: target.copy_(source), device)
    speed = MachineSpeed(device.type, FORMATS[dtype], product, copied)
    place = _file(home, device, dtype)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(asdict(speed)), "utf-8")
    return speed


def _best(work: Callable[[], torch.Tensor], device: torch.device) -> float:
    """The least seconds of many times, so that other work on the machine does not count."""
    wait: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    best = math.inf
    with torch.no_grad():
        work()  # the first one chooses its kernel and gets its memory
        wait()
        end = time.perf_counter() + SECONDS
        while best == math.inf or time.perf_counter() < end:
            begun = time.perf_counter()
            work()
            wait()
            best = min(best, time.perf_counter() - begun)
    return best


def _file(home: Path, device: torch.device, dtype: torch.dtype) -> Path:
    name = f"{_boot()}-{device.type}-{FORMATS[dtype]}-{torch.get_num_threads()}.json"
    return home / "cache" / "machine_speed" / name


def _boot() -> str:
    """What changes when the machine is started anew or is another one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "".join(letter for letter in platform.node() if letter.isalnum()) or "here"

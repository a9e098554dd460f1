"""What this machine can compute with: devices, their memory, number formats and versions. Printed by ``--doctor``."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch

from lab.store.runs import versions


def report() -> dict[str, Any]:
    """Plain values; nothing is loaded on a device."""
    known = versions()
    cuda = [
        {"name": torch.cuda.get_device_name(i), "memory_bytes": torch.cuda.get_device_properties(i).total_memory}
        for i in range(torch.cuda.device_count())
    ]
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "device": "cuda" if cuda else "mps" if torch.backends.mps.is_available() else "cpu",
        "cuda": cuda,
        "bf16": bool(cuda) and torch.cuda.is_bf16_supported(including_emulation=False),
        "nf4": "bitsandbytes" in known,
        "versions": known,
    }

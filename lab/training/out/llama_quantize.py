"""Quantises a GGUF file by llama.cpp itself: its program ``llama-quantize``, or the library in the package ``llama-cpp-python``.

Neither belongs to the lab's requirements (the package is built by a C++ compiler); ``check_quantizer`` says so before anything is written.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from lab.errors import LabError, MachineError

PROGRAM, PACKAGE = "llama-quantize", "llama_cpp"
Q4_K_M = 15
"""``LLAMA_FTYPE_MOSTLY_Q4_K_M`` of llama.h."""


def check_quantizer() -> None:
    """Raise MachineError, with what to install, where llama.cpp is not here."""
    if shutil.which(PROGRAM) is None and find_spec(PACKAGE) is None:
        raise MachineError("out_no_quantizer")


def quantize(source: Path, target: Path) -> None:
    """Write ``source``, a GGUF file in f16, as q4_k_m to ``target``. Raises LabError where llama.cpp refuses."""
    if (program := shutil.which(PROGRAM)) is not None:
        done = subprocess.run([program, source, target, "Q4_K_M"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError("out_quantize_failed", why=(done.stderr.strip().splitlines() or ["?"])[-1][:200])
        return
    llama = import_module(PACKAGE)
    settings = llama.llama_model_quantize_default_params()
    settings.ftype = Q4_K_M
    if status := llama.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(settings)):
        raise LabError("out_quantize_failed", why=f"llama_model_quantize: {status}")

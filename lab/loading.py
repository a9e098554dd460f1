"""How a process loads its libraries: without looks for garbage meanwhile, and without those that it does not need.

torch, transformers, trl and peft make a million objects that live as long as the process. Python's collector goes through all of them
again and again while they are made: 3 of the 16 seconds that a worker takes to load them.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from lab.errors import MachineError


@contextmanager
def loading() -> Iterator[None]:
    """Within it Python's collector rests; after the first time in a process it passes over what was made until then."""
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # later, garbage would be kept too
            gc.freeze()
        gc.enable()


def hide(*modules: str) -> None:
    """Mark modules as not installed, where they are not loaded yet: other libraries load whatever they find."""
    for name in modules:
        if name not in sys.modules:
            sys.modules[name] = None  # type: ignore[assignment]  # how Python marks a module that is not to be found


def find_again(*modules: str) -> None:
    """Take the mark of ``hide`` off modules, for whoever needs one after all."""
    for name in modules:
        if sys.modules.get(name, ...) is None:
            del sys.modules[name]


def require_vllm(*, four_bits: bool) -> None:
    """Raise MachineError where vLLM, or for a 4-bit base the plugin that loads one, is not installed. Imports neither."""
    find_again("vllm")
    if find_spec("vllm") is None:
        raise MachineError("vllm_missing")
    if four_bits and find_spec("vllm_bnb_plugin") is None:
        raise MachineError("vllm_four_bits")

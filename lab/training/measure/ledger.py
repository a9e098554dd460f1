"""Counts the memory that tensors hold while real code runs, on any device, the ``meta`` device too, where nothing is held at all.

A mode of torch's dispatcher sees every storage that an operation makes and, through a weak reference, when it goes. Not here:
which code is run under it (``estimate.py``). What a kernel takes inside itself and gives back is not seen, except for the
weight that bitsandbytes unpacks where it has no fused kernel.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lab.core.budget import MemoryPart

_Entry = tuple["weakref.ref[torch.UntypedStorage]", int, MemoryPart]


class Ledger(TorchDispatchMode):
    """Live bytes by part, and the moment at which there were most.

    On ``meta``, a question for a value is answered (False, or 1): a padding mask is then never found to be all ones, so
    attention masks are built, as for a batch of unequal rows.
    """

    def __init__(self, vocabulary: int = 0, unpacks: bool = True) -> None:
        super().__init__()
        self.vocabulary, self.unpacks = vocabulary, unpacks
        self.part = MemoryPart.ACTIVATIONS
        self.live: Counter[MemoryPart] = Counter()
        self.total = self.peak = 0
        self.at_peak: Counter[MemoryPart] = Counter()
        self._entries: dict[int, _Entry] = {}

    @contextmanager
    def noting(self, part: MemoryPart) -> Iterator[None]:
        """What is made within the block belongs to ``part``."""
        before, self.part = self.part, part
        try:
            yield
        finally:
            self.part = before

    def hold(self, tensors: Iterable[torch.Tensor], part: MemoryPart) -> None:
        """Count tensors that are there already; one that was counted elsewhere moves to ``part``."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = storage._cdata
            known = self._entries.get(key)
            if known is not None and known[0]() is storage:
                self.live[known[2]] -= known[1]
                self.live[part] += known[1]
                self._entries[key] = (known[0], known[1], part)
            else:
                self._enter(storage, part)
        self._look()

    def restart(self) -> None:
        """Forget the peak: what is held now is the new one."""
        self.peak, self.at_peak = self.total, Counter(self.live)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return False if args[0].dtype is torch.bool else 1
        if self.unpacks and func is torch.ops.bitsandbytes.gemm_4bit.default:
            self._look(args[2][0] * args[2][1] * args[0].element_size())
        found = func(*args, **kwargs or {})
        for value in tree_leaves(found):
            if isinstance(value, torch.Tensor):
                self._see(value)
        self._look()
        return found

    def _see(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        known = self._entries.get(storage._cdata)
        if known is None or known[0]() is not storage:
            part = self.part
            if (
                self.vocabulary
                and part is MemoryPart.ACTIVATIONS
                and tensor.dim()
                and tensor.shape[-1] >= self.vocabulary
            ):
                part = MemoryPart.LOGITS
            self._enter(storage, part)

    def _enter(self, storage: torch.UntypedStorage, part: MemoryPart) -> None:
        key, size = storage._cdata, storage.nbytes()

        def gone(reference: weakref.ref[torch.UntypedStorage]) -> None:
            entry = self._entries.get(key)
            if entry is not None and entry[0] is reference:
                del self._entries[key]
                self.live[entry[2]] -= entry[1]
                self.total -= entry[1]

        self._entries[key] = (weakref.ref(storage, gone), size, part)
        self.live[part] += size
        self.total += size

    def _look(self, inside: int = 0) -> None:
        """``inside`` is held by a kernel for its own time."""
        if self.total + inside > self.peak:
            self.peak = self.total + inside
            self.at_peak = Counter(self.live)
            self.at_peak[MemoryPart.ACTIVATIONS] += inside

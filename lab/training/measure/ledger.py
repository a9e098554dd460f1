"""Counts the memory that tensors hold while real code runs, on any device, the ``meta`` device too, where nothing is held at all.

A mode of torch's dispatcher sees every storage that an operation makes and, through a weak reference, when it is freed. Not here:
which code is run under it (``meta_model.py``), and what a kernel takes inside itself and gives back, which is not seen.
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

    def __init__(self, vocabulary: int = 0) -> None:
        super().__init__()
        self.vocabulary = vocabulary
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
        """Count tensors that exist already; one that was counted under another part moves to ``part``."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            entry = self._known(storage)
            if entry is None:
                self._enter(storage, part)
            else:
                self.live[entry[2]] -= entry[1]
                self.live[part] += entry[1]
                self._entries[storage._cdata] = (entry[0], entry[1], part)
        self._note_peak()

    def restart(self) -> None:
        """Forget the peak: what is held now is the new one."""
        self.peak, self.at_peak = self.total, Counter(self.live)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return False if args[0].dtype is torch.bool else 1
        result = func(*args, **kwargs or {})
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and self._known(value.untyped_storage()) is None:
                self._enter(value.untyped_storage(), self._part_of(value))
        self._note_peak()
        return result

    def _part_of(self, tensor: torch.Tensor) -> MemoryPart:
        """The part that is noted; logits are known by their width."""
        scores = self.vocabulary and tensor.dim() and tensor.shape[-1] >= self.vocabulary
        return MemoryPart.LOGITS if scores and self.part is MemoryPart.ACTIVATIONS else self.part

    def _known(self, storage: torch.UntypedStorage) -> _Entry | None:
        entry = self._entries.get(storage._cdata)
        return entry if entry is not None and entry[0]() is storage else None

    def _enter(self, storage: torch.UntypedStorage, part: MemoryPart) -> None:
        key, size = storage._cdata, storage.nbytes()

        def freed(reference: weakref.ref[torch.UntypedStorage]) -> None:
            entry = self._entries.get(key)
            if entry is not None and entry[0] is reference:
                del self._entries[key]
                self.live[entry[2]] -= entry[1]
                self.total -= entry[1]

        self._entries[key] = (weakref.ref(storage, freed), size, part)
        self.live[part] += size
        self.total += size

    def _note_peak(self) -> None:
        if self.total > self.peak:
            self.peak, self.at_peak = self.total, Counter(self.live)

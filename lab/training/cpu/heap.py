"""What glibc's heap keeps of freed memory, on Linux.

glibc maps a large block for itself and gives it back once it is freed; but when the first one is, it moves the limit, up to 32 MB, and blocks below
it come from the heap from then on. There, small blocks that live on keep the large free ones between them. Loading SmolLM2-135M in 4 bits, weight by
weight, left 130 to 350 MB of such holes. While a model loads large blocks stay apart, which takes a tenth longer; while it trains they do
not, for mapping them anew at each step more than doubles a step of the tiny model.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of ``mallopt`` (malloc.h)."""
LARGE = 1 << 20
HIGHEST = 32 << 20
"""Where glibc itself moves its limit to at most (DEFAULT_MMAP_THRESHOLD_MAX); it trims at twice that."""
CHOSEN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables by which a person has chosen a limit, which then stays."""


@contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Give large blocks back to the system as soon as they are freed, in the block, and after it all that is free."""
    glibc = _glibc()
    if glibc is None or any(name in os.environ for name in CHOSEN):
        yield
        return
    glibc.mallopt(M_MMAP_THRESHOLD, LARGE)
    try:
        yield
    finally:
        glibc.mallopt(M_MMAP_THRESHOLD, HIGHEST)
        glibc.mallopt(M_TRIM_THRESHOLD, 2 * HIGHEST)
        glibc.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library of this process, where it is glibc."""
    try:
        library = ctypes.CDLL(None)
        return library if library.gnu_get_libc_version and library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError, TypeError):  # TypeError: Windows
        return None

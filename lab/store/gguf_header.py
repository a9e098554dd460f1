"""Checks a GGUF file before any library opens it: whoever sent it may have written every number in its header.

Read are the header, the keys and the places of the tensors (llama.cpp, ``ggml/docs/gguf.md``, versions 2 and 3); of the weights themselves nothing.
A count, a length or a place that the file cannot hold is refused, so that no library reserves memory for it. Not here: what the
tensors mean (``lab/training/models/gguf.py``).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, TypeGuard

from lab.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_KEYS, MOST_TENSORS, MOST_ITEMS = 10_000, 100_000, 2_000_000
"""Far more than any model has: a vocabulary of 300,000 with as many merges is the longest list."""
LONGEST_NAME = 2**16 - 1
MOST_DIMENSIONS = 4
SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
"""The kinds of single values by their number in the file, as ``struct`` names them."""
STRING, ARRAY = 8, 9
KEPT = 4096
"""Bytes of a text that are kept; of a longer one only its place is passed."""
WIDTHS = (
    "embedding_length", "feed_forward_length", "vocab_size", "expert_count", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.value_length", "rope.dimension_count",
)  # fmt: skip
"""Keys behind the architecture's name that a model is built by; none is larger than the largest tensor's longest side."""

Value = int | float | bool | str | None
"""A key's value; None of a list, which is passed over."""


@dataclass(frozen=True)
class Tensor:
    """A tensor's shape and its bytes' place behind the start of the data."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int


def check_gguf(path: Path) -> None:
    """Raise ModelError, in one sentence, where the file is no GGUF file, is cut off, or its numbers cannot be true of it."""
    with path.open("rb") as file:
        _Header(file, path.name, path.stat().st_size).check()


class _Header:
    """Reads from the file's start to its data; never past the file's end, and never more than one value at a time."""

    def __init__(self, file: IO[bytes], name: str, size: int) -> None:
        self.file, self.name, self.size = file, name, size

    def check(self) -> None:
        if self.file.read(len(MAGIC)) != MAGIC:
            self.refuse("magic")
        if (version := self.number("I")) not in VERSIONS:
            self.refuse("byte_order" if version & 0xFFFF == 0 else "version", version=version)
        tensor_count = self.count("tensors", self.number("Q"), MOST_TENSORS, 24)
        values = self.keys(self.count("keys", self.number("Q"), MOST_KEYS, 13))
        tensors = [self.tensor() for _ in range(tensor_count)]
        if not tensors:
            self.refuse("no_tensors")
        if len({tensor.name for tensor in tensors}) < len(tensors):
            self.refuse("twice", what="tensors")
        self.places(tensors, values.get("general.alignment", 32))
        self.shape(values, tensors)

    def keys(self, count: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for _ in range(count):
            key = self.text(LONGEST_NAME)
            if key in values:
                self.refuse("twice", what=key)
            values[key] = self.value(self.number("I"), key)
        return values

    def value(self, kind: int, key: str) -> Value:
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            return self.text(self.size)
        if kind != ARRAY:
            self.refuse("kind", what=key, kind=kind)
        inner, given = self.number("I"), self.number("Q")
        if inner in SCALARS:
            width = struct.calcsize("<" + SCALARS[inner])
            self.skip(width * self.count(key, given, MOST_ITEMS, width), key)
        elif inner == STRING:
            for _ in range(self.count(key, given, MOST_ITEMS, 8)):
                self.text(self.size)
        else:  # a list of lists may nest as deep as the file is long
            self.refuse("kind", what=key, kind=inner)
        return None

    def tensor(self) -> Tensor:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        name, dimensions = self.text(LONGEST_NAME), self.number("I")
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            self.refuse("dimensions", what=name, count=dimensions)
        shape = tuple(self.number("Q") for _ in range(dimensions))
        kind, offset = self.number("I"), self.number("Q")
        try:
            block, width = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (KeyError, ValueError):
            self.refuse("kind", what=name, kind=kind)
        if 0 in shape or shape[0] % block:
            self.refuse("dimensions", what=name, count="×".join(map(str, shape)))
        return Tensor(name, shape, offset, math.prod(shape) // block * width)

    def places(self, tensors: list[Tensor], alignment: Value) -> None:
        """Every tensor lies in the file, and no two on the same bytes: what is unpacked is bounded by the file's size."""
        if not _is_whole(alignment) or not 1 <= alignment <= 2**16 or alignment & (alignment - 1):
            self.refuse("value", what="general.alignment", value=_brief(alignment))
        start = -(-self.file.tell() // alignment) * alignment
        end, before = 0, ""
        for tensor in sorted(tensors, key=lambda each: each.offset):
            if tensor.offset % alignment or start + tensor.offset + tensor.size > self.size:
                self.refuse("place", what=tensor.name, offset=tensor.offset, bytes=tensor.size, size=self.size)
            if tensor.offset < end:
                self.refuse("overlap", what=tensor.name, other=before)
            end, before = tensor.offset + tensor.size, tensor.name

    def shape(self, values: Mapping[str, Value], tensors: list[Tensor]) -> None:
        """The numbers that a model is built by fit the tensors that are there."""
        architecture = values.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            self.refuse("value", what="general.architecture", value=_brief(architecture))
        longest = max(max(tensor.shape) for tensor in tensors)
        most = {f"{architecture}.{key}": longest for key in WIDTHS}
        most |= {f"{architecture}.block_count": len(tensors), f"{architecture}.context_length": 2**31}
        for key, bound in most.items():
            value = values.get(key, 1)
            if value is not None and not (_is_whole(value) and 0 <= value <= bound):  # None: a list, a number a layer
                self.refuse("value", what=key, value=_brief(value))

    # ---- the file

    def number(self, form: str) -> int:
        """One value; typed as the whole numbers that most are."""
        width = struct.calcsize("<" + form)
        data = self.file.read(width)
        if len(data) < width:
            self.refuse("cut", size=self.size)
        number: int = struct.unpack("<" + form, data)[0]
        return number

    def text(self, longest: int) -> str:
        length = self.number("Q")
        if length > min(longest, self.size - self.file.tell()):
            self.refuse("length", length=length, size=self.size)
        kept = self.file.read(min(length, KEPT)).decode("utf-8", "replace")
        self.file.seek(max(0, length - KEPT), 1)
        return kept

    def skip(self, width: int, key: str) -> None:
        if width > self.size - self.file.tell():
            self.refuse("length", length=width, size=self.size)
        self.file.seek(width, 1)

    def count(self, what: str, count: int, most: int, least_bytes: int) -> int:
        """The count, where so many things of so many bytes fit into the rest of the file."""
        if count > most or count * least_bytes > self.size - self.file.tell():
            self.refuse("count", what=what, count=count, size=self.size)
        return count

    def refuse(self, why: str, **params: object) -> NoReturn:
        shown = {name: _brief(value) if isinstance(value, str) else value for name, value in params.items()}
        raise ModelError("model_gguf", value=self.name, why={"say": f"gguf.{why}", **shown})


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _brief(value: object) -> str:
    """As much of a value that the file holds as one sentence can show."""
    text = "".join(char if char.isprintable() else "\ufffd" for char in str(value))
    return text if len(text) <= 80 else text[:79] + "…"

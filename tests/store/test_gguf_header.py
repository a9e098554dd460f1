"""A hostile GGUF file is refused in one sentence, without memory for what it claims; a true one passes."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest

from lab.errors import ModelError
from lab.store.gguf_header import check_gguf
from lab.words import word

HUGE = 2**63
F32, F16, Q4_K = 0, 1, 12


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def number(value: int, form: str = "I") -> bytes:
    return struct.pack("<" + form, value)


ARCHITECTURE = key("general.architecture", 8, text("llama"))


def tensor(name: str = "w", shape: tuple[int, ...] = (4, 2), kind: int = F32, offset: int = 0) -> bytes:
    return (
        text(name)
        + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        + struct.pack("<IQ", kind, offset)
    )  # fmt: skip


def file_of(
    tmp_path: Path,
    keys: tuple[bytes, ...] = (ARCHITECTURE,),
    tensors: tuple[bytes, ...] = (tensor(),),
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    data: int = 32,
) -> Path:
    tensor_count, key_count = counts or (len(tensors), len(keys))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, key_count) + b"".join((*keys, *tensors))
    path = tmp_path / "x.gguf"
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(data))
    return path


def refusal(path: Path) -> str:
    """The sentence, and that saying no took no memory to speak of."""
    tracemalloc.start()
    with pytest.raises(ModelError) as caught:
        check_gguf(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert caught.value.key == "model_gguf"
    chinese = word(caught.value, "zh")
    assert "无法转换" in chinese and "{" not in chinese and "gguf." not in chinese.replace("x.gguf", "")
    return word(caught.value, "en")


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """The library is there before memory is counted."""
    assert gguf.GGML_QUANT_SIZES


def test_a_small_true_file_passes(tmp_path: Path) -> None:
    lists = key("tokenizer.ggml.tokens", 9, number(8) + number(2, "Q") + text("a") + text("b"))
    check_gguf(file_of(tmp_path, (ARCHITECTURE, lists, key("llama.block_count", 4, number(1)))))
    check_gguf(file_of(tmp_path, version=2))


def test_what_the_library_writes_passes(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "w.gguf", "llama")
    writer.add_block_count(1)
    writer.add_embedding_length(256)
    writer.add_token_list(["a", "b"])
    writer.add_tensor("token_embd.weight", np.zeros((2, 256), np.float16))
    writer.add_tensor("blk.0.attn_q.weight", gguf.quants.quantize(np.zeros((4, 256), np.float32), gguf.GGMLQuantizationType.Q8_0),
                      raw_dtype=gguf.GGMLQuantizationType.Q8_0)  # fmt: skip
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    check_gguf(tmp_path / "w.gguf")


def test_every_shorter_file_is_refused(tmp_path: Path) -> None:
    whole = file_of(tmp_path).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "x.gguf").write_bytes(whole[:length])
        assert "x.gguf cannot be converted" in refusal(tmp_path / "x.gguf"), length


@pytest.mark.parametrize(
    ("keys", "tensors", "options", "sentence"),
    [
        ((), (), {"version": 9}, "the version 9"),
        ((), (), {"version": 3 << 24}, "another byte order"),
        ((), (), {"counts": (HUGE, 1)}, "of “tensors”"),
        ((), (), {"counts": (1, HUGE)}, "of “keys”"),
        ((), (), {"counts": (0, 0)}, "no weights"),
        ((struct.pack("<Q", HUGE),), (), {"counts": (0, 1)}, "a text or a list in it is 9223372036854775808 bytes"),
        ((key("a", 8, number(HUGE, "Q")),), (), {}, "9223372036854775808 bytes"),
        ((key("a", 8, number(2**64 - 1, "Q")),), (), {}, "18446744073709551615 bytes"),
        ((key("a", 77, b""),), (), {}, "“a” is of the kind 77"),
        ((key("a", 9, number(4) + number(HUGE, "Q")),), (), {}, "of “a”"),
        ((key("a", 9, number(8) + number(HUGE, "Q")),), (), {}, "of “a”"),
        ((key("a", 9, number(9) + number(1, "Q") + number(9) + number(1, "Q")),), (), {}, "“a” is of the kind 9"),
        ((ARCHITECTURE, ARCHITECTURE), (tensor(),), {}, "“general.architecture” stands in it twice"),
        ((), (tensor(),), {}, "“general.architecture” cannot be None"),
        ((key("general.architecture", 4, number(7)),), (tensor(),), {}, "“general.architecture” cannot be 7"),
        ((ARCHITECTURE, key("general.alignment", 4, number(0))), (tensor(),), {}, "“general.alignment” cannot be 0"),
        ((ARCHITECTURE, key("general.alignment", 4, number(48))), (tensor(),), {}, "“general.alignment” cannot be 48"),
        ((ARCHITECTURE, key("general.alignment", 5, number(-32, "i"))), (tensor(),), {}, "cannot be -32"),
        ((ARCHITECTURE, key("llama.block_count", 4, number(10**9))), (tensor(),), {}, "cannot be 1000000000"),
        ((ARCHITECTURE, key("llama.block_count", 8, text("many"))), (tensor(),), {}, "cannot be many"),
        ((ARCHITECTURE, key("llama.embedding_length", 5, number(-8, "i"))), (tensor(),), {}, "cannot be -8"),
        ((ARCHITECTURE, key("llama.vocab_size", 10, number(2**40, "Q"))), (tensor(),), {}, "“llama.vocab_size”"),
        ((ARCHITECTURE, key("llama.context_length", 10, number(2**60, "Q"))), (tensor(),), {}, "“llama.context_length”"),
        ((ARCHITECTURE,), (tensor(), tensor(offset=32)), {"data": 64}, "“tensors” stands in it twice"),
        ((ARCHITECTURE,), (tensor(shape=()),), {}, "cannot have the shape 0"),
        ((ARCHITECTURE,), (tensor(shape=(1,) * 5),), {}, "cannot have the shape 5"),
        ((ARCHITECTURE,), (tensor(shape=(0, 4)),), {}, "cannot have the shape 0×4"),
        ((ARCHITECTURE,), (tensor(shape=(4, 2), kind=Q4_K),), {}, "cannot have the shape 4×2"),
        ((ARCHITECTURE,), (tensor(kind=999),), {}, "“w” is of the kind 999"),
        ((ARCHITECTURE,), (tensor(shape=(2**32, 2**32)),), {}, "do not lie in the file"),
        ((ARCHITECTURE,), (tensor(offset=2**64 - 32),), {}, "do not lie in the file"),
        ((ARCHITECTURE,), (tensor(offset=8),), {}, "do not lie in the file"),
        ((ARCHITECTURE,), (tensor("a"), tensor("b")), {}, "“b” and “a” lie on the same bytes"),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_true_are_one_sentence(tmp_path, keys, tensors, options, sentence) -> None:
    assert sentence in refusal(file_of(tmp_path, keys, tensors, **options))


def test_a_long_name_is_shown_in_part_and_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    said = refusal(file_of(tmp_path, (key("\x1b[31m" + "a" * 9000, 99, b""),), ()))
    assert "\x1b" not in said and "…" in said and len(said) < 400

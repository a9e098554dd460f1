"""q4_k_m goes through llama.cpp's own program with its documented arguments; without it, one sentence before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.errors import LabError, MachineError
from lab.training.out import llama_quantize
from lab.words import word


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``llama-quantize`` on the PATH."""
    (folder / "bin").mkdir()
    file = folder / "bin" / llama_quantize.PROGRAM
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


def test_the_program_is_called_as_its_help_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, 'test "$3" = Q4_K_M && cp "$1" "$2"', monkeypatch)
    (tmp_path / "f16.gguf").write_bytes(b"GGUF")
    llama_quantize.check_quantizer()
    llama_quantize.quantize(tmp_path / "f16.gguf", tmp_path / "q4.gguf")
    assert (tmp_path / "q4.gguf").read_bytes() == b"GGUF"


def test_what_it_complains_of_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, 'echo "tensor is broken" >&2; exit 1', monkeypatch)
    with pytest.raises(LabError) as error:
        llama_quantize.quantize(tmp_path / "f16.gguf", tmp_path / "q4.gguf")
    assert error.value.key == "out_quantize_failed" and "tensor is broken" in word(error.value, "en")


def test_without_it_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(llama_quantize, "find_spec", lambda name: None)
    with pytest.raises(MachineError) as error:
        llama_quantize.check_quantizer()
    for language in ("en", "zh"):
        assert "llama-quantize" in word(error.value, language) and "--gguf f16" in word(error.value, language)

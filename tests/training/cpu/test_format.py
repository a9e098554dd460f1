"""Which format a CPU run computes in, by a speed that is measured or given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lab.core.recipes import parse
from lab.training.cpu.format import PAYS, TINY, ProductSpeed, measured, settled
from lab.words import word_note
from tests.training.variants import make_variant

FAST = ProductSpeed(fp32=112e9, bf16=512e9)
SLOW = ProductSpeed(fp32=100e9, bf16=20e9)


def never(_home: Path) -> ProductSpeed:
    raise AssertionError("nothing is to be measured")


@pytest.fixture
def large(tmp_path: Path) -> str:
    """A model folder of just as many weights as are not tiny. No weight of it is read here."""
    folder = make_variant(tmp_path / "large")
    for file in folder.glob("*.safetensors"):
        file.unlink()
    save_file({"weight": torch.zeros(TINY // 1000, 1000, dtype=torch.int8)}, folder / "model.safetensors")
    return str(folder)


def recipe(model: str, **changes: object):
    return parse({"algorithm": "sft", "model": model, "device": "cpu", **changes})


@pytest.mark.parametrize(("speed", "chosen", "key"), [(FAST, "bf16", "cpu_bf16"), (SLOW, "fp32", "cpu_fp32")])
def test_auto_takes_bf16_where_it_is_measured_to_pay(large, tmp_path, speed, chosen, key):
    settled_recipe, notes = settled(recipe(large), tmp_path, lambda _home: speed)
    assert settled_recipe.precision == chosen
    assert [note.key for note in notes] == [key]
    for locale in ("en", "zh"):
        sentence = word_note(notes[0].as_dict(), locale)
        assert f"{speed.bf16 / 1e9:.0f}" in sentence and f"{speed.fp32 / 1e9:.0f}" in sentence
    assert settled(settled_recipe, tmp_path, never) == (settled_recipe, []), "a resumed run computes as it began"


def test_a_little_faster_does_not_pay():
    assert ProductSpeed(1.0, PAYS).pays and not ProductSpeed(1.0, PAYS - 0.01).pays


@pytest.mark.parametrize(
    "changes", [{"precision": "fp32"}, {"precision": "bf16"}, {"load_in_4bit": True, "training": "lora"}]
)
def test_what_is_chosen_and_a_4_bit_base_are_left_alone(large, tmp_path, changes):
    asked = recipe(large, **changes)
    assert settled(asked, tmp_path, never) == (asked, [])


def test_the_tiny_base_is_not_even_measured(tmp_path):
    asked = recipe("tiny")
    assert settled(asked, tmp_path, never) == (asked, [])
    scratch = parse({"algorithm": "pretrain", "device": "cpu"})
    assert settled(scratch, tmp_path, never) == (scratch, [])


def test_the_measurement_is_of_real_products_and_takes_about_half_a_second(tmp_path):
    speed = measured(tmp_path)
    assert 1e8 < speed.bf16 < 1e15 and 1e8 < speed.fp32 < 1e15
    assert speed.pays is (speed.bf16 / speed.fp32 >= PAYS)
    assert measured(tmp_path) == speed, "it is measured once"

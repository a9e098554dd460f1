"""What a device gets where the recipe leaves it open: number format and optimiser."""

from __future__ import annotations

import pytest
import torch

from lab.core.recipes import Precision, SftRecipe
from lab.errors import MachineError
from lab.training.models.base import check_room, choose_dtype, default_optimizer, default_precision, train_in_fp32


@pytest.mark.parametrize(
    ("kind", "capability", "wanted"),
    [
        ("cuda", (9, 0), Precision.BF16),
        ("cuda", (8, 0), Precision.BF16),
        ("cuda", (7, 5), Precision.FP16),  # a T4
        ("cuda", (7, 0), Precision.FP16),
        ("mps", (0, 0), Precision.FP32),
        ("cpu", (0, 0), Precision.FP32),
    ],
)
def test_the_number_format_of_a_device(kind: str, capability: tuple[int, int], wanted: Precision) -> None:
    assert default_precision(kind, capability) is wanted


def test_what_the_recipe_says_goes_first() -> None:
    cpu = torch.device("cpu")
    assert choose_dtype(Precision.AUTO, cpu) is torch.float32
    assert choose_dtype(Precision.BF16, cpu) is torch.bfloat16


@pytest.mark.parametrize(
    ("kind", "four_bits", "wanted"),
    [
        ("cuda", True, "paged_adamw_8bit"),
        ("cuda", False, "adamw_torch_fused"),
        ("cpu", True, "adamw_torch_fused"),
        ("mps", False, "adamw_torch_fused"),
    ],
)
def test_moments_are_paged_and_in_8_bits_beside_a_4_bit_base_on_cuda(kind: str, four_bits: bool, wanted: str) -> None:
    from transformers.training_args import OptimizerNames

    assert default_optimizer(kind, four_bits) == wanted
    assert OptimizerNames(wanted)


@pytest.mark.parametrize(
    ("device", "wanted"), [("cuda", torch.float32), ("mps", torch.float32), ("cpu", torch.bfloat16)]
)
def test_what_trains_is_wide_where_autocast_narrows_products(device: str, wanted: torch.dtype) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)).to(torch.bfloat16)
    model[0].requires_grad_(False)
    train_in_fp32(model, torch.device(device))
    assert {parameter.dtype for parameter in model[0].parameters()} == {torch.bfloat16}, "what is frozen stays small"
    assert {parameter.dtype for parameter in model[1].parameters()} == {wanted}


def test_four_bits_are_refused_where_nothing_holds_them() -> None:
    with pytest.raises(MachineError) as refused:
        check_room("nowhere", SftRecipe(training="lora", load_in_4bit=True), torch.device("mps"), torch.float32)
    assert (refused.value.key, refused.value.params) == ("four_bits_device", {"device": "mps"})

"""bf16 on a CPU: what trains is fp32 under autocast, so small steps count as they do in fp32."""

from __future__ import annotations

import pytest
import torch

STEPS = {"steps": 5, "batch_size": 4, "learning_rate": 1e-3, "warmup_steps": 0, "schedule": "constant"}


@pytest.mark.parametrize("training", ["lora", "full"])
def test_losses_follow_those_in_fp32(make_trainer_of, training):
    lines = {}
    for precision in ("fp32", "bf16"):
        trainer = make_trainer_of("sft", precision=precision, training=training, **STEPS)
        trained = [p for p in trainer.model.parameters() if p.requires_grad]
        assert {p.dtype for p in trained} == {torch.float32}
        if precision == "bf16" and training == "lora":
            assert torch.bfloat16 in {p.dtype for p in trainer.model.parameters()}, "the frozen base is narrow"
        torch.manual_seed(3)
        trainer.train()
        lines[precision] = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert lines["bf16"] == pytest.approx(lines["fp32"], abs=0.005)
    assert max(lines["fp32"]) - min(lines["fp32"]) > 0.04, "it learns more than the two may differ by"
    assert lines["bf16"] != lines["fp32"], "products are narrow"

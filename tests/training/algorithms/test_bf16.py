"""bf16 on a CPU: what trains is fp32 under autocast, so small steps count as they do in fp32."""

from __future__ import annotations

import pytest
import torch

STEPS = {"steps": 8, "batch_size": 8, "learning_rate": 3e-4, "warmup_steps": 0, "schedule": "constant"}


@pytest.mark.parametrize("algorithm", ["sft", "rm"])
@pytest.mark.parametrize("training", ["lora", "full"])
def test_losses_follow_those_in_fp32(make_trainer_of, algorithm, training):
    lines = {}
    for precision in ("fp32", "bf16"):
        trainer = make_trainer_of(algorithm, precision=precision, training=training, **STEPS)
        trained = [p for p in trainer.model.parameters() if p.requires_grad]
        assert {p.dtype for p in trained} == {torch.float32}
        if precision == "bf16" and training == "lora":
            assert torch.bfloat16 in {p.dtype for p in trainer.model.parameters()}, "the frozen base is narrow"
        torch.manual_seed(3)
        trainer.train()
        lines[precision] = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    gained = lines["fp32"][0] - lines["fp32"][-1]
    assert gained > 0.01
    for wide, narrow in zip(lines["fp32"], lines["bf16"], strict=True):
        assert narrow == pytest.approx(wide, abs=max(0.02, 0.1 * gained))
    assert lines["bf16"] != lines["fp32"], "products are narrow"

"""GRPO with the run's threshold, on trl's GRPOTrainer: K completions a prompt, the group's mean as baseline, a clipped update."""

from __future__ import annotations

from typing import Any

import torch
from trl import GRPOConfig
from trl.trainer.utils import add_fused_lm_head

from lab.core.groups import Estimator, ThresholdKind, make_group
from lab.training.algorithms.losses import clipped_surrogate, kl_k3, over_step, ratio
from lab.training.eject.pieces.common import RUN, arguments, begin, keep_wide, load_policy, load_start, read_rows, run
from lab.training.eject.pieces.rollouts import RolloutTrainer, of_rule_set, prompts, sampling


class GroupTrainer(RolloutTrainer):
    """Advantages and who is kept come from ``make_group``, the loss from the functions above."""

    def score(self, batch: dict[str, Any], rewards: list[float]) -> dict[str, Any]:
        groups = [
            make_group(
                rewards[at : at + RUN["group_size"]],
                ThresholdKind(RUN["threshold"]),
                RUN["fraction"],
                estimator=Estimator(RUN["estimator"]),
                skip_no_spread=RUN["skip_no_spread"],
            )
            for at in range(0, len(rewards), RUN["group_size"])
        ]
        device = batch["index"].device
        advantages = [advantage for group in groups for advantage in group.advantages]
        batch["advantages"] = torch.tensor(advantages, dtype=torch.float32, device=device)
        batch["kept"] = torch.tensor([kept for group in groups for kept in group.kept], device=device)
        return batch

    def step_loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        mask, advantages = batch["completion_mask"], batch["advantages"].unsqueeze(1)
        logps = self.log_probs(batch, model)
        old = batch.setdefault("old_per_token_logps", logps.detach())
        ratios = ratio(logps, old, mask, RUN["ratio_level"])  # of a sequence: (B, 1)
        gain = clipped_surrogate(ratios, advantages, self.epsilon_low, self.epsilon_high)
        if self.beta:
            gain = gain - self.beta * ratios * kl_k3(logps, batch["ref_per_token_logps"])
        return over_step(
            -gain,
            mask,
            self.loss_type,
            tokens=batch["step_tokens"],
            rows=batch["step_rows"],
            longest=self.max_completion_length,
        )


def main() -> None:
    """Load, train, save."""
    tokenizer = begin()
    model = load_policy()
    wide = keep_wide(model)
    scale = "group" if RUN["scale_rewards"] else "none"
    trainer = GroupTrainer(
        model=model,
        reward_funcs=[of_rule_set],
        args=GRPOConfig(**arguments(**sampling(), beta=RUN["beta"], scale_rewards=scale)),
        train_dataset=prompts(read_rows()),
        processing_class=tokenizer,
    )
    if trainer.beta and RUN["training"] == "full" and RUN["start_adapter"]:
        trainer.ref_model = load_start()
        add_fused_lm_head(trainer.ref_model.get_base_model(), temperature=RUN["temperature"])
    run(trainer, wide)

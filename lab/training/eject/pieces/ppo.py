"""PPO on trl's generation loop: policy, reference, reward model and critic as roles on one base. trl itself has no PPO any more.

The formulas are those of Schulman et al. (arXiv 1707.06347, eq. 7), of GAE (arXiv 1506.02438, eq. 16) and of InstructGPT's token rewards
(arXiv 2203.02155), as the functions above.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from peft import set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import clip_grad_norm_
from trl import GRPOConfig

from lab.training.algorithms.losses import (
    clipped_surrogate,
    clipped_value_loss,
    gae,
    kl_k1,
    over_step,
    ratio,
    token_rewards,
    whiten,
)
from lab.training.eject.pieces.common import (
    FOLDER,
    RUN,
    LoraConfig,
    arguments,
    begin,
    encode,
    keep_wide,
    load_policy,
    read_rows,
    run,
)
from lab.training.eject.pieces.rollouts import RolloutTrainer, of_rule_set, padded, prompts, sampling
from lab.training.models.roles import acting_as, copy_adapter
from lab.training.models.scorer import at_last
from lab.training.trainers.group_trainer import whole

POLICY, VALUE, REWARD = "default", "value", "reward"


class RolesTrainer(RolloutTrainer):
    """A backward for each of the two roles that train, and a clip for each."""

    # ---- roles

    def hidden(self, adapter: str | None, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The last hidden states under an adapter (None: the bare base), shape (B, T, width)."""
        base = self.model.get_base_model()
        with acting_as(self.model, adapter), self.accelerator.autocast():
            states: torch.Tensor = getattr(base, base.base_model_prefix)(
                input_ids=ids, attention_mask=mask, use_cache=False
            ).last_hidden_state
            return states

    def values(self, part: dict[str, Any]) -> torch.Tensor:
        """V(s_t) of the state before each token of a completion, shape (B, T)."""
        critic = VALUE if RUN["critic"] == "own" else POLICY
        return self.values_of(self.hidden(critic, *whole(part)), part["completion_ids"].size(1))

    def values_of(self, states: torch.Tensor, width: int) -> torch.Tensor:
        return read_head(self.model.value_head, states[:, -width - 1 : -1])

    def reward_scores(self) -> torch.Tensor:
        """The reward model's score of each completion, shape (B,)."""
        rows = [
            encode(self.processing_class, *pair)[0][: RUN["context"]]
            for pair in zip(self.asked, self.texts, strict=True)
        ]
        size, scores = self.args.per_device_train_batch_size, []
        with torch.no_grad():
            for start in range(0, len(rows), size):
                ids, mask = (each.to(self.model.device) for each in padded(rows[start : start + size], "right"))
                scores.append(read_head(self.model.reward_head, at_last(self.hidden(REWARD, ids, mask), mask)))
        return torch.cat(scores)

    def by_parts(self, batch: dict[str, Any], function: Callable[[dict[str, Any]], torch.Tensor]) -> torch.Tensor:
        names = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")
        rows, size = len(batch["completion_ids"]), self.args.per_device_train_batch_size
        with torch.no_grad():
            parts = [{name: batch[name][at : at + size] for name in names} for at in range(0, rows, size)]
            return torch.cat([function(part) for part in parts])

    def log_probs_as(self, adapter: str | None, batch: dict[str, Any]) -> torch.Tensor:
        def of(part: dict[str, Any]) -> torch.Tensor:
            with acting_as(self.model, adapter):
                return self.log_probs(part)

        return self.by_parts(batch, of)

    # ---- rollout

    def score(self, batch: dict[str, Any], rewards: list[float]) -> dict[str, Any]:
        mask = batch["completion_mask"].float()
        total = RUN["rules_weight"] * torch.tensor(rewards, device=mask.device)
        if RUN["reward_model"]:
            total = total + RUN["reward_model_weight"] * self.reward_scores()
        old = self.log_probs_as(POLICY, batch)
        reference = self.log_probs_as("ref" if RUN["start_adapter"] else None, batch)
        values = self.by_parts(batch, self.values)
        per_token = token_rewards(kl_k1(old, reference), total, mask, RUN["kl_coefficient"])
        estimates = gae(per_token, values, mask, RUN["discount"], RUN["gae_lambda"])
        batch["advantages"] = whiten(estimates, mask)
        batch["returns"], batch["old_values"] = (estimates + values) * mask, values * mask
        batch["old_per_token_logps"], batch["ref_per_token_logps"] = old, reference
        batch["kept"] = torch.ones(len(mask), dtype=torch.bool, device=mask.device)
        return batch

    # ---- update

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        model.train()
        part = self._prepare_inputs(inputs)
        loss = super().training_step(model, part, num_items_in_batch)
        if RUN["critic"] == "trunk":
            return loss - self.of_critic
        with acting_as(self.model, VALUE):  # until backward ends: checkpointing computes the forward again
            self.accelerator.backward(self.critic_loss(self.values(part), part))
        return loss

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if RUN["critic"] == "own":
            return self.step_loss(model, inputs)
        passes: list[torch.Tensor] = []
        base = self.model.get_base_model()
        body = getattr(base, base.base_model_prefix)
        hook = body.register_forward_hook(lambda _module, _given, output: passes.append(output.last_hidden_state))
        try:
            loss = self.step_loss(model, inputs)
        finally:
            hook.remove()
        critic = self.critic_loss(self.values_of(torch.cat(passes), inputs["completion_ids"].size(1)), inputs)
        self.of_critic = critic.detach()
        return loss + critic

    def step_loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        mask = batch["completion_mask"]
        ratios = ratio(self.log_probs(batch, model), batch["old_per_token_logps"], mask)
        gain = clipped_surrogate(ratios, batch["advantages"], self.epsilon_low, self.epsilon_high)
        return over_step(
            -gain,
            mask,
            self.loss_type,
            tokens=batch["step_tokens"],
            rows=batch["step_rows"],
            longest=self.max_completion_length,
        )

    def critic_loss(self, values: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
        errors = clipped_value_loss(values, batch["old_values"], batch["returns"], RUN["value_clip"])
        loss: torch.Tensor = RUN["value_coefficient"] * (
            (errors * batch["completion_mask"]).sum() / batch["step_tokens"]
        )
        return loss

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        """Each role by its own norm: together, a critic that is far off would silence the policy."""
        self.accelerator.unscale_gradients()
        clip_grad_norm_([*trained(self.model, VALUE), *self.model.value_head.parameters()], self.args.max_grad_norm)
        return clip_grad_norm_(trained(self.model, POLICY), self.args.max_grad_norm)


def read_head(head: nn.Linear, states: torch.Tensor) -> torch.Tensor:
    """A head's one output, in the head's format."""
    output: torch.Tensor = head(states.to(head.weight.dtype)).squeeze(-1)
    return output.float()


def trained(model: Any, adapter: str) -> list[nn.Parameter]:
    """What trains of one adapter."""
    return [value for name, value in model.named_parameters() if f".{adapter}." in name and value.requires_grad]


def add_roles(model: Any) -> None:
    """Reference, critic and reward model beside the policy's adapter; the policy and the critic train."""
    if RUN["start_adapter"]:
        model.add_adapter("ref", model.peft_config[POLICY])
        copy_adapter(model, POLICY, "ref")
    if RUN["critic"] == "own":
        model.add_adapter(VALUE, copy(model.peft_config[POLICY]))
    model.value_head = nn.Linear(model.get_output_embeddings().weight.shape[1], 1, bias=False).to(model.device)
    nn.init.zeros_(model.value_head.weight)
    if RUN["reward_model"]:
        add_reward_model(model)
    for name, parameter in model.named_parameters():
        owned = any(f".{adapter}." in name for adapter in (POLICY, VALUE)) and "lora_" in name
        parameter.requires_grad_(owned or name.startswith("value_head"))


def add_reward_model(model: Any) -> None:
    """The adapter and the head of the reward model, frozen."""
    folder = FOLDER / RUN["reward_model"]
    weights = load_file(folder / "adapter_model.safetensors")
    head = next(value for key, value in weights.items() if key.endswith("score.weight"))
    config = LoraConfig.from_pretrained(str(folder))
    config.task_type, config.modules_to_save, config.inference_mode = "CAUSAL_LM", None, True
    model.add_adapter(REWARD, config)
    adapter = {key: value for key, value in weights.items() if "lora_" in key}
    set_peft_model_state_dict(model, adapter, adapter_name=REWARD)
    model.reward_head = nn.Linear(head.shape[1], 1, bias=False).to(model.device)
    model.reward_head.weight.data.copy_(head)


def main() -> None:
    """Load, train, save."""
    tokenizer = begin()
    model = load_policy()
    add_roles(model)
    wide = keep_wide(model)
    trainer = RolesTrainer(
        model=model,
        reward_funcs=[of_rule_set],
        args=GRPOConfig(**arguments(**sampling(), beta=0.0)),  # the KL is in the reward, not in the loss
        train_dataset=prompts(read_rows()),
        processing_class=tokenizer,
    )
    run(trainer, wide)

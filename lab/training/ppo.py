"""PPO: a critic says what each token was worth; the policy moves in clipped steps. The lab's own (trl has none any more).

Formulas (Schulman et al., arXiv 1707.06347, eq. 7; GAE: arXiv 1506.02438, eq. 16; InstructGPT: arXiv 2203.02155)::

    r_t   = −β (log π_old(y_t) − log π_ref(y_t)),  and on the last token + R(x, y)
    δ_t   = r_t + γ V(s_{t+1}) − V(s_t),   V after the end is 0
    A_t   = Σ_l (γλ)^l δ_{t+l},  whitened over all tokens of the rollout;  returns_t = A_t + V(s_t) before whitening
    L_π   = − mean_t min(ρ_t A_t, clip(ρ_t, 1 − ε_low, 1 + ε_high) A_t)
    L_V   = ½ mean_t max( (V − returns)², (clip(V, V_old ± ε_V) − returns)² )

Generation, log-probabilities and the clipped surrogate are trl's GRPOTrainer's, which takes advantages of shape (B, T). All
four models are roles on one base (``roles.py``). Forward and backward are made role by role: two roles in one backward
would give wrong gradients under gradient checkpointing. The cheap critic, a head on the policy's states, needs no pass of its
own: L_π + c_V L_V go back together through the policy's adapter (Schulman et al., eq. 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import clip_grad_norm_
from trl import GRPOConfig

from lab.core.groups import ThresholdKind
from lab.core.recipes import Critic, PpoRecipe
from lab.sandbox.rewards import Weighed
from lab.store.models import reward_adapter
from lab.training.grpo import Batch, GroupTrainer, batch_arguments, prompt_rows, write_rollouts
from lab.training.models.base import Loaded, load
from lab.training.models.roles import POLICY, VALUE, Roles, acting_as
from lab.training.ppo_tokens import TokenPieces
from lab.training.task import Task

VALUE_HEAD = "value_head.safetensors"


def gae(rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, discount: float, lam: float) -> torch.Tensor:
    """Generalised advantage estimates, shape (B, T) as the inputs; 0 where ``mask`` is 0. Completions are padded on the right."""
    rewards, values = rewards * mask, values * mask
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[:, 0])
    for t in range(rewards.shape[1] - 1, -1, -1):
        after = values[:, t + 1] if t + 1 < rewards.shape[1] else torch.zeros_like(running)
        delta = rewards[:, t] + discount * after - values[:, t]
        running = (delta + discount * lam * running) * mask[:, t]
        advantages[:, t] = running
    return advantages


def whiten(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean 0 and standard deviation 1 over the unmasked entries."""
    known = values[mask.bool()]
    return (values - known.mean()) / (known.std(unbiased=False) + 1e-8) * mask


def value_loss(values: torch.Tensor, old: torch.Tensor, returns: torch.Tensor, clip: float) -> torch.Tensor:
    """The clipped squared error of each token, shape (B, T); halve and average it over the tokens."""
    clipped = old + (values - old).clamp(-clip, clip)
    return torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)


class PPOTrainer(GroupTrainer):
    """The group trainer with a value for every token. Every completion trains; groups are kept for showing."""

    def __init__(self, *, recipe: PpoRecipe, roles: Roles, rules: Sequence[Weighed], **kwargs: Any) -> None:
        self.roles = roles
        super().__init__(recipe=recipe, rules=rules, **kwargs)
        roles.autocast = self.accelerator.autocast
        self.value_metrics: dict[str, float] = {}
        self.pieces = TokenPieces(self.processing_class)

    # ---- rollout

    def reward_of(self, batch: Batch) -> torch.Tensor:
        """R(x, y) of each completion: weighted rules plus the weighted score of the reward model, shape (B,)."""
        recipe: PpoRecipe = self.recipe
        device = batch["completion_ids"].device
        rewards = torch.tensor([reward.value for reward in self._rewards], device=device) * recipe.rules_weight
        if self.roles.has_reward:
            scores = self._by_parts(batch, lambda ids, mask, _width: self.roles.scores(ids, mask))
            rewards = rewards + recipe.reward_model_weight * scores
            assert self.rollout is not None
            self.rollout.model_scores = scores.tolist()
        return rewards

    def _by_parts(self, batch: Batch, function: Any) -> torch.Tensor:
        """``function(ids, mask, width)`` over micro-batches, without gradients."""
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        width, size = batch["completion_ids"].size(1), self.args.per_device_train_batch_size
        with torch.no_grad():
            return torch.cat([function(ids[i : i + size], mask[i : i + size], width) for i in range(0, len(ids), size)])

    def _score_rollout(self, batch: Batch) -> Batch:
        """Token rewards, values, advantages and returns of the whole rollout; groups for the journal."""
        recipe: PpoRecipe = self.recipe
        rewards_B = self.reward_of(batch)
        self._make_groups(rewards_B.tolist(), ThresholdKind.ALL, skip_no_spread=False)
        mask = batch["completion_mask"].float()

        def logps(adapter: str | None) -> torch.Tensor:
            def of(ids: torch.Tensor, attention: torch.Tensor, width: int) -> torch.Tensor:
                with acting_as(self.model, adapter):
                    found: torch.Tensor = self._get_per_token_logps_and_entropies(self.model, ids, attention, width)[0]
                    return found

            return self._by_parts(batch, of)

        old, reference = logps(POLICY), logps(self.roles.reference)
        values = self._by_parts(batch, self.roles.values)
        token_rewards = -recipe.kl_coefficient * (old - reference) * mask
        last = (mask.sum(1) - 1).clamp(min=0).long()
        token_rewards[torch.arange(len(last)), last] += rewards_B
        advantages = gae(token_rewards, values, mask, recipe.discount, recipe.gae_lambda)
        batch["returns"], batch["old_values"] = (advantages + values) * mask, values * mask
        batch["advantages"] = whiten(advantages, mask)
        batch["old_per_token_logps"], batch["ref_per_token_logps"] = old, reference
        self._note_tokens(batch, mask)
        batch["kept"] = torch.ones(len(mask), dtype=torch.bool, device=mask.device)
        return batch

    def _note_tokens(self, batch: Batch, mask: torch.Tensor) -> None:
        """Values and advantages token by token for the journal, and how well the critic foresaw the returns."""
        assert self.rollout is not None
        lengths = mask.sum(1).int().tolist()
        ids = [row[:length] for row, length in zip(batch["completion_ids"].tolist(), lengths, strict=True)]
        self.rollout.note_tokens(mask, batch["old_values"], batch["advantages"], [self.pieces.of(row) for row in ids])
        self.rollout.note_logps({**batch, "index": torch.arange(len(mask))}, batch["old_per_token_logps"])
        real = mask.bool()
        returns, values = batch["returns"][real], batch["old_values"][real]
        spread = returns.var(unbiased=False)
        estimates = returns - values  # as `gae` gave them; with these two numbers a reader undoes the whitening
        self.rollout.whitening = {"mean": float(estimates.mean()), "std": float(estimates.std(unbiased=False))}
        kl = ((batch["old_per_token_logps"] - batch["ref_per_token_logps"]) * mask).sum() / mask.sum()
        self.value_metrics = {
            "kl": float(kl),
            "explained_variance": float(1 - (returns - values).var(unbiased=False) / spread) if spread > 0 else 0.0,
        }

    # ---- update

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The policy's forward and backward (trl's), then the critic's where it has an adapter of its own. Returns the policy's loss."""
        model.train()  # loading a checkpoint leaves it in eval mode
        part = self._prepare_inputs(inputs)
        loss = super().training_step(model, part, num_items_in_batch)
        if self.roles.critic is Critic.TRUNK:
            return loss - self.recipe.value_coefficient * self.value_metrics["value_loss"]
        ids = torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1)
        mask = torch.cat([part["prompt_mask"], part["completion_mask"]], dim=1)
        with acting_as(self.model, VALUE):  # until backward ends: gradient checkpointing computes the forward again
            values = self.roles.values(ids, mask, part["completion_ids"].size(1))
            self.accelerator.backward(self._critic_loss(values, part))
        return loss

    def _compute_loss(self, model: Any, inputs: Batch) -> torch.Tensor:
        if self.roles.critic is Critic.OWN:
            return super()._compute_loss(model, inputs)
        with self.roles.noting_states() as passes:
            loss = super()._compute_loss(model, inputs)
        values = self.roles.values_of(torch.cat(passes), inputs["completion_ids"].size(1))
        return loss + self._critic_loss(values, inputs)

    def _critic_loss(self, values: torch.Tensor, part: Batch) -> torch.Tensor:
        """The weighted value loss of a micro-batch, a mean over the step's tokens."""
        errors = (
            value_loss(values, part["old_values"], part["returns"], self.recipe.value_clip) * part["completion_mask"]
        )
        critic = 0.5 * errors.sum() / part["num_items_in_batch"]
        self.value_metrics["value_loss"] = float(critic.detach())
        return self.recipe.value_coefficient * critic

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        """Each role's gradient is cut by its own norm: together, a critic that is far off would silence the policy.

        Returns the policy's norm before the cut, which is logged as ``grad_norm``; the critic's is ``critic_grad_norm``.
        """
        self.accelerator.unscale_gradients()  # once: a second time is an error under fp16
        critic = clip_grad_norm_(self.roles.critic_parameters(), self.args.max_grad_norm)
        self.value_metrics["critic_grad_norm"] = float(critic)
        return clip_grad_norm_(self.roles.policy_parameters(), self.args.max_grad_norm)

    # ---- the critic's head is no part of an adapter: saved and loaded beside it

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        save_file(
            {"weight": self.model.value_head.weight.detach().cpu()},
            Path(output_dir or self.args.output_dir) / VALUE_HEAD,
        )

    def _load_from_checkpoint(self, resume_from_checkpoint: Any, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.roles.settle()  # loading froze every adapter but the policy's
        weight = load_file(Path(resume_from_checkpoint) / VALUE_HEAD)["weight"]
        self.model.value_head.weight.data.copy_(weight)


def prepare(task: Task) -> Loaded:
    """The start model with the policy's adapter; a reward model from another base is refused before anything is loaded."""
    recipe: PpoRecipe = task.recipe
    if recipe.reward_model:
        reward_adapter(recipe.reward_model, recipe.model, task.home)
    return load(recipe, task.home)


def build_trainer(task: Task) -> PPOTrainer:
    """The trainer of a task, its four roles on the task's one base."""
    recipe: PpoRecipe = task.recipe
    assert task.loaded is not None
    reference = None
    if not task.loaded.fresh_adapter:  # a successor: its start is an adapter, and a frozen copy of it is the reference
        task.model.add_adapter("ref", task.model.peft_config[POLICY])
        copy_adapter(task.model, POLICY, "ref")
        reference = "ref"
    roles = Roles(task.model, reference=reference, critic=recipe.critic)
    roles.add_value()
    if recipe.reward_model:
        roles.add_reward(reward_adapter(recipe.reward_model, recipe.model, task.home))
    return PPOTrainer(
        recipe=recipe,
        roles=roles,
        rules=task.rules,
        model=task.model,
        args=GRPOConfig(**task.arguments(**batch_arguments(recipe), beta=0.0)),
        train_dataset=prompt_rows(task),
        processing_class=task.tokenizer,
    )


def copy_adapter(model: Any, source: str, target: str) -> None:
    """Copy one adapter's weights into another of the same shape."""
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in weights.items():
            if f".{target}." in name:
                parameter.copy_(weights[name.replace(f".{target}.", f".{source}.")])


def train(task: Task) -> None:
    """Train the model in place."""
    trainer = build_trainer(task)

    write_rollouts(task, trainer, {"kind": ThresholdKind.ALL.value, "fraction": 1.0})
    task.watch.more = lambda: trainer.value_metrics
    task.run(trainer)

"""PPO's loop: two trained roles on one base. A backward for each, a clip for each, and the critic's head beside the adapters.

Forward and backward are made role by role: two roles in one backward would give wrong gradients under gradient checkpointing. The cheap
critic, a head on the policy's states, needs no pass of its own. Not here: any formula (``algorithms/ppo.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import clip_grad_norm_

from lab.core.recipes import Critic
from lab.core.step_time import Part
from lab.training.models.roles import VALUE, Roles, acting_as
from lab.training.trainers.group_trainer import GroupTrainer, whole
from lab.training.trainers.step_trainer import Batch
from lab.training.trainers.token_texts import TokenPieces

VALUE_HEAD = "value_head.safetensors"

CriticLoss = Callable[[Any, torch.Tensor, Batch], torch.Tensor]
"""The sibling's ``critic_loss(trainer, values, batch)``."""


class RolesTrainer(GroupTrainer):
    """The group trainer with a value for every token. Every completion trains; groups are kept for showing."""

    def __init__(self, *, roles: Roles, critic_loss: CriticLoss, **kwargs: Any) -> None:
        self.roles, self._critic_loss = roles, critic_loss
        super().__init__(**kwargs)
        roles.autocast = self.accelerator.autocast
        self.pieces = TokenPieces(self.processing_class)
        self._of_critic = torch.zeros(())

    # ---- rollout: what each role says of it, by micro-batches and without gradients

    def log_probs_as(self, adapter: str | None, batch: Batch) -> torch.Tensor:
        """log π of the completions' tokens under an adapter (None: the bare base), shape (B, T)."""

        def of(part: Batch) -> torch.Tensor:
            with acting_as(self.model, adapter):
                return self.log_probs(part)[0]

        return self._by_parts(batch, of)

    def values(self, batch: Batch) -> torch.Tensor:
        """V(s_t) of the state before each token of a completion, shape (B, T)."""
        return self._by_parts(batch, lambda part: self.roles.values(*whole(part), part["completion_ids"].size(1)))

    def reward_scores(self) -> torch.Tensor:
        """The reward model's score of each completion's text, shape (B,)."""
        assert self.rollout is not None
        texts = list(zip(self.rollout.conversations, self.rollout.texts, strict=True))
        return self.roles.scores_of(self.tokens, texts, rows=self.args.per_device_train_batch_size)

    def _by_parts(self, batch: Batch, function: Callable[[Batch], torch.Tensor]) -> torch.Tensor:
        names = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")
        rows, size = len(batch["completion_ids"]), self.args.per_device_train_batch_size
        with torch.no_grad():
            parts = [{name: batch[name][at : at + size] for name in names} for at in range(0, rows, size)]
            return torch.cat([function(part) for part in parts])

    # ---- update

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """The policy's forward and backward (trl's), then the critic's where it has an adapter of its own. Returns the policy's loss."""
        model.train()  # loading a checkpoint leaves it in eval mode
        part = self._prepare_inputs(inputs)
        loss = super().training_step(model, part, num_items_in_batch)
        if part is None:  # none of the step's rows in this micro-batch is this process's
            return loss
        if self.roles.critic is Critic.TRUNK:
            return loss - self._of_critic
        with acting_as(self.model, VALUE):  # until backward ends: gradient checkpointing computes the forward again
            with self.timer.part(Part.FORWARD):
                values = self.roles.values(*whole(part), part["completion_ids"].size(1))
                critic = self._critic_loss(self, values, part)
            with self.timer.part(Part.BACKWARD):
                self.accelerator.backward(critic)
        return loss

    def compute_loss(self, model: Any, inputs: Batch, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The policy's loss; with a head on the policy's states, the critic's is added, from the states of the same pass."""
        if self.roles.critic is Critic.OWN:
            return super().compute_loss(model, inputs, *args, **kwargs)
        with self.roles.noting_states() as passes:
            loss = super().compute_loss(model, inputs, *args, **kwargs)
        with self.timer.part(Part.FORWARD):
            values = self.roles.values_of(torch.cat(passes), inputs["completion_ids"].size(1))
            critic = self._critic_loss(self, values, inputs)
        self._of_critic = critic.detach()
        return loss + critic

    def _clipped(self, model: Any) -> torch.Tensor:
        """Each role's gradient is cut by its own norm: together, a critic that is far off would silence the policy.

        Returns the policy's norm before the cut, which is logged as ``grad_norm``; the critic's is ``critic_grad_norm``.
        """
        self.accelerator.unscale_gradients()  # once: a second time is an error under fp16
        critic = clip_grad_norm_(self.roles.critic_parameters(), self.args.max_grad_norm)
        self.metrics.note({"critic_grad_norm": float(critic)})
        return clip_grad_norm_(self.roles.policy_parameters(), self.args.max_grad_norm)

    # ---- the critic's head is no part of an adapter: saved and loaded beside it

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        weight = self.model.value_head.weight.detach().cpu()
        save_file({"weight": weight}, Path(output_dir or self.args.output_dir) / VALUE_HEAD)

    def _load_from_checkpoint(self, resume_from_checkpoint: Any, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.roles.settle()  # loading froze every adapter but the policy's
        weight = load_file(Path(resume_from_checkpoint) / VALUE_HEAD)["weight"]
        self.model.value_head.weight.data.copy_(weight)

"""PPO: a critic says what each token was worth; the policy moves in clipped steps. The lab's own (trl has none any more).

Formulas (Schulman et al., arXiv 1707.06347, eq. 7; GAE: arXiv 1506.02438, eq. 16; InstructGPT: arXiv 2203.02155)::

    r_t   = −β (log π_old(y_t) − log π_ref(y_t)),  and on the last token + R(x, y)
    δ_t   = r_t + γ V(s_{t+1}) − V(s_t),   V after the end is 0
    A_t   = Σ_l (γλ)^l δ_{t+l},  whitened over all tokens of the rollout;  returns_t = A_t + V(s_t) before whitening
    ρ_t   = π(y_t) / π_old(y_t)
    L_π   = − mean_t min(ρ_t A_t, clip(ρ_t, 1 − ε_low, 1 + ε_high) A_t)
    L_V   = ½ mean_t max( (V − returns)², (clip(V, V_old ± ε_V) − returns)² )

The loop is GRPO's (``trainers/group_trainer.py``) with two trained roles on one base (``trainers/roles_trainer.py``). Departures
from the papers and from trl's last PPO:

1. All four models are roles on one base (``lab/training/models/roles.py``), not four models.
2. R(x, y) stands on the last token that was written, its end token or, of a truncated completion, the last one; nothing is taken off for
   a missing end.
3. V after the last token is 0, truncated or not: there is no state after it.
4. Advantages are whitened with the population's deviation (n), over the tokens of the whole rollout; trl's used n − 1.
5. Means are over the tokens of the whole step, not means of its micro-batches' means.
6. Each role's gradient is clipped by its own norm.
7. ``critic = "trunk"``: L_π + c_V L_V go back together through the policy's adapter (Schulman et al., eq. 9), without an entropy term.
8. A stop between two updates of one rollout saves it; fewer prompts than a rollout takes are repeated.
9. Where an engine wrote the completions, L_π is weighed as GRPO's is (``importance.py``); r_t, A_t and L_V are not.
"""

from __future__ import annotations

from typing import Any

import torch
from trl import GRPOConfig

from lab.core.groups import ThresholdKind
from lab.core.recipes import PpoRecipe
from lab.store.models import reward_adapter
from lab.training.algorithms import losses
from lab.training.algorithms.importance import corrected
from lab.training.models.base import Loaded, load
from lab.training.models.roles import POLICY, Roles, copy_adapter
from lab.training.task import Task
from lab.training.trainers.group_trainer import batch_arguments, prompt_rows, write_groups
from lab.training.trainers.roles_trainer import RolesTrainer
from lab.training.trainers.rollout import unpadded
from lab.training.trainers.step_trainer import Batch
from lab.training.trainers.vllm_sampler import sampler_of
from lab.training.worker import team


def prepare(task: Task) -> Loaded:
    """The start model with the policy's adapter; a reward model from another base is refused before anything is loaded."""
    recipe: PpoRecipe = task.recipe
    if recipe.reward_model:
        reward_adapter(recipe.reward_model, recipe.model, task.home)
    return load(recipe, task.home)


def build_trainer(task: Task) -> RolesTrainer:
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
    return RolesTrainer(
        recipe=recipe,
        roles=roles,
        rules=task.rules,
        score=score,
        loss=loss,
        critic_loss=critic_loss,
        model=task.model,
        args=GRPOConfig(
            **task.arguments(**batch_arguments(recipe), beta=0.0)
        ),  # the KL is in the reward, not in the loss
        train_dataset=prompt_rows(task),
        processing_class=task.tokenizer,
        sampler=sampler_of(task),
    )


def score(trainer: RolesTrainer, batch: Batch) -> Batch:
    """Token rewards, values, advantages and returns of a rollout, shape (B, T) each; every completion trains."""
    recipe, mask = trainer.recipe, batch["completion_mask"].float()
    rewards = rewards_of(trainer, batch)
    trainer.make_groups(rewards.tolist(), ThresholdKind.ALL, skip_no_spread=False)

    old = trainer.log_probs_as(POLICY, batch)
    reference = trainer.log_probs_as(trainer.roles.reference, batch)
    values = trainer.values(batch)
    kl = losses.kl_k1(old, reference)
    token_rewards = losses.token_rewards(kl, rewards, mask, recipe.kl_coefficient)
    estimates = losses.gae(token_rewards, values, mask, recipe.discount, recipe.gae_lambda)

    real = team.together(estimates[mask.bool()])  # over the tokens of the whole rollout, of all processes
    batch["advantages"] = losses.whiten(estimates, mask, real)
    batch["returns"], batch["old_values"] = (estimates + values) * mask, values * mask
    batch["old_per_token_logps"], batch["ref_per_token_logps"] = old, reference
    batch["kept"] = torch.ones(len(mask), dtype=torch.bool, device=mask.device)
    trainer.metrics.lasting = {
        "kl": float(team.total((kl * mask).sum()) / team.total(mask.sum())),
        "explained_variance": losses.explained_variance(
            *(team.together(batch[name][mask.bool()]) for name in ("returns", "old_values"))
        ),
    }
    note_tokens(trainer, batch, token_rewards, real)
    return batch


def loss(trainer: RolesTrainer, model: Any, batch: Batch) -> torch.Tensor:
    """L_π of the step, the part of one micro-batch; B rows of T tokens."""
    low, high = trainer.epsilon_low, trainer.epsilon_high
    mask, advantages = batch["completion_mask"], batch["advantages"]

    logps, entropies = trainer.log_probs(batch, model, entropy=True)
    ratio = losses.ratio(logps, batch["old_per_token_logps"], mask)
    gain = losses.clipped_surrogate(ratio, advantages, low, high)
    gain, _ = corrected(trainer, batch, gain)  # where an engine wrote the completions

    trainer.metrics.mean("clip_ratio", losses.is_clipped(ratio, advantages, low, high), mask)
    trainer.metrics.mean("entropy", entropies, mask)
    return losses.over_step(
        -gain,
        mask,
        trainer.loss_type,
        tokens=batch["step_tokens"],
        rows=batch["step_rows"],
        longest=trainer.max_completion_length,
    )


def critic_loss(trainer: RolesTrainer, values: torch.Tensor, batch: Batch) -> torch.Tensor:
    """c_V L_V of the step, the part of one micro-batch: a mean over the step's tokens. ``values`` have shape (B, T)."""
    recipe, mask = trainer.recipe, batch["completion_mask"]
    errors = losses.clipped_value_loss(values, batch["old_values"], batch["returns"], recipe.value_clip)
    critic = (errors * mask).sum() / batch["step_tokens"]
    trainer.metrics.total("value_loss", critic)
    weighted: torch.Tensor = recipe.value_coefficient * critic
    return weighted


def train(task: Task) -> None:
    """Train the model in place."""
    trainer = build_trainer(task)
    write_groups(task, trainer, {"kind": ThresholdKind.ALL.value, "fraction": 1.0})
    task.run(trainer)


def rewards_of(trainer: RolesTrainer, batch: Batch) -> torch.Tensor:
    """R(x, y) of each completion: weighted rules plus the weighted score of the reward model, shape (B,)."""
    recipe: PpoRecipe = trainer.recipe
    assert trainer.rollout is not None
    rules = torch.tensor([reward.value for reward in trainer.rollout.rewards], device=batch["index"].device)
    rewards = recipe.rules_weight * rules
    if trainer.roles.has_reward:
        scores = trainer.reward_scores()
        trainer.rollout.model_scores = scores.tolist()
        rewards = rewards + recipe.reward_model_weight * scores
    return rewards


def note_tokens(trainer: RolesTrainer, batch: Batch, token_rewards: torch.Tensor, real: torch.Tensor) -> None:
    """Rewards, values and advantages token by token, for the journal. ``real``: the estimates that were whitened, shape (N,)."""
    assert trainer.rollout is not None
    mask = batch["completion_mask"]
    trainer.rollout.note_tokens(
        mask,
        rewards=token_rewards,
        values=batch["old_values"],
        advantages=batch["advantages"],
        texts=[trainer.pieces.of(row) for row in unpadded(batch["completion_ids"], mask)],
    )
    trainer.rollout.whitening = {"mean": float(real.mean()), "std": float(real.std(unbiased=False))}
    trainer.rollout.note_logps(batch, batch["old_per_token_logps"])

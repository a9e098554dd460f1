"""GRPO: K completions a prompt, rule rewards, the group's mean as baseline, a clipped update on the kept ones.

Loss (DeepSeekMath, arXiv 2402.03300, eq. 3; token normalisation of DAPO, arXiv 2503.14476, eq. 8)::

    ρ_t = π(y_t) / π_old(y_t)
    L   = − (1 / Σ kept tokens) · Σ_kept Σ_t [ min(ρ_t A, clip(ρ_t, 1 − ε_low, 1 + ε_high) A) − β · ρ_t · KL_t ]
    KL_t = π_ref/π − log(π_ref/π) − 1, times ρ_t so that its gradient is unbiased (DeepSeek-V3.2, arXiv 2512.02556)

Its family, by fields of the recipe: ``scale_rewards`` off with ``loss_type = "dr_grpo"`` (Dr. GRPO, arXiv 2503.20783); ``baseline =
"leave_one_out"`` (RLOO, arXiv 2402.14740); ``ratio_level = "sequence"`` (GSPO, arXiv 2507.18071: ρ = (π(y) / π_old(y))^(1/|y|)); ``epsilon_high``
above ``epsilon_low`` and ``dynamic_sampling`` (DAPO, arXiv 2503.14476, sections 3.1 and 3.2).

trl's GRPOTrainer gives the loop, generation and log-probabilities (``lab/training/trainers/group_trainer.py``). Departures from it:

1. Rewards, advantages and who is kept come from ``lab/core/groups.py``; a rule that fails is recorded, never NaN.
2. Dropped completions, and groups without spread, are left *out of* forward and backward, and out of the reference's pass.
3. The loss is divided by the tokens (``dapo``, ``bnpo``) or completions (``grpo``, ``dr_grpo``) that the *whole step* keeps; trl's ``bnpo``
   is a mean of its micro-batches' means.
4. π_old is the first update's own forward pass (the policy has not moved yet), not an extra one.
5. Where nothing is kept there is no forward, no backward and no optimiser step.
6. The reference of a run that starts from an adapter is that adapter; trl's, where all weights train, would be the bare base.
7. ``clip_ratio``, ``kl`` and ``entropy`` are means over the step's tokens, not means of its micro-batches' means.
8. A stop between two updates of one rollout saves it; trl asks the prompts again.
9. Where there are fewer prompts than a rollout takes, they are repeated; trl takes no step.
10. Dynamic sampling asks other prompts in place of groups without spread (``trainers/dynamic_sampling.py``); trl has none.
11. With ``rollouts = "vllm"`` the engine gets the adapter as an adapter; trl merges it into the base and sends the merged weights.
    Gains are weighed as in trl then (``importance.py``).
"""

from __future__ import annotations

from typing import Any

import torch
from trl import GRPOConfig
from trl.trainer.utils import add_fused_lm_head

from lab.core.recipes import GrpoRecipe, Training
from lab.training.algorithms import losses
from lab.training.algorithms.importance import corrected
from lab.training.models.base import Loaded, load, load_start
from lab.training.task import Task
from lab.training.trainers.group_trainer import GroupTrainer, batch_arguments, prompt_rows, write_groups
from lab.training.trainers.step_trainer import Batch
from lab.training.trainers.vllm_sampler import sampler_of


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it."""
    return load(task.recipe, task.home)


def build_trainer(task: Task) -> GroupTrainer:
    """The trainer of a task."""
    recipe: GrpoRecipe = task.recipe
    scale = "group" if recipe.scale_rewards else "none"
    trainer = GroupTrainer(
        recipe=recipe,
        rules=task.rules,
        score=score,
        loss=loss,
        model=task.model,
        args=GRPOConfig(**task.arguments(**batch_arguments(recipe), beta=recipe.beta, scale_rewards=scale)),
        train_dataset=prompt_rows(task),
        processing_class=task.tokenizer,
        sampler=sampler_of(task),
    )
    assert task.loaded is not None
    if trainer.beta and recipe.training is Training.FULL and not task.loaded.fresh_adapter:
        trainer.ref_model = load_start(recipe, task.home)
        add_fused_lm_head(trainer.ref_model.get_base_model(), temperature=recipe.temperature)
    return trainer


def score(trainer: GroupTrainer, batch: Batch) -> Batch:
    """A_i within each group by the recipe's estimator, shape (B,), and who trains: both by ``lab/core/groups.py``."""
    recipe: GrpoRecipe = trainer.recipe
    assert trainer.rollout is not None
    groups = trainer.make_groups(
        [reward.value for reward in trainer.rollout.rewards],
        recipe.threshold.kind,
        recipe.threshold.fraction,
        estimator=recipe.estimator,
        skip_no_spread=recipe.skip_no_spread,
    )
    device = batch["index"].device
    advantages = [advantage for group in groups for advantage in group.advantages]
    batch["advantages"] = torch.tensor(advantages, dtype=torch.float32, device=device)
    batch["kept"] = torch.tensor([kept for group in groups for kept in group.kept], device=device)
    return batch


def loss(trainer: GroupTrainer, model: Any, batch: Batch) -> torch.Tensor:
    """L of the step, the part of one micro-batch of kept completions; B rows of T tokens."""
    low, high, beta = trainer.epsilon_low, trainer.epsilon_high, trainer.beta
    mask, advantages = batch["completion_mask"], batch["advantages"].unsqueeze(1)  # (B, T), (B, 1)

    logps, entropies = trainer.log_probs(batch, model, entropy=True)
    old = batch.setdefault("old_per_token_logps", logps.detach())  # of the policy that wrote them: the first update's
    ratio = losses.ratio(logps, old, mask, trainer.recipe.ratio_level)  # (B, T), of a sequence (B, 1)
    gain = losses.clipped_surrogate(ratio, advantages, low, high)
    gain, importance = corrected(trainer, batch, gain)  # where an engine wrote the completions
    if beta:
        kl = ratio * losses.kl_k3(logps, batch["ref_per_token_logps"])
        gain = gain - beta * kl
        trainer.metrics.mean("kl", kl, mask)

    clipped = losses.is_clipped(ratio, advantages, low, high)
    counts = {"tokens": batch["step_tokens"], "rows": batch["step_rows"], "longest": trainer.max_completion_length}

    trainer.metrics.mean("clip_ratio", clipped, mask)
    trainer.metrics.mean("entropy", entropies, mask)
    parts = -gain * losses.token_weights(mask, trainer.loss_type, **counts)  # each token's part of L, for the journal
    trainer.note_tokens(
        batch, logps=logps, entropies=entropies, ratios=ratio, clipped=clipped, parts=parts, **importance
    )
    return losses.over_step(-gain, mask, trainer.loss_type, **counts)


def train(task: Task) -> None:
    """Train the model in place."""
    trainer = build_trainer(task)
    write_groups(task, trainer, task.recipe.threshold.model_dump(mode="json"))
    task.run(trainer)

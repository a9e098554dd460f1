"""GRPO: K completions a prompt, rule rewards, the group's mean as baseline, a clipped update on the kept ones.

Loss (DeepSeekMath, arXiv 2402.03300, eq. 3; token normalisation of DAPO, arXiv 2503.14476, eq. 8)::

    ρ_t = π(y_t) / π_old(y_t)
    L = − (1 / Σ kept tokens) · Σ_kept Σ_t [ min(ρ_t A, clip(ρ_t, 1 − ε_low, 1 + ε_high) A) − β · ρ_t · KL_t ]
    KL_t = π_ref/π − log(π_ref/π) − 1, times ρ_t so that its gradient is unbiased (DeepSeek-V3.2, arXiv 2512.02556)

Trainer: trl's GRPOTrainer, which generates, computes log-probabilities and the surrogate. Where we depart from it:
- rewards, advantages and who is kept come from ``lab/core``; a rule that fails is recorded, never NaN;
- dropped completions, and groups without spread, are left *out of* forward and backward, and out of the reference's pass;
- the old log-probabilities of several updates a rollout are those of the first update's own forward pass (the same numbers: the
  policy has not moved yet), not of an extra one;
- where nothing is kept there is no forward, no backward and no optimiser step.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.utils import shuffle_sequence_dict, use_adapter

from lab.core.groups import Estimator, Group, ThresholdKind, make_group
from lab.core.recipes import GrpoRecipe, LossType, SampledRecipe, micro_batch
from lab.core.rule_health import RuleHealth
from lab.core.rules import Reward
from lab.sandbox.rewards import Weighed, reward_batch
from lab.training.models.base import Loaded, load
from lab.training.rollout import Rollout
from lab.training.task import Task, as_conversation
from lab.training.worker.divergence import finite_scores

Batch = dict[str, Any]


class GroupTrainer(GRPOTrainer):
    """trl's trainer with the core's groups. ``on_rollout`` gets each rollout's groups once their log-probabilities are known."""

    def __init__(self, *, recipe: Any, rules: Sequence[Weighed], on_rollout: Any = None, **kwargs: Any) -> None:
        self.beta: float
        self.num_iterations: int
        self._buffered_inputs: list[Batch | None] | None
        super().__init__(reward_funcs=[_reward_of_rule_set], **kwargs)
        self.recipe, self.rules, self.on_rollout = recipe, rules, on_rollout
        self.rollout: Rollout | None = None
        self._rewards: list[Reward] = []
        self._health = RuleHealth()
        self._latest_logps: torch.Tensor | None = None
        self.tokens_generated = self.tokens_trained = 0

    # ---- rollout: generate, score, keep

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        started = time.perf_counter()
        texts = [completion[0]["content"] for completion in completions]
        asked = [(row["prompt"][-1]["content"], row.get("answer")) for row in inputs]
        rows = [(prompt, text, answer) for (prompt, answer), text in zip(asked, texts, strict=True)]
        self._rewards = reward_batch(self.rules, rows)
        self._health = self._health.after(self._rewards)
        self.rollout = Rollout(inputs, texts, [len(ids) for ids in completion_ids_list], self._rewards)
        self.rollout.reward_seconds = time.perf_counter() - started
        return torch.tensor([[reward.value] for reward in self._rewards], device=self.accelerator.device)

    def _generate_and_score_completions(self, inputs: Any) -> Batch:
        """trl's rollout, without its passes over completions that will be dropped; then the core decides."""
        beta, iterations, self.beta, self.num_iterations = self.beta, self.num_iterations, 0.0, 1
        try:
            batch: Batch = super()._generate_and_score_completions(inputs)
        finally:
            self.beta, self.num_iterations = beta, iterations
        assert self.rollout is not None
        self.rollout.step = self.state.global_step + 1
        ends = set(self.eos_token_ids)
        lengths = batch["completion_mask"].sum(1, keepdim=True)
        last = batch["completion_ids"].gather(1, (lengths - 1).clamp(min=0)).squeeze(1)
        self.rollout.truncated = [int(token) not in ends for token in last]
        self.tokens_generated += sum(self.rollout.tokens)
        batch["index"] = torch.arange(len(last), device=last.device)
        return self._score_rollout(batch)

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        with finite_scores(self.accelerator.unwrap_model(self.model)):
            return super()._generate_single_turn(*args, **kwargs)

    def _score_rollout(self, batch: Batch) -> Batch:
        """Who trains, and with which advantage: the core decides."""
        recipe = self.recipe
        groups = self._make_groups(
            [reward.value for reward in self._rewards],
            recipe.threshold.kind,
            recipe.threshold.fraction,
            estimator=Estimator.GROUP_SCALED if recipe.scale_rewards else Estimator.UNSCALED,
            skip_no_spread=recipe.skip_no_spread,
        )
        device = batch["advantages"].device
        advantages = [advantage for group in groups for advantage in group.advantages]
        batch["advantages"] = torch.tensor(advantages, dtype=torch.float32, device=device)
        batch["kept"] = torch.tensor([kept for group in groups for kept in group.kept], device=device)
        return batch

    def _make_groups(self, rewards: list[float], kind: ThresholdKind, fraction: float = 1.0, **how: Any) -> list[Group]:
        """The rollout's groups, of K rewards each, noted for the journal."""
        assert self.rollout is not None
        size = self.num_generations
        starts = range(0, len(rewards), size)
        self.rollout.groups = [make_group(rewards[at : at + size], kind, fraction, **how) for at in starts]
        return self.rollout.groups

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """The next micro-batch of kept completions, or None where this one is empty. Already prepared ones pass through."""
        if isinstance(generation_batch, dict) or not self.model.training:
            return generation_batch if isinstance(generation_batch, dict) else super()._prepare_inputs(generation_batch)
        slices = self.args.steps_per_generation
        if self._step % (slices * self.num_iterations) == 0 or self._buffered_inputs is None:
            batch = shuffle_sequence_dict(self._generate_and_score_completions(generation_batch))
            self._buffered_inputs = self._micro_batches(keep_only(batch), slices)
        return self._buffered_inputs[self._step % slices]

    def _micro_batches(self, batch: Batch, slices: int) -> list[Batch | None]:
        """Cut the kept rows into micro-batches of the usual size; the last ones may be smaller, or None."""
        size, kept = self.args.per_device_train_batch_size, len(batch["index"])
        parts: list[Batch | None] = []
        for start in range(0, size * slices, size):
            if start >= kept:
                parts.append(None)
                continue
            part = {k: v[start : start + size] if v.dim() else v for k, v in batch.items()}
            part["share"] = self._share(part, batch, slices)
            if self.beta:
                part["ref_per_token_logps"] = self._reference_logps(part)
            parts.append(part)
        return parts

    def _share(self, part: Batch, batch: Batch, slices: int) -> float:
        """What trl's mean over this micro-batch is multiplied by, so that the step's sum is a mean over the whole step."""
        if self.loss_type == LossType.DAPO:
            return 1.0  # divided by the whole step's tokens already
        if self.loss_type == LossType.BNPO:
            return float(part["completion_mask"].sum() / batch["completion_mask"].sum()) * slices
        return len(part["index"]) / len(batch["index"]) * slices

    def _reference_logps(self, part: Batch) -> torch.Tensor:
        """log π_ref of the kept completions, shape (rows, T): the start's, by adapter where there is one."""
        ids = torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1)
        mask = torch.cat([part["prompt_mask"], part["completion_mask"]], dim=1)
        width = part["completion_ids"].size(1)
        with torch.no_grad(), disable_gradient_checkpointing(self.model, self.args.gradient_checkpointing_kwargs):
            if self.ref_model is not None:
                return super()._get_per_token_logps_and_entropies(self.ref_model, ids, mask, width)[0]
            model = self.accelerator.unwrap_model(self.model)
            with use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None):
                return super()._get_per_token_logps_and_entropies(self.model, ids, mask, width)[0]

    # ---- update

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """As trl's, but an empty micro-batch makes no pass at all; with no gradient at all AdamW leaves weights and state alone."""
        model.train()
        part = self._prepare_inputs(inputs)
        if part is None:
            self._step += 1
            loss = torch.zeros((), device=self.accelerator.device)
        else:
            self.tokens_trained += int(part["completion_mask"].sum())
            loss = super().training_step(model, part, num_items_in_batch)
        if self._step % self.args.steps_per_generation == 0 and self.rollout is not None:
            if self.on_rollout:
                self.on_rollout(self.rollout)
            self.rollout = None
        return loss

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self._latest_logps = result[0].detach()
        return result

    def _compute_loss(self, model: Any, inputs: Batch) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs) * inputs["share"]
        if "old_per_token_logps" not in inputs:  # the first update of this rollout
            assert self._latest_logps is not None
            if self.num_iterations > 1:
                inputs["old_per_token_logps"] = self._latest_logps
            if self.rollout is not None:
                self.rollout.note_logps(inputs, self._latest_logps)
        return loss


def keep_only(batch: Batch) -> Batch:
    """The rows of the kept completions, without the columns that only dropped ones filled.

    ``num_items_in_batch`` becomes the number of kept tokens of the whole step, which the dapo loss divides by.
    """
    rows = batch["kept"].nonzero().squeeze(1)
    kept = {k: v[rows] if v.dim() else v for k, v in batch.items() if k != "kept"}
    if len(rows):
        left = int(kept["prompt_mask"].any(0).int().argmax())
        right = int(kept["completion_mask"].sum(1).max())
        for name in ("prompt_ids", "prompt_mask"):
            kept[name] = kept[name][:, left:]
        width = kept["completion_ids"].size(1)
        for name, value in kept.items():  # per-token advantages, values and log-probabilities too
            if name not in ("prompt_ids", "prompt_mask") and value.dim() == 2 and value.size(1) == width:
                kept[name] = value[:, :right]
    kept["num_items_in_batch"] = kept["completion_mask"].sum()
    return kept


def _reward_of_rule_set(**_: Any) -> list[float]:
    """Stands where trl wants a reward function; ``_calculate_rewards`` scores by the rule set instead."""
    raise AssertionError("rewards come from the rule set")


def prepare(task: Task) -> Loaded:
    """The start model with what trains on it."""
    return load(task.recipe, task.home)


def batch_arguments(recipe: SampledRecipe) -> dict[str, Any]:
    """What trl is told of batches, sampling and clipping, for every algorithm that samples."""
    size = micro_batch(recipe.batch_size, recipe.micro_batch_size)
    slices = recipe.batch_size // size
    return {
        "per_device_train_batch_size": size,
        "gradient_accumulation_steps": slices,
        "steps_per_generation": slices,
        "num_generations": recipe.group_size,
        "num_iterations": recipe.iterations,
        "max_completion_length": recipe.max_completion_length,
        "temperature": recipe.temperature,
        "top_k": 0,
        "epsilon": recipe.epsilon_low,
        "epsilon_high": recipe.epsilon_high,
        "loss_type": recipe.loss_type.value,
        "remove_unused_columns": False,
    }


def prompt_rows(task: Task) -> Dataset:
    """The task's prompts as trl reads them."""
    rows = [{"prompt": as_conversation(row["prompt"]), "answer": row.get("answer")} for row in task.dataset.train]
    return Dataset.from_list(rows)


def build_trainer(task: Task) -> GroupTrainer:
    """The trainer of a task."""
    recipe: GrpoRecipe = task.recipe
    scale = "group" if recipe.scale_rewards else "none"
    return GroupTrainer(
        recipe=recipe,
        rules=task.rules,
        model=task.model,
        args=GRPOConfig(**task.arguments(**batch_arguments(recipe), beta=recipe.beta, scale_rewards=scale)),
        train_dataset=prompt_rows(task),
        processing_class=task.tokenizer,
    )


def write_rollouts(task: Task, trainer: GroupTrainer, threshold: dict[str, Any]) -> None:
    """Let the trainer's rollouts go to the run's folder, as groups and as metrics."""

    def on_rollout(rollout: Rollout) -> None:
        for line in rollout.lines(threshold):
            task.reporter.group(line)
        task.watch.extra |= rollout.metrics()
        task.reporter.tokens_generated, task.reporter.tokens_trained = trainer.tokens_generated, trainer.tokens_trained

    trainer.on_rollout = on_rollout


def train(task: Task) -> None:
    """Train the model in place."""
    trainer = build_trainer(task)
    write_rollouts(task, trainer, task.recipe.threshold.model_dump(mode="json"))
    task.run(trainer)

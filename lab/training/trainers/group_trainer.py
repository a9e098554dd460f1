"""The loop of the algorithms that sample: generate K completions a prompt, score, choose who trains, cut into micro-batches.

trl's GRPOTrainer gives the loop, generation and log-probabilities. What is made of a rollout (``score``) and what is trained (``loss``)
are functions of the siblings ``grpo.py`` and ``ppo.py``. A rollout that is still in use is saved with a checkpoint, so that a run which
stops between two updates of one rollout goes on with it. Not here: any formula, and the journal's lines (``rollout.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.utils.rnn import pad_sequence
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from trl import GRPOTrainer
from trl.trainer.utils import shuffle_sequence_dict

from lab.core.groups import Group, ThresholdKind, make_group
from lab.core.recipes import SampledRecipe
from lab.core.rule_health import RuleHealth
from lab.core.step_time import Part
from lab.data.turns import as_conversation
from lab.sandbox.rewards import Weighed, reward_batch
from lab.training.cpu.generation import quick_generation
from lab.training.models.sharding import is_sharded, kept_gathered
from lab.training.models.tokens import tokens_of
from lab.training.task import Task
from lab.training.trainers.dynamic_sampling import Draws, Sampled, prompt_source, with_spread
from lab.training.trainers.rollout import Rollout, joined
from lab.training.trainers.sampler import Sampler
from lab.training.trainers.shares import IDLE
from lab.training.trainers.step_trainer import Batch, Loss, StepTrainer, acting_as_reference, own_file
from lab.training.trainers.token_journal import TokenJournal
from lab.training.worker import team
from lab.training.worker.divergence import finite_scores

ROLLOUT = "rollout.safetensors"
"""In a checkpoint: the micro-batches of the rollout in use, and its lasting metrics."""

Score = Callable[[Any, Batch], Batch]
"""A sibling's ``score(trainer, batch)``: adds advantages, and who is kept, to a rollout's batch."""


class GroupTrainer(StepTrainer, GRPOTrainer):
    """trl's loop around the sibling's ``score`` and ``loss``. ``on_rollout`` gets a rollout once its log-probabilities are known."""

    def __init__(
        self,
        *,
        recipe: Any,
        rules: Sequence[Weighed],
        score: Score,
        loss: Loss,
        on_rollout: Callable[[Rollout], None] | None = None,
        sampler: Sampler | None = None,
        **kwargs: Any,
    ) -> None:
        self._buffered_inputs: list[Batch | None] | None
        super().__init__(recipe=recipe, loss=loss, reward_funcs=[_reward_of_rule_set], **kwargs)
        self.rules, self._score, self.on_rollout = rules, score, on_rollout
        self.sampler = sampler
        """What writes the completions; None: the model in training."""
        self.tokens = tokens_of(self.processing_class, self.eos_token_ids)
        self.rollout: Rollout | None = None
        self._health = RuleHealth()
        self.journal: TokenJournal | None = None
        """Where the tokens of some groups are written; None: nowhere."""

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As transformers'; a sampler is let go of at the end, whatever it is."""
        try:
            return super().train(*args, **kwargs)
        finally:
            if self.sampler is not None:
                self.sampler.close()

    # ---- rollout: generate, score, keep

    def _generate_and_score_completions(self, inputs: Any) -> Batch:
        """One rollout: trl generates; the rules, and the sibling's ``score``, decide. No other pass is made over it."""
        sampled = self._ask(list(inputs))
        draws = self._with_spread(sampled)
        self.rollout = self._rollout_of(sampled)
        self.rollout.draws = draws
        texts = sampled.texts
        batch: Batch = {}
        for name, ids, side in (
            ("prompt", sampled.prompt_ids, "left"),
            ("completion", sampled.completion_ids, "right"),
        ):
            padded, mask = self.tokens.padded(ids, side)
            batch |= {f"{name}_ids": padded, f"{name}_mask": mask}
        if sampled.sampler_logps:
            logps = [torch.tensor(row, dtype=torch.float32) for row in sampled.sampler_logps]
            batch["sampler_logps"] = pad_sequence(logps, batch_first=True)
        batch = {name: value.to(self.accelerator.device) for name, value in batch.items()}
        batch["index"] = torch.arange(len(texts), device=self.accelerator.device)
        with self.timer.part(Part.SCORING):
            batch = self._score(self, batch)
        if self.journal is not None:
            batch["told"] = self.journal.choose(self.rollout, self.num_iterations).to(batch["kept"].device)
        return batch

    def _tokenize_prompts(self, prompts: Any) -> Any:
        ids: list[list[int]] = []
        for place, prompt in enumerate(prompts):  # those of a group are the same
            same = place > 0 and prompt == prompts[place - 1]
            ids.append(list(ids[-1]) if same else self.tokens.asked(prompt))
        return ids, None, {}

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        if self.sampler is not None:
            written = self.sampler.complete(prompt_ids, self.state.global_step)
            return written.ids, written.logps
        model = self.accelerator.unwrap_model(self.model)
        with finite_scores(model), quick_generation(model), kept_gathered(model):
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)

    def _ask(self, rows: list[Any]) -> Sampled:
        """One completion for each row, with the rules' rewards."""
        with self.timer.part(Part.GENERATION):
            prompt_ids, completion_ids, _, _, logps, *_ = self._generate([row["prompt"] for row in rows])
        self.metrics.tokens_generated += sum(len(ids) for ids in completion_ids)
        with self.timer.part(Part.REWARDS):
            texts = [self.tokens.text(ids) for ids in completion_ids]
            asked = [(row["prompt"][-1]["content"], row.get("answer")) for row in rows]
            rewards = reward_batch(
                self.rules, [(prompt, text, answer) for (prompt, answer), text in zip(asked, texts, strict=True)]
            )
            self._health = self._health.after(rewards)
        return Sampled(rows, prompt_ids, completion_ids, texts, rewards, logps or [])

    def _with_spread(self, sampled: Sampled) -> Draws | None:
        """Other prompts in place of groups without spread, where the recipe asks for that (GRPO's ``dynamic_sampling``)."""
        rounds = getattr(self.recipe, "dynamic_sampling", 0)
        if not rounds:
            return None
        draw = prompt_source(self.train_dataset, self.recipe.seed, self.state.global_step, team.rank())
        if not is_sharded(self.model):
            return with_spread(sampled, self.num_generations, rounds, draw, self._ask)
        return with_spread(sampled, self.num_generations, rounds, draw, self._ask, lambda own: any(team.gathered(own)))

    def _rollout_of(self, sampled: Sampled) -> Rollout:
        """What was asked and written, for the journal."""
        lengths = [len(ids) for ids in sampled.completion_ids]
        rollout = Rollout(sampled.rows, sampled.texts, lengths, sampled.rewards)
        rollout.reward_seconds = self.timer.so_far(Part.REWARDS)
        rollout.step = self.state.global_step + 1
        rollout.truncated = [not self.tokens.has_ended(ids) for ids in sampled.completion_ids]
        return rollout

    def make_groups(self, rewards: list[float], kind: ThresholdKind, fraction: float = 1.0, **how: Any) -> list[Group]:
        """The rollout's groups, of K rewards each, noted for the journal."""
        assert self.rollout is not None
        size = self.num_generations
        starts = range(0, len(rewards), size)
        self.rollout.groups = [make_group(rewards[at : at + size], kind, fraction, **how) for at in starts]
        return self.rollout.groups

    def log_probs(self, batch: Batch, model: Any = None, *, entropy: bool = False) -> tuple[torch.Tensor, Any]:
        """log π of the completions' tokens, and each place's entropy where asked for; shape (B, T) each."""
        ids, mask = whole(batch)
        logps, entropies, _ = self._get_per_token_logps_and_entropies(
            self.model if model is None else model, ids, mask, batch["completion_ids"].size(1), compute_entropy=entropy
        )
        return logps, entropies

    # ---- micro-batches

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """The next micro-batch of kept completions, or None where this one is empty. Already prepared ones pass through."""
        if isinstance(generation_batch, dict):
            return generation_batch
        slices = self.args.steps_per_generation
        if not self._in_mid_rollout or self._buffered_inputs is None:
            batch = shuffle_sequence_dict(self._generate_and_score_completions(generation_batch))
            kept = keep_only(batch)
            kept["step_tokens"], kept["step_rows"] = team.total(kept["step_tokens"]), team.total(kept["step_rows"])
            filler = _first_row(batch, kept) if is_sharded(self.model) else None
            self._buffered_inputs = self._micro_batches(kept, slices, filler)
        return self._buffered_inputs[self._step % slices]

    @property
    def _in_mid_rollout(self) -> bool:
        """Whether the rollout has been used, and will be used again."""
        return bool(self._step % (self.args.steps_per_generation * self.num_iterations))

    def _micro_batches(self, batch: Batch, slices: int, filler: Batch | None = None) -> list[Batch | None]:
        """Cut the kept rows into micro-batches of the usual size; the last ones may be smaller, or None. With a ``filler`` it stands in until
        the process that keeps most has no more: then all make as many passes."""
        size, kept = self.args.per_device_train_batch_size, len(batch["index"])
        most = kept if filler is None else max(team.gathered(kept))
        parts: list[Batch | None] = []
        for start in range(0, size * slices, size):
            if start < kept:
                part = {k: v[start : start + size] if v.dim() else v for k, v in batch.items()}
            elif filler is not None and start < most:
                part = dict(filler)
            else:
                parts.append(None)
                continue
            if self.beta:
                with self.timer.part(Part.SCORING), acting_as_reference(self) as reference:
                    part["ref_per_token_logps"] = self.log_probs(part, reference)[0]
            parts.append(part)
        return parts

    # ---- update

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """As trl's, but an empty micro-batch makes no pass at all; with no gradient at all AdamW leaves weights and state alone."""
        model.train()
        part = self._prepare_inputs(inputs)
        if part is None:
            self._step += 1
            loss = torch.zeros((), device=self.accelerator.device)
        else:
            if IDLE not in part:
                self.metrics.train_on(part["completion_mask"])
            loss = super().training_step(model, part, num_items_in_batch)
        if self._step % self.args.steps_per_generation == 0 and self.rollout is not None:
            whole_rollout = joined(team.gathered(self.rollout))
            self.metrics.note(whole_rollout.metrics())
            if self.on_rollout:
                with self.timer.part(Part.WRITING):
                    self.on_rollout(whole_rollout)
            self.rollout = None
        if self._step % self.args.steps_per_generation == 0 and self.journal is not None:
            update = (self._step // self.args.steps_per_generation - 1) % self.num_iterations + 1
            with self.timer.part(Part.WRITING):
                self.journal.write(self.state.global_step + 1, update)
        return loss

    def note_tokens(self, batch: Batch, **values: torch.Tensor) -> None:
        """What a sibling's loss made of each token of a micro-batch, shape (B, T) or (B, 1), for the groups whose tokens are written."""
        if self.journal is not None and "told" in batch:
            with self.timer.part(Part.WRITING):
                self.journal.note(batch, values, self.num_generations)

    def compute_loss(self, model: Any, inputs: Batch, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The sibling's; the first update of a rollout says how likely its completions were when they were written."""
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if self.rollout is not None and IDLE not in inputs:
            self.rollout.note_logps(inputs, inputs["old_per_token_logps"])
        return loss

    # ---- a checkpoint in mid-rollout

    def _save_own(self, folder: Path) -> None:
        super()._save_own(folder)
        if self._in_mid_rollout and self._buffered_inputs is not None:
            tensors = {
                f"{number}.{name}": value.detach().cpu().contiguous().clone()
                for number, part in enumerate(self._buffered_inputs)
                for name, value in (part or {}).items()
            }
            save_file(tensors, folder / own_file(ROLLOUT), metadata={"lasting": json.dumps(self.metrics.lasting)})

    def _load_from_checkpoint(self, resume_from_checkpoint: Any, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        folder, slices = Path(resume_from_checkpoint), self.args.steps_per_generation
        self._step = TrainerState.load_from_json(str(folder / TRAINER_STATE_NAME)).global_step * slices
        if not self._in_mid_rollout:
            return
        if not (folder / own_file(ROLLOUT)).exists():
            print("this checkpoint holds no rollout: its prompts are asked again", flush=True)
            return
        parts: list[Batch] = [{} for _ in range(slices)]
        with safe_open(folder / own_file(ROLLOUT), framework="pt", device=str(self.accelerator.device)) as file:
            self.metrics.lasting = json.loads(file.metadata()["lasting"])
            for key in file.keys():  # noqa: SIM118
                number, _, name = key.partition(".")
                parts[int(number)][name] = file.get_tensor(key)
        self._buffered_inputs = [part or None for part in parts]


def whole(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids of prompt and completion together, shape (B, tokens), and their mask."""
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    return ids, torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)


def keep_only(batch: Batch) -> Batch:
    """The rows of the kept completions, without the columns that only dropped ones filled.

    ``step_tokens`` and ``step_rows`` become the kept tokens and completions of the whole step, which the loss divides by.
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
    kept["step_tokens"] = kept["completion_mask"].sum()
    kept["step_rows"] = torch.tensor(len(rows))
    return kept


def _first_row(batch: Batch, kept: Batch) -> Batch:
    """A micro-batch of a rollout's first row, for passes that count nothing; the step's sizes are those of ``kept``."""
    row = {name: value[:1] if value.dim() else value for name, value in batch.items() if name != "kept"}
    return {**row, "step_tokens": kept["step_tokens"], "step_rows": kept["step_rows"], IDLE: torch.tensor(True)}


def _reward_of_rule_set(**_: Any) -> list[float]:
    """Stands where trl wants a reward function; ``_rewarded`` scores by the rule set instead."""
    raise AssertionError("rewards come from the rule set")


def batch_arguments(recipe: SampledRecipe) -> dict[str, Any]:
    """What trl is told of batches, sampling and clipping, for every algorithm that samples."""
    size = recipe.rows_per_pass
    slices = recipe.batch_size // size  # of several processes, each fills its part of them
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
    """The task's prompts as trl reads them, repeated where a rollout takes more prompts than there are (trl would take no step)."""
    prompts, needed = task.dataset.train, task.recipe.batch_size // task.recipe.group_size
    rows = [{"prompt": as_conversation(row["prompt"]), "answer": row.get("answer")} for row in prompts]
    if len(rows) < needed:
        times = -(-needed // len(rows))
        print(
            f"a step asks {needed} prompts and there are {len(rows)}: each step asks some or all of them up to {times} times",
            flush=True,
        )
        rows = rows * times
    return Dataset.from_list(rows)


def write_groups(task: Task, trainer: GroupTrainer, threshold: dict[str, Any]) -> None:
    """Let the trainer's rollouts go to the run's folder, a line a group, and the tokens of as many groups as the recipe has room for.

    Of several processes the leader writes: the groups of all, and tokens of groups of its own.
    """
    if not team.is_leader():
        return

    def on_rollout(rollout: Rollout) -> None:
        for line in rollout.lines(threshold):
            task.reporter.append("groups", line)
        task.measure_start_in_step()

    trainer.on_rollout = on_rollout
    if room := getattr(task.recipe, "token_megabytes", 0):
        trainer.journal = TokenJournal(task.reporter, trainer.processing_class, room, task.recipe.steps)

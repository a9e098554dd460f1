"""One run as the algorithms' files get it: its parts, the arguments of its trainer, measuring and saving.

One algorithm a file in ``algorithms/``, each with ``prepare``, ``build_trainer``, ``loss`` and ``train``; the order of a run is ``worker/main.py``'s.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PrinterCallback, ProgressCallback, set_seed

from lab.core.algorithms import DataForm, algorithm_of
from lab.core.recipes import RuleUse, Schedule
from lab.data.datasets import Dataset
from lab.errors import MachineError
from lab.sandbox import trusted
from lab.sandbox.rewards import Weighed, weighed
from lab.store.run_folder import MACHINE_SPEED, RunFolder
from lab.training.measure import heldout as measure
from lab.training.measure import machine_speed
from lab.training.measure.agreement import Agreement
from lab.training.measure.work_counter import WorkCounter
from lab.training.models import sharding
from lab.training.models.base import Loaded, choose_dtype, default_optimizer, load_start
from lab.training.models.roles import acting_as
from lab.training.models.tokens import Tokens
from lab.training.worker import team
from lab.training.worker.outcome import StartWeights
from lab.training.worker.reporter import Reporter, peak_memory_bytes
from lab.training.worker.tracking import tracking
from lab.training.worker.watch import Watch

MEASURE_SEED = 20_000
"""Held-out sampling is seeded apart from training, and alike for every run."""

SEEDS_APART = 100_003
"""Between the seeds by which two processes of a run sample."""

MID_RUN_SAMPLES = 256
MID_RUN_KL_SAMPLES = 128
KL_SAMPLES = measure.KL_SAMPLES

SCHEDULES = {Schedule.CONSTANT: "constant_with_warmup"}
"""Their names in transformers, where they differ: its ``constant`` ignores the warm-up."""

DEFAULT_RULES = ("equals_answer", "integer_answer", "consistent")


@dataclass
class Task:
    """One run in the worker's hands."""

    recipe: Any
    folder: RunFolder
    reporter: Reporter
    dataset: Dataset
    rules: Sequence[Weighed]
    home: Path
    resume_from: Path | None = None
    loaded: Loaded | None = None
    own_measure: Callable[[Task], dict[str, Any] | None] | None = None
    """An algorithm's own held-out measurement, where sampling completions says nothing of it (a reward model)."""
    agreement: Agreement | None = None
    """With people, on the judged pairs that the recipe watches."""
    watch: Watch = field(init=False)
    before: dict[str, Any] | None = None
    """The held-out measurement of the start."""
    start_is_unmeasured: bool = False
    """``before`` is made in the first step: after its rollout, which a person waits for, and before its update."""

    def __post_init__(self) -> None:
        if any(isinstance(entry.rule, trusted.TrustedRule) for entry in self.rules):
            trusted.keep_beside(self.folder.path)
        self.watch = Watch(self.reporter, self.recipe, self.measure_at if self.measures else None)

    @property
    def model(self) -> Any:
        """The model in training."""
        assert self.loaded is not None
        return self.loaded.model

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        assert self.loaded is not None
        return self.loaded.tokenizer

    @property
    def tokens(self) -> Tokens:
        """Its tokenizer, examined: what is trained, where turns end, what pads."""
        assert self.loaded is not None
        return self.loaded.tokens

    @property
    def asks_as_trained(self) -> bool:
        """Whether measuring asks as demonstrations have it: what trains on given texts never sees what a template opens."""
        return algorithm_of(self.recipe).data is not DataForm.PROMPTS

    @property
    def measures(self) -> bool:
        """Whether there is anything held out to measure on. Of several processes the leader measures alone; where they share the base, all
        measure the same, for a pass needs all of them."""
        data = self.dataset
        there = bool(data.held_out or data.held_out_pairs or data.watched)
        takes_part = team.is_leader() or sharding.is_asked_for(self.recipe)
        return there and self.recipe.measure_samples > 0 and takes_part

    @property
    def longest_completion(self) -> int:
        """In tokens, when measuring."""
        return int(getattr(self.recipe, "max_completion_length", 0) or 40)

    def note_start(self) -> None:
        """Make ready to watch judged pairs. Before anything trains, so that the model is the start; a resumed run's too."""
        recipe, pairs = self.recipe, self.dataset.watched
        if pairs:
            size = recipe.rows_per_pass
            self.agreement = Agreement(
                self.model,
                self.tokens,
                pairs,
                rows=size,
                scored_at_once=size * recipe.max_completion_length,
                name=recipe.watch_preferences,
            )

    def measure_start(self) -> None:
        """Measure the start, and write it down. The model has not been updated yet."""
        self.start_is_unmeasured = False
        if (measured := self.measure()) is not None:
            self.reporter.held_out(0, measured)
            if team.is_leader():
                self.folder.write("before.json", measured)
        self.before = measured

    def measure_start_in_step(self) -> None:
        """Do so in the middle of the first step, where that was put off until now."""
        if self.start_is_unmeasured:
            with self.reporter.stage_in_step("measuring_before"):
                self.measure_start()

    def measure(self, samples: int | None = None, *, until: float = 1.0) -> dict[str, Any] | None:
        """What is held out, measured on the model as it is now; None where nothing is. ``until``: this part's end within the stage."""
        if self.own_measure is not None:
            return self.own_measure(self)
        sampled = self._measure_samples(samples, until) if self.measures and self.dataset.held_out else {}
        agreed = self.agreement.of(self.model) if self.agreement is not None else {}
        return {**sampled, **agreed} or None

    def _measure_samples(self, samples: int | None, until: float) -> dict[str, Any]:
        """pass@1 and reward."""

        return measure.held_out(
            self.model,
            self.tokens,
            self.dataset.held_out,
            self.rules,
            samples=samples or self.recipe.measure_samples,
            max_new_tokens=self.longest_completion,
            seed=MEASURE_SEED,
            as_trained=self.asks_as_trained,
            on_batch=self._tells(0.0, until),
        )

    def _tells(self, begin: float, end: float) -> Callable[[float], None]:
        """Shows how far one part of a stage is, which runs from ``begin`` to ``end`` of the stage."""

        def on_batch(fraction: float) -> None:
            self.reporter.stage_fraction = begin + fraction * (end - begin)

        return on_batch

    @property
    def answers_share(self) -> float:
        """The answers' share of the last stage, whose rest is the KL from the start."""
        answers = self.recipe.measure_samples
        return answers / (answers + self._kl_samples(KL_SAMPLES)) if answers else 1.0

    def measure_at(self, step: int) -> None:
        """Measure in mid-run, on a sample that does not hold the run up, and write it down."""
        if (measured := self.measure(min(MID_RUN_SAMPLES, self.recipe.measure_samples))) is not None:
            if self.start_is_at_hand and (kl := self.kl_from_start(MID_RUN_KL_SAMPLES)) is not None:
                measured = {**measured, "kl_from_start": kl}
            self.reporter.held_out(step, measured)

    @property
    def start_is_at_hand(self) -> bool:
        """Whether the start is the model with its adapter off, so that a KL from it costs no second model in memory."""
        return self.loaded is not None and self.loaded.fresh_adapter and hasattr(self.model, "disable_adapter")

    def _kl_samples(self, most: int) -> int:
        """The completions that the KL from the start is estimated on; 0 for a model from scratch or nothing held out."""
        measures = self.measures and self.dataset.held_out and algorithm_of(self.recipe).measures_kl
        return min(most, self.recipe.measure_samples) if measures else 0

    def kl_from_start(self, most_samples: int = KL_SAMPLES, *, begin: float = 0.0) -> float | None:
        """How far the policy has moved, in nats a completion; None where it is not measured. ``begin``: this part's within the stage."""
        samples = self._kl_samples(most_samples)
        if not samples:
            return None
        policy = self.model
        if self.start_is_at_hand:

            def start(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                with acting_as(policy, None):  # in mid-run too: it freezes nothing that trains
                    return measure.token_logps(policy, ids, mask)

        else:
            frozen = load_start(self.recipe, self.home)

            def start(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                return measure.token_logps(frozen, ids, mask)

        return measure.kl_from_start(
            policy,
            start,
            self.tokens,
            self.dataset.held_out,
            max_new_tokens=self.longest_completion,
            seed=MEASURE_SEED,
            samples=samples,
            as_trained=self.asks_as_trained,
            on_batch=self._tells(begin, 1.0),
        )

    def save_model(self, place: Path | None = None) -> None:
        """Weights or adapter, and the tokenizer; whole or not at all. Of several processes the leader writes."""
        sharding.release(self.model)
        if not team.is_leader():
            return
        target = place or self.folder.model_path
        draft = target.with_name(target.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            # trl adds the frozen start as an adapter named "ref"; it is not what was trained
            only = {"selected_adapters": ["default"]} if hasattr(self.model, "peft_config") else {}
            self.model.save_pretrained(draft, **only)
            self.tokenizer.save_pretrained(draft)
            self._save_ends(draft)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise MachineError("disk_full", path=target.parent) if error.errno == 28 else error from None
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)

    def _save_ends(self, folder: Path) -> None:
        """``generation_config.json`` with every end token, beside an adapter too, so that the model stops where it was trained to wherever it is loaded."""
        config = getattr(self.model, "generation_config", None) or GenerationConfig()
        config.pad_token_id, config.eos_token_id = self.tokens.pad, list(self.tokens.ends)
        config.save_pretrained(folder)

    def try_saving(self) -> None:
        """Save once before the first step: a model that cannot be saved must not train to its end first."""
        trial = self.folder.path / "trial"
        self.save_model(trial)
        if team.is_leader():
            shutil.rmtree(trial)

    def note_machine_speed(self, *, measure: bool) -> None:
        """Write how fast this machine is, which the work of a step is held against: where it is kept, or measured now if it is to be.

        Several processes share the machine, and an Apple GPU's clock is not waited for: neither is measured.
        """
        assert self.loaded is not None
        device = self.loaded.device
        if team.size() > 1 or device.type not in ("cpu", "cuda"):
            return
        find = machine_speed.measured if measure else machine_speed.kept
        with suppress(torch.OutOfMemoryError, MemoryError, OSError):  # no room for it: the run is trained all the same
            if (speed := find(self.home, device, choose_dtype(self.recipe.precision, device))) is not None:
                self.folder.write(MACHINE_SPEED, asdict(speed))

    def arguments(self, **more: Any) -> dict[str, Any]:
        """What every trainer of transformers and trl is given; ``more`` is the algorithm's own."""
        recipe = self.recipe
        assert self.loaded is not None
        self.loaded.keep_wide()  # a trainer is about to be made
        device = self.loaded.device
        dtype = choose_dtype(recipe.precision, device)
        shared = {
            "output_dir": str(self.folder.path / "checkpoints"),
            "max_steps": recipe.steps,
            "learning_rate": recipe.learning_rate,
            "lr_scheduler_type": SCHEDULES.get(recipe.schedule, recipe.schedule.value),
            "warmup_steps": recipe.warmup_steps,
            "optim": default_optimizer(device.type, recipe.four_bit_base),
            "weight_decay": recipe.weight_decay,
            "max_grad_norm": recipe.max_grad_norm,
            "seed": recipe.seed,
            "data_seed": recipe.seed,
            "logging_steps": 1,
            "save_strategy": "steps",
            "save_steps": recipe.save_every,
            **(tracking(recipe, self.folder.path) if team.is_leader() else {"report_to": []}),
            "disable_tqdm": True,
            "use_cpu": device.type == "cpu",
            "bf16": dtype is torch.bfloat16,
            "fp16": dtype is torch.float16,
            "gradient_checkpointing": recipe.recomputes_activations,
            "dataloader_pin_memory": device.type == "cuda",
            "logging_nan_inf_filter": False,
        }
        return shared | more

    def run(self, trainer: Any) -> None:
        """Train with the lab's callback in place of the printing ones; resumes where there is a checkpoint.

        Where that is the last step's, its weights are loaded and nothing is trained: the run ended before its model was saved.
        """
        assert self.loaded is not None
        self.loaded.widen()
        trainer.timer = self.reporter.timer
        if self.loaded.device.type == "cuda":
            trainer.timer.settle = torch.cuda.synchronize
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(self.watch)
        work = WorkCounter(self.model, self.reporter.timer) if team.size() == 1 else None

        def of_step() -> dict[str, Any]:
            self.reporter.tokens_generated = trainer.metrics.generated_by_all
            self.reporter.tokens_trained = trainer.metrics.trained_by_all
            counts = work.take(trainer.metrics.tokens_trained) if work is not None else {}
            return {**trainer.of_step, **counts}

        self.watch.more = of_step
        if team.size() > 1:
            StartWeights(self.model).require_alike()
        if team.rank():  # the weights were drawn alike by all; what is sampled from now on is each one's own
            set_seed(self.recipe.seed + SEEDS_APART * team.rank())
        if self.resume_from is not None and self.reporter.step >= self.recipe.steps:
            trainer._load_from_checkpoint(str(self.resume_from))
            return
        trainer.train(resume_from_checkpoint=str(self.resume_from) if self.resume_from else None)
        if team.size() > 1:
            peaks = team.gathered(peak_memory_bytes())
            self.reporter.peak_of_all = max(peaks) if self.loaded.device.type == "cuda" else sum(peaks)


def rule_set(recipe: Any) -> list[Weighed]:
    """The recipe's rules, those of the equations where it has none; RuleError names an unknown one."""
    uses = recipe.rule_uses
    return weighed([RuleUse(name=name) for name in DEFAULT_RULES] if uses is None else uses)

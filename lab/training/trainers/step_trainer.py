"""What the trainers of all six algorithms share: the sibling's own loss, counts of a whole optimiser step, and the step's metrics.

A step may go through several micro-batches. Each gives a part of the step's loss, divided by what the *step* holds (tokens, pairs), so
that the gradient is the step's however ragged its last micro-batch is; trl's trainers take a mean of means. Metrics are gathered the
same way. Not here: any formula (``algorithms/losses.py``), and generation (``group_trainer.py``).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback
from trl.models.utils import disable_gradient_checkpointing

from lab.core.step_time import Part
from lab.training.cpu.head import use_on_cpu
from lab.training.models.roles import acting_as
from lab.training.models.sharding import is_sharded, release
from lab.training.trainers.shares import IDLE, collate_share
from lab.training.worker import team
from lab.training.worker.step_timer import StepTimer

FEW_ROWS = 1000
"""Rows that are tokenised in a fifth of a second."""
KEPT_TOKENS = 4_000_000
"""How many ids of rows are kept for later epochs: 16 MB."""
RANDOM_STATE = "random.safetensors"
"""In a checkpoint of several processes: the state of the generators of each but the first."""

Batch = dict[str, Any]
Row = dict[str, Any]
Loss = Callable[[Any, Any, Batch], torch.Tensor]
"""A sibling's ``loss(trainer, model, batch)``: the part of the step's loss that one micro-batch gives."""


class StepMetrics:
    """The metrics of one step, gathered over its micro-batches and over all processes, and the tokens handled since the run was begun."""

    def __init__(self) -> None:
        self.tokens_generated = self.tokens_trained = 0
        """By this process."""
        self.generated_by_all = self.trained_by_all = 0
        """By all of them, as of the last step."""
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, torch.Tensor] = {}
        self._totals: dict[str, torch.Tensor] = {}
        self._extremes: dict[str, tuple[bool, float]] = {}
        """By name, whether it is a highest number, and the number."""
        self._noted: dict[str, Any] = {}
        self.lasting: dict[str, Any] = {}
        """Logged at every step until replaced: what holds for a rollout holds for all its updates."""

    def mean(self, name: str, values: torch.Tensor, mask: torch.Tensor | None = None) -> None:
        """Count values of any shape towards the step's mean, those only where ``mask`` is 1."""
        values = values.detach().float()
        mask = torch.ones_like(values) if mask is None else mask.float()
        self._sums[name] = self._sums.get(name, 0.0) + (values * mask).sum()
        self._counts[name] = self._counts.get(name, 0.0) + mask.sum()

    def most(self, name: str, values: torch.Tensor, mask: torch.Tensor) -> None:
        """Count values towards the step's highest, those only where ``mask`` is 1."""
        self._extreme(name, values, mask, highest=True)

    def least(self, name: str, values: torch.Tensor, mask: torch.Tensor) -> None:
        """Count values towards the step's lowest, those only where ``mask`` is 1."""
        self._extreme(name, values, mask, highest=False)

    def _extreme(self, name: str, values: torch.Tensor, mask: torch.Tensor, *, highest: bool) -> None:
        real = values.detach().float()[mask.bool()]
        if real.numel():
            self._note_extreme(self._extremes, name, highest, float(real.max() if highest else real.min()))

    @staticmethod
    def _note_extreme(into: dict[str, tuple[bool, float]], name: str, highest: bool, value: float) -> None:
        before = into[name][1] if name in into else value
        into[name] = (highest, max(before, value) if highest else min(before, value))

    def total(self, name: str, part: torch.Tensor) -> None:
        """Add one micro-batch's part of a number of the step."""
        self._totals[name] = self._totals.get(name, 0.0) + part.detach().float()

    def note(self, values: Mapping[str, Any]) -> None:
        """Numbers of this step, as they are."""
        self._noted |= values

    def train_on(self, mask: torch.Tensor) -> None:
        """Count the tokens of a micro-batch as trained."""
        self.tokens_trained += int(mask.sum())

    def take(self) -> dict[str, Any]:
        """The step's metrics; what is gathered from here on is the next step's. All processes take them at the same step."""
        own = {name: (float(value), float(self._counts[name])) for name, value in self._sums.items()}
        parts = {name: float(value) for name, value in self._totals.items()}
        means: dict[str, tuple[float, float]] = {}
        totals: dict[str, float] = {}
        extremes: dict[str, tuple[bool, float]] = {}
        self.generated_by_all = self.trained_by_all = 0
        for sums, its_parts, its_extremes, generated, trained in team.gathered(
            (own, parts, self._extremes, self.tokens_generated, self.tokens_trained)
        ):
            for name, (value, count) in sums.items():
                before = means.get(name, (0.0, 0.0))
                means[name] = (before[0] + value, before[1] + count)
            totals |= {name: totals.get(name, 0.0) + part for name, part in its_parts.items()}
            for name, (highest, value) in its_extremes.items():
                self._note_extreme(extremes, name, highest, value)
            self.generated_by_all += generated
            self.trained_by_all += trained
        of_step = {name: value / max(1.0, count) for name, (value, count) in means.items()}
        of_all = {name: value for name, (_, value) in extremes.items()}
        taken = self.lasting | of_step | totals | of_all | self._noted
        self._sums, self._counts, self._totals, self._noted = {}, {}, {}, {}
        self._extremes = {}
        return taken


class LazyRows(Dataset):  # type: ignore[type-arg]
    """Rows that are tokenised when a batch first asks for them, so that no run waits for a whole file. Later epochs find the ids of the rows
    that had room, 4 bytes each. A small file that a run reads to its end is tokenised before its first step (``read_ahead``)."""

    def __init__(
        self, rows: Sequence[Row], encode: Callable[[Row], dict[str, list[int]]], room: int = KEPT_TOKENS
    ) -> None:
        self.rows, self.encode, self._room = rows, encode, room
        self._kept: dict[int, dict[str, array[int]]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        if (kept := self._kept.get(index)) is not None:
            return {name: ids.tolist() for name, ids in kept.items()}
        row = self.encode(self.rows[index])
        if (size := sum(map(len, row.values()))) <= self._room:
            self._room -= size
            self._kept[index] = {name: array("i", ids) for name, ids in row.items()}
        return row

    def read_ahead(self, wanted: int) -> None:
        """Tokenise all rows now, where they are few and at least as many are ``wanted`` in the end."""
        if len(self) <= min(FEW_ROWS, wanted):
            for index in range(len(self)):
                self[index]


class StepTrainer(Trainer):
    """A trainer of transformers or trl (the second base of a subclass) that takes its loss from a sibling.

    ``size_of(batch)`` is what a micro-batch holds of what the loss is a mean over; ``rows`` replace trl's tokenised data set.
    """

    loss_is_scaled_for_ga = True
    journal: Any = None
    """Where a sibling writes some rows token by token; None: nowhere."""

    def __init__(
        self,
        *,
        recipe: Any,
        loss: Loss,
        size_of: Callable[[Batch], int] | None = None,
        rows: LazyRows | None = None,
        **kwargs: Any,
    ) -> None:
        self.recipe, self._loss, self._size_of, self._rows = recipe, loss, size_of, rows
        self.metrics = StepMetrics()
        self.of_step: dict[str, Any] = {}
        """The last step's metrics."""
        self.timer = StepTimer()
        self._in_step: int | None = None
        arguments = kwargs["args"]
        if arguments.use_cpu:
            use_on_cpu()
        if arguments.n_gpu > 1:  # transformers would wrap the model in DataParallel, and take a batch for each GPU
            arguments._n_gpu = 1
        super().__init__(**kwargs)
        self.add_callback(_TimedUpdate(self))
        together = is_sharded(self.model)
        self.data_collator: Any = collate_share(self.data_collator, together=together)  # type: ignore[has-type]

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """What trl would tokenise before the first step."""
        if self._rows is None:
            return dataset
        batch, count = self.recipe.batch_size, len(self._rows)
        if count < batch:
            print(f"a step takes {batch} rows and there are {count}: each step trains on all of them", flush=True)
        self._rows.read_ahead(wanted=self.recipe.steps * batch)
        return self._rows

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """The step's micro-batches, and what they hold together."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self._size_of is not None:
            self._in_step = team.total(sum(self._size_of(batch) for batch in batches if batch and IDLE not in batch))
        return batches, items

    def _get_num_items_in_batch(self, batches: Any, device: torch.device) -> Any:
        """transformers' own count, which the losses do not use: none where a process has no row of a micro-batch."""
        return super()._get_num_items_in_batch(batches, device) if all(batches) else None

    def step_size(self, batch: Batch) -> int:
        """What the whole step holds of what the loss is a mean over; of a batch by itself, that batch's."""
        assert self._size_of is not None
        return max(1, self._size_of(batch) if self._in_step is None else self._in_step)

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The sibling's."""
        with self.timer.part(Part.FORWARD):
            return self._loss(self, model, inputs) if IDLE not in inputs else self._idle_loss(model, inputs)

    def _idle_loss(self, model: Any, inputs: Batch) -> torch.Tensor:
        """0, by all the passes that the sibling's loss makes: the other processes gather a sharded base in them. Nothing is counted or written."""
        noted = self.metrics, self.journal
        self.metrics, self.journal = StepMetrics(), None
        try:
            return 0.0 * self._loss(self, model, inputs)
        finally:
            self.metrics, self.journal = noted

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the library's. What it does beside the parts that are timed by themselves is the backward pass."""
        if not inputs:  # no row of this micro-batch is this process's
            return torch.zeros((), device=self.accelerator.device)
        with self.timer.part(Part.BACKWARD):
            step: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
            return step

    def _prepare_inputs(self, inputs: Any) -> Any:
        with self.timer.part(Part.WAITING):
            return super()._prepare_inputs(inputs)

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        with self.timer.part(Part.OPTIMIZER):
            team.add_gradients(self.model.parameters())
            return self._clipped(model)

    def _clipped(self, model: Any) -> torch.Tensor:
        """Cut the gradient; returns its norm before."""
        norm: torch.Tensor = super()._clip_grad_norm(model)
        return norm

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        with self.timer.part(Part.WRITING):
            super()._maybe_log_save_evaluate(*args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the step's metrics to what transformers and trl log (the last call, at the end of training, has none)."""
        if "train_runtime" not in logs:
            if "loss" in logs:  # each process has the part of the step's loss that its own rows give
                logs["loss"] = team.total(logs["loss"])
            self.of_step = self.metrics.take()
            logs |= self.of_step
        super().log(logs, start_time)

    # ---- a checkpoint: the leader's, and beside it what each process has of its own

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        release(self.model)
        if team.is_leader():
            super()._save_checkpoint(model, trial)
        with TemporaryDirectory() as own:
            self._save_own(Path(own))
            team.collect(Path(own), Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}")

    def _save_own(self, folder: Path) -> None:
        """Save what this process alone has of a checkpoint. The leader's random state is in transformers' own file."""
        if team.is_leader():
            return
        states = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            states["cuda"] = torch.cuda.get_rng_state()
        save_file(states, folder / own_file(RANDOM_STATE))

    def _load_rng_state(self, checkpoint: Any) -> None:
        super()._load_rng_state(checkpoint)
        if checkpoint is None or team.is_leader() or not (path := Path(checkpoint) / own_file(RANDOM_STATE)).exists():
            return
        states = load_file(path)
        torch.set_rng_state(states["cpu"])
        if "cuda" in states and torch.cuda.is_available():
            torch.cuda.set_rng_state(states["cuda"])


def own_file(name: str) -> str:
    """The name of this process's own file in a checkpoint, ``random.1.safetensors``; the leader's has no number."""
    stem, ending = name.rsplit(".", 1)
    return name if team.is_leader() else f"{stem}.{team.rank()}.{ending}"


class _TimedUpdate(TrainerCallback):
    """Times the optimiser's own step, which the library makes between these two calls."""

    def __init__(self, trainer: StepTrainer) -> None:
        self._trainer = trainer

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._trainer.timer.enter(Part.OPTIMIZER)

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._trainer.timer.leave()


def pairs_in(batch: Batch) -> int:
    """How many pairs a micro-batch of chosen and rejected rows holds."""
    return len(batch["input_ids"]) // 2


@contextmanager
def acting_as_reference(trainer: Any) -> Iterator[Any]:
    """A trainer's model as it was at the start, without gradients, for the time of the block.

    That is its ``ref_model`` where all weights train, else the frozen copy ``ref`` of the adapter it began with, or the bare base.
    """
    checkpointing = disable_gradient_checkpointing(trainer.model, trainer.args.gradient_checkpointing_kwargs)
    with torch.no_grad(), checkpointing:
        if trainer.ref_model is not None:
            yield trainer.ref_model
            return
        model = trainer.accelerator.unwrap_model(trainer.model)
        with acting_as(model, "ref" if "ref" in model.peft_config else None):
            yield trainer.model


def log_probs(model: Any, batch: Batch, mask_B_T: torch.Tensor) -> Any:
    """log π of the next tokens through trl's fused head, which makes no (B, T, V) logits, and what it computes beside them.

    ``mask_B_T`` is 1 on the tokens that count. Every field has shape (B, T − 1) and stands at the token *before* the one that it is of.
    """
    labels = batch["input_ids"].masked_fill(mask_B_T == 0, -100)
    return model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        labels=labels,
        use_cache=False,
        fused_lm_head=True,
    )

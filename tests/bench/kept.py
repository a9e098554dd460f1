"""Kept-only training: forward and backward of a step where 40 % are kept, against the same step with ``all``.

Both on the same real rollouts of the tiny GRPO preset, through the trainer's own micro-batches, in turn; what is reported is
the ratio of the medians. Imports torch, so it comes last, and is the one bench that does.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.core.recipes import GrpoRecipe, with_values
from lab.runs.launcher import ALWAYS, cores
from lab.store.presets import load_preset
from tests.bench.figures import Figure, median

if TYPE_CHECKING:
    from lab.training.grpo import Batch, GroupTrainer

SHARE = 0.4
ROLLOUTS, ROUNDS, WARM = 4, 10, 3


def measure() -> list[Figure]:
    """The preset as it is (LoRA, micro-batches of 64), then with all weights trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [figure for training in ("lora", "full") for figure in _compare(training)]


def _compare(training: str) -> list[Figure]:
    os.environ |= ALWAYS  # as a worker has it: quiet libraries
    import torch

    torch.set_num_threads(max(1, cores() - 1))  # and its threads
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        trainer = _trainer(Path(folder), training)
        rollouts = _rollouts(trainer)
        every, some, kept = [], [], 0
        for round_number in range(WARM + ROUNDS):
            for batch, marks in rollouts:
                both = {"all": torch.ones_like(marks), "kept": marks}
                order = ("all", "kept") if round_number % 2 else ("kept", "all")
                took = {name: _seconds(trainer, batch, both[name]) for name in order}
                if round_number >= WARM:
                    every.append(took["all"])
                    some.append(took["kept"])
                    kept = int(marks.sum())
    size = len(rollouts[0][1])
    return [
        Figure(f"{training}: forward + backward, all {size}", median(every) * 1000, "ms"),
        Figure(f"{training}: forward + backward, {kept} of {size} kept", median(some) * 1000, "ms"),
        Figure(f"{training}: kept / all", median(some) / median(every), "×", 0.5),
    ]


def _trainer(folder: Path, training: str) -> GroupTrainer:
    """The trainer that a worker would build for the preset, on the shipped base."""
    from lab.data import datasets
    from lab.store.run_folder import RunFolder
    from lab.training import grpo
    from lab.training.task import Task, rule_set
    from lab.training.worker.reporter import Reporter

    recipe = with_values(load_preset("tiny/grpo").recipe, {"training": training, "device": "cpu"})
    assert isinstance(recipe, GrpoRecipe)
    run = RunFolder(folder)
    task = Task(recipe, run, Reporter(run, recipe.steps), datasets.load(recipe), rule_set(recipe), home=folder)
    task.loaded = grpo.prepare(task)
    trainer = grpo.build_trainer(task)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation
    return trainer


def _rollouts(trainer: GroupTrainer) -> list[tuple[Batch, Any]]:
    """Real generations of the usual size, each with marks that keep 40 %, anywhere in the batch."""
    import torch

    loader = iter(trainer.get_train_dataloader())
    rollouts = []
    for _ in range(ROLLOUTS):
        batch = trainer._generate_and_score_completions(next(loader))
        trainer.rollout = None
        size = len(batch["index"])
        marks = torch.zeros(size, dtype=torch.bool)
        marks[torch.randperm(size)[: round(SHARE * size)]] = True
        rollouts.append((batch, marks))
    return rollouts


def _seconds(trainer: GroupTrainer, batch: Batch, marks: Any) -> float:
    """One step's passes: cut to what is kept, forward, backward. No optimiser step: it costs the same in both."""
    from lab.training.grpo import keep_only

    trainer.model.zero_grad(set_to_none=True)
    started = time.perf_counter()
    for part in trainer._micro_batches(keep_only({**batch, "kept": marks}), trainer.args.steps_per_generation):
        if part is not None:
            trainer._compute_loss(trainer.model, part).backward()
    return time.perf_counter() - started

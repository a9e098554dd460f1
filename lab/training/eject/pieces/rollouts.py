"""The loop of the algorithms that sample, on trl's GRPOTrainer: generate K completions a prompt, reward them, choose who trains.

``keep_only`` and the group's mathematics are the run's own. Dropped completions are left out of forward and backward, and the loss is
divided by what the whole step keeps.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from rewards import REWARD_FUNCS, REWARD_WEIGHTS  # type: ignore[import-not-found]  # beside the script
from trl import GRPOTrainer
from trl.trainer.utils import shuffle_sequence_dict

from lab.training.cpu.draw import one_number_a_row
from lab.training.eject.pieces.common import RUN, conversation, rendered
from lab.training.trainers.group_trainer import keep_only, whole
from lab.training.trainers.step_trainer import acting_as_reference


class RolloutTrainer(GRPOTrainer):
    """A subclass gives ``score(batch, rewards)``, which adds advantages and who is kept, and ``step_loss(model, batch)``."""

    _buffered_inputs: Any

    def score(self, batch: dict[str, Any], rewards: list[float]) -> dict[str, Any]:
        raise NotImplementedError

    def step_loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        raise NotImplementedError

    # ---- rollout

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        with one_number_a_row():
            prompt_ids, completion_ids, *_ = self._generate([row["prompt"] for row in inputs])
        texts = [written(self.processing_class, ids) for ids in completion_ids]
        self.asked = [row["prompt"] for row in inputs]
        self.texts = texts
        batch: dict[str, Any] = {}
        for name, ids, side in (("prompt", prompt_ids, "left"), ("completion", completion_ids, "right")):
            batch |= dict(zip((f"{name}_ids", f"{name}_mask"), padded(ids, side), strict=True))
        batch = {name: value.to(self.accelerator.device) for name, value in batch.items()}
        batch["index"] = torch.arange(len(texts), device=self.accelerator.device)
        return self.score(batch, rewards_of(inputs, texts))

    def _tokenize_prompts(self, prompts: Any) -> Any:
        return [rendered(self.processing_class, conversation(prompt), ask=True) for prompt in prompts], None, {}

    def log_probs(self, batch: dict[str, Any], model: Any = None) -> torch.Tensor:
        """log π of the completions' tokens, shape (B, T)."""
        ids, mask = whole(batch)
        logps: torch.Tensor = self._get_per_token_logps_and_entropies(
            self.model if model is None else model, ids, mask, batch["completion_ids"].size(1)
        )[0]
        return logps

    # ---- micro-batches

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        if isinstance(generation_batch, dict):
            return generation_batch
        slices = self.args.steps_per_generation
        if self._step % (slices * self.num_iterations) == 0 or self._buffered_inputs is None:
            batch = shuffle_sequence_dict(self._generate_and_score_completions(generation_batch))
            self._buffered_inputs = self._micro_batches(keep_only(batch), slices)
        return self._buffered_inputs[self._step % slices]

    def _micro_batches(self, batch: dict[str, Any], slices: int) -> list[dict[str, Any] | None]:
        size, kept = self.args.per_device_train_batch_size, len(batch["index"])
        parts: list[dict[str, Any] | None] = []
        for start in range(0, size * slices, size):
            if start >= kept:
                parts.append(None)
                continue
            part = {k: v[start : start + size] if v.dim() else v for k, v in batch.items()}
            if self.beta:
                with acting_as_reference(self) as reference:
                    part["ref_per_token_logps"] = self.log_probs(part, reference)
            parts.append(part)
        return parts

    # ---- update

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        model.train()
        part = self._prepare_inputs(inputs)
        if part is None:  # nothing of this micro-batch was kept: no pass at all
            self._step += 1
            return torch.zeros((), device=self.accelerator.device)
        loss: torch.Tensor = super().training_step(model, part, num_items_in_batch)
        return loss

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        return self.step_loss(model, inputs)


def written(tokenizer: Any, ids: Any) -> str:
    """A completion's text: what the chat template opened, and what the model wrote up to the end."""
    kept: list[int] = []
    for token in ids:
        kept.append(int(token))
        if kept[-1] in RUN["ends"]:
            break
    return str(RUN["opened"]) + str(tokenizer.decode(kept, skip_special_tokens=True))


def rewards_of(inputs: Any, texts: list[str]) -> list[float]:
    """The weighted sum of the rules' scores of each completion."""
    prompts, answers = [row["prompt"] for row in inputs], [row.get("answer") for row in inputs]
    columns = [function(completions=texts, answer=answers, prompts=prompts) for function in REWARD_FUNCS]
    return [
        sum(weight * column[at] for weight, column in zip(REWARD_WEIGHTS, columns, strict=True))
        for at in range(len(texts))
    ]


def padded(rows: Any, side: str) -> tuple[torch.Tensor, torch.Tensor]:
    """``(ids, mask)`` of shape (rows, longest)."""
    width = max(map(len, rows), default=0)
    ids = torch.full((len(rows), width), RUN["pad"], dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for place, row in enumerate(rows):
        columns = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[place, columns] = torch.tensor(list(row), dtype=torch.long)
        mask[place, columns] = 1
    return ids, mask


def sampling() -> dict[str, Any]:
    """What trl is told of groups, sampling and clipping."""
    return {
        "steps_per_generation": RUN["batch_size"] // RUN["micro_batch_size"],
        "num_generations": RUN["group_size"],
        "num_iterations": RUN["iterations"],
        "max_completion_length": RUN["max_completion_length"],
        "temperature": RUN["temperature"],
        "top_k": 0,
        "epsilon": RUN["epsilon_low"],
        "epsilon_high": RUN["epsilon_high"],
        "loss_type": RUN["loss_type"],
    }


def prompts(rows: list[dict[str, Any]]) -> Dataset:
    """The prompts as trl reads them, repeated where a rollout takes more than there are."""
    needed = RUN["batch_size"] // RUN["group_size"]
    asked = [{"prompt": conversation(row["prompt"]), "answer": row.get("answer")} for row in rows]
    return Dataset.from_list(asked * -(-needed // len(asked)) if len(asked) < needed else asked)


def of_rule_set(**_: Any) -> list[float]:
    """Stands where trl wants a reward function: ``rewards_of`` is asked instead."""
    raise AssertionError("rewards come from rewards.py")

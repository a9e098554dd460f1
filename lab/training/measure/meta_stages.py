"""A recipe played through on the ``meta`` device: what its real modules hold at the dearest moments of each stage.

Sampling with a full cache, forward and backward as the trainers make them, with gradients and Adam's moments in place. Nothing
is trained and no weight is read. Not here: for which lengths, and what it means (``estimate.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoConfig, DynamicCache
from trl.trainer.utils import add_fused_lm_head

from lab.core.budget import Lengths, MemoryPart, Stage, StageCost
from lab.core.recipes import Critic, PretrainRecipe, Recipe, SampledRecipe, Training, micro_batch
from lab.errors import ModelError
from lab.store.models import ModelRef, resolve, reward_adapter
from lab.training.measure.ledger import Ledger
from lab.training.measure.meta_model import META, as_on, blank_base, dtype_on, tensors_of, weights_on, with_adapter
from lab.training.models.base import default_optimizer
from lab.training.models.roles import POLICY, REWARD, VALUE, Roles, acting_as
from lab.training.models.tiny_llama import llama_config

HEAD_OUTPUTS = {
    "sft": ("log_probs", "entropy", "is_top1"),
    "dpo": ("log_probs", "entropy", "mean_logits", "is_top1"),
    "grpo": ("log_probs", "entropy"),
    "ppo": ("log_probs", "entropy"),
}
"""What trl asks of its fused head, by algorithm."""


LEAST_IN_8_BITS = 4096
"""Weights that a tensor must have for bitsandbytes to keep its moments in 8 bits."""


class Trial:
    """A recipe's model without numbers, and a ledger that counts what it would hold on ``device``."""

    def __init__(self, recipe: Recipe, home: Path, lengths: Lengths, device: str, config: Any = None) -> None:
        self.recipe, self.lengths, self.device = recipe, lengths, device
        ref = None if config is not None or recipe.algorithm == "pretrain" else resolve(recipe.model, home)
        self.start = Path(ref.adapter) if ref is not None and ref.adapter is not None else None
        self.config = config if config is not None else config_of(recipe, ref)
        self.vocabulary = int(self.config.get_text_config().vocab_size)
        self.ledger = Ledger(self.vocabulary, unpacks=device != "cuda")
        self.base = blank_base(recipe, self.config, device)
        self.parameters = _count(self.base)
        self.ledger.hold(tensors_of(self.base), MemoryPart.WEIGHTS)
        if recipe.algorithm in HEAD_OUTPUTS:
            temperature = getattr(recipe, "temperature", 1.0)
            add_fused_lm_head(self.base, temperature=temperature, outputs=HEAD_OUTPUTS[recipe.algorithm])
        self.model = with_adapter(self.base, recipe, self.start)
        self.lora = getattr(recipe, "training", Training.FULL) is Training.LORA
        self.second = self._second_copy()
        self.roles = self._roles(home)
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if self.lora:
            every = [p for name, p in self.model.named_parameters() if "lora_" in name or "modules_to_save" in name]
            policy = [p for name, p in self.model.named_parameters() if f".{POLICY}." in name]
            self.ledger.hold(every, MemoryPart.ROLES)
            self.ledger.hold(policy, MemoryPart.ADAPTERS)
        if getattr(recipe, "gradient_checkpointing", False):
            self.model.gradient_checkpointing_enable()
            if self.lora:
                self.model.enable_input_require_grads()
        self.moments_of_adam = [self._moment_of_adam(p) for p in self.trained for _ in range(2)]
        for parameter in self.trained:
            parameter.register_post_accumulate_grad_hook(self._note_gradient)

    def _moment_of_adam(self, parameter: torch.Tensor) -> torch.Tensor:
        """In 8 bits where the run's optimiser keeps it so, which small tensors are left out of."""
        four_bits = bool(getattr(self.recipe, "load_in_4bit", False))
        eight = "8bit" in default_optimizer(self.device, four_bits) and parameter.numel() >= LEAST_IN_8_BITS
        return torch.zeros_like(parameter, dtype=torch.uint8 if eight else parameter.dtype, device=META)

    def _note_gradient(self, parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        self.ledger.hold([parameter.grad], MemoryPart.GRADIENTS)

    def _second_copy(self) -> Any:
        """The frozen start that full training is compared with (DPO, GRPO with a KL weight); a LoRA run has it already."""
        compares = self.recipe.algorithm == "dpo" or bool(getattr(self.recipe, "beta", 0.0))
        if self.lora or not compares or self.recipe.algorithm not in ("dpo", "grpo"):
            return None
        copy = blank_base(self.recipe, self.config, self.device).requires_grad_(False)
        add_fused_lm_head(copy, outputs=HEAD_OUTPUTS[self.recipe.algorithm])
        self.ledger.hold(tensors_of(copy), MemoryPart.WEIGHTS)
        return copy

    def _roles(self, home: Path) -> Roles | None:
        """PPO's adapters and heads; and the start's frozen copy, where the start is an adapter that somebody compares with."""
        algorithm, compares = self.recipe.algorithm, getattr(self.recipe, "beta", 0.0) or self.recipe.algorithm == "ppo"
        with META:
            if self.lora and self.start is not None and compares and algorithm in ("dpo", "grpo", "ppo"):
                self.model.add_adapter("ref", self.model.peft_config[POLICY])
                for name, parameter in self.model.named_parameters():
                    if ".ref." in name:
                        parameter.requires_grad_(False)
            if algorithm != "ppo":
                return None
            reference = "ref" if self.start is not None else None
            roles = Roles(self.model, reference=reference, critic=getattr(self.recipe, "critic", Critic.OWN))
            roles.add_value()
            if reward_model := getattr(self.recipe, "reward_model", ""):
                config = LoraConfig.from_pretrained(str(reward_adapter(reward_model, self.recipe.model, home)))
                config.task_type, config.modules_to_save, config.inference_mode = "CAUSAL_LM", None, True
                self.model.add_adapter(REWARD, config)
                self.model.reward_head = torch.nn.Linear(self.model.value_head.in_features, 1, bias=False)
                roles.settle()
            heads = [self.model.value_head.weight, *(self.model.reward_head.parameters() if reward_model else ())]
        self.ledger.hold(heads, MemoryPart.ROLES)
        return roles

    # ---- the stages

    def moments(self) -> list[StageCost]:
        """The dearest moment of everything that a run does; a stage may have several."""
        found = [StageCost(stage=Stage.LOADING, parts=self._parts(self.ledger.live))]
        self.ledger.hold(self.moments_of_adam, MemoryPart.OPTIMISER)
        with as_on(self.device, dtype_on(self.recipe, self.device), self.vocabulary, self._noting_logits):
            if self.lengths.held_out and self.recipe.algorithm == "rm":
                found.append(self._moment(Stage.MEASURING, self._score, self.lengths.held_out))
            elif self.lengths.held_out:
                found += self._sampling(Stage.MEASURING, self.lengths.held_out)
            if isinstance(self.recipe, SampledRecipe):
                found += self._sampling(Stage.ROLLOUT, self.lengths.rollout)
            found.append(self._moment(Stage.UPDATE, self._update))
        return found

    @property
    def trained_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.trained)

    def _noting_logits(self) -> Any:
        return self.ledger.noting(MemoryPart.LOGITS)

    def _sampling(self, stage: Stage, rows: int) -> list[StageCost]:
        return [self._moment(stage, self._read, rows), self._moment(stage, self._write, rows)]

    def _moment(self, stage: Stage, play: Any, *given: Any) -> StageCost:
        self.ledger.restart()
        with self.ledger:
            play(*given)
        return StageCost(stage=stage, parts=self._parts(self.ledger.at_peak))

    def _parts(self, held: Any) -> dict[MemoryPart, int]:
        return {part: int(held[part]) for part in MemoryPart if held[part] > 0}

    # ---- without gradients

    @torch.no_grad()
    def _score(self, rows: int) -> None:
        self.model.eval()
        self.model(**self._batch(rows, self.lengths.whole))

    @torch.no_grad()
    def _read(self, rows: int) -> None:
        """The prompts, all at once."""
        self.model.eval()
        batch = self._batch(rows, self.lengths.prompt)
        self.model(**batch, past_key_values=self._cache(), use_cache=True, logits_to_keep=1)

    @torch.no_grad()
    def _write(self, rows: int) -> None:
        """The last token, when the cache is fullest."""
        self.model.eval()
        cache = self._cache(rows, self.lengths.whole - 1)
        batch = self._batch(rows, 1) | {"attention_mask": _ones(rows, self.lengths.whole)}
        logits = self.model(**batch, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
        with self._noting_logits():
            chances = torch.softmax(logits.to(dtype=torch.float32, copy=True), -1)
            torch.empty_like(chances).div_(chances)  # as torch.multinomial draws

    def _cache(self, rows: int = 0, tokens: int = 0) -> DynamicCache:
        cache = _NotedCache(self.ledger, self.config)
        if tokens:
            text = self.config.get_text_config()
            heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
            size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
            for layer in range(text.num_hidden_layers):
                dtype = weights_on(self.recipe, self.device)
                both = [torch.empty(rows, heads, tokens, size, dtype=dtype, device=META) for _ in range(2)]
                cache.update(both[0], both[1], layer)
        return cache

    # ---- with gradients

    def _update(self) -> None:
        """Two micro-batches where a step has several: the second one's forward meets the first one's gradients."""
        size = _micro(self.recipe)
        several = getattr(self.recipe, "batch_size", size) > size
        self.model.train()
        for _ in range(1 + several):
            for loss in self._losses():
                loss.backward()
                del loss

    def _losses(self) -> Iterator[torch.Tensor]:
        """The losses of a micro-batch, one backward each, as the trainers compute them."""
        batch, algorithm = self._batch(self.lengths.rows, self.lengths.whole), self.recipe.algorithm
        if algorithm == "pretrain":
            yield self.model(**batch, labels=batch["input_ids"].clone()).loss
        elif algorithm == "rm":
            chosen, rejected = self.model(**batch, use_cache=False).logits.squeeze(-1).chunk(2)
            yield -torch.nn.functional.logsigmoid(chosen - rejected).mean()
        elif algorithm == "dpo":
            logps = self._logps(self.model, batch).sum(1)
            with torch.no_grad(), _without_checkpointing(self.model), self._reference() as reference:
                start = self._logps(reference, batch).sum(1)
            chosen, rejected = (logps - start).chunk(2)
            yield -torch.nn.functional.logsigmoid(chosen - rejected).mean()
        elif self.roles is not None and self.roles.critic is Critic.TRUNK:
            with self.roles.noting_states() as passes:
                policy = -self._logps(self.model, batch).mean()
            yield policy + self.roles.values_of(passes.pop(), self.lengths.completion).mean()
            return
        else:
            yield -self._logps(self.model, batch).mean()
        if self.roles is not None:
            with acting_as(self.model, VALUE):
                yield self.roles.values(batch["input_ids"], batch["attention_mask"], self.lengths.completion).mean()

    def _logps(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        labels = batch["input_ids"].clone()
        found: torch.Tensor = model(**batch, labels=labels, use_cache=False, fused_lm_head=True).log_probs
        return found

    @contextmanager
    def _reference(self) -> Iterator[Any]:
        if self.second is not None:
            yield self.second
        elif self.start is not None:
            with acting_as(self.model, "ref"):
                yield self.model
        else:
            with self.model.disable_adapter():
                yield self.model

    def _batch(self, rows: int, tokens: int) -> dict[str, torch.Tensor]:
        return {"input_ids": _ones(rows, tokens), "attention_mask": _ones(rows, tokens)}


class _NotedCache(DynamicCache):
    """The usual cache, whose keys and values are entered in the ledger as what they are."""

    def __init__(self, ledger: Ledger, config: Any) -> None:
        super().__init__(config=config)
        self._ledger = ledger

    def update(self, *args: Any, **kwargs: Any) -> Any:
        with self._ledger.noting(MemoryPart.CACHE):
            return super().update(*args, **kwargs)


def config_of(recipe: Recipe, ref: ModelRef | None) -> Any:
    """The configuration of a recipe's base. Raises ModelError where there is none."""
    if ref is None:
        assert isinstance(recipe, PretrainRecipe)
        return llama_config(recipe, recipe.vocabulary)
    try:
        return AutoConfig.from_pretrained(ref.base)
    except (OSError, ValueError) as error:
        why = str(error).strip().splitlines()
        raise ModelError("model_cannot_load", value=ref.name, why=(why or [""])[0][:200]) from None


@contextmanager
def _without_checkpointing(model: Any) -> Iterator[None]:
    on = getattr(model, "is_gradient_checkpointing", False)
    if on:
        model.gradient_checkpointing_disable()
    try:
        yield
    finally:
        if on:
            model.gradient_checkpointing_enable()


def _micro(recipe: Any) -> int:
    return micro_batch(recipe.batch_size, getattr(recipe, "micro_batch_size", recipe.batch_size))


def _ones(rows: int, tokens: int) -> torch.Tensor:
    return torch.ones(rows, tokens, dtype=torch.long, device=META)


def _count(model: Any) -> int:
    return sum(
        parameter.quant_state.shape.numel() if hasattr(parameter, "quant_state") else parameter.numel()
        for parameter in model.parameters()
    )

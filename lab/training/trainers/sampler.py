"""Who writes the completions of a rollout, where it is not the model in training itself; and how such a sampler gets the policy's adapter.

By default there is no sampler: trl lets the model generate (``group_trainer.py``). A sampler states the log-probability by which it drew
each token, so that the difference between it and the policy is measured and corrected (``lab/training/algorithms/importance.py``). The
adapter goes to it as an adapter, in peft's form. The base is never merged with it: merging into a 4-bit base packs the base anew, and
unmerging does not give the old one back, so that the reference drifts. Not here: any engine (``vllm_sampler.py``).
"""

from __future__ import annotations

import shutil
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from lab.training.models.roles import POLICY


@dataclass(frozen=True)
class Completions:
    """What a sampler wrote: the ids of each completion, and log π_sampler of each of these; NaN where the sampler states none."""

    ids: list[list[int]]
    logps: list[list[float]]

    def __post_init__(self) -> None:
        if [len(ids) for ids in self.ids] != [len(logps) for logps in self.logps]:
            raise ValueError("a sampler states one log-probability for each token that it writes")


class Sampler(Protocol):
    """Completes prompts with the policy as it is now."""

    def complete(self, prompts: list[list[int]], step: int) -> Completions:
        """One completion for each prompt, of token ids. ``step``: the optimiser steps so far; the same step, the same weights."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class SentAdapter:
    """The policy's adapter in a folder of its own for each version, in peft's form. It is read from the model; nothing of the model changes."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._home = Path(mkdtemp(prefix="lab-adapter-"))
        self.version = 0
        """Counts from 1; what a sampler calls this adapter by."""
        self._step: int | None = None

    @property
    def folder(self) -> Path:
        """Of the present version."""
        return self._home / str(self.version)

    def send(self, step: int) -> bool:
        """Write the adapter as it is now, where it is another one than that of the last call; whether it was."""
        if step == self._step:
            return False
        before = self.folder if self.version else None
        self.version, self._step = self.version + 1, step
        self.folder.mkdir()
        weights = get_peft_model_state_dict(self._model, adapter_name=POLICY, save_embedding_layers=False)
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, self._weights)
        config = copy(self._model.peft_config[POLICY])
        config.inference_mode = True
        config.save_pretrained(str(self.folder))
        if before is not None:
            shutil.rmtree(before)
        return True

    @property
    def _weights(self) -> Path:
        return self.folder / "adapter_model.safetensors"

    def close(self) -> None:
        """Remove the folders."""
        shutil.rmtree(self._home, ignore_errors=True)

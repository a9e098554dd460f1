"""A sampler that is not the trainer, for tests: another model, really sampled from, which states its own log-probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lab.training.models.tokens import Tokens
from lab.training.trainers.sampler import Completions


class ModelSampler:
    """Completions of a model by ``generate``, token by token with its cache, at temperature 1; log π of what it drew from its own logits."""

    def __init__(self, model_at: Callable[[int], Any], tokens: Tokens, longest: int) -> None:
        """``model_at(step)`` gives the model that writes at a step."""
        self._model_at, self._tokens, self._longest = model_at, tokens, longest
        self.asked: list[int] = []
        self.closed = 0

    def complete(self, prompts: list[list[int]], step: int) -> Completions:
        self.asked.append(step)
        model = self._model_at(step).eval()
        ids, mask = self._tokens.padded(prompts, "left")
        with torch.no_grad():
            written = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=True,
                top_k=0,
                max_new_tokens=self._longest,
                eos_token_id=list(self._tokens.ends),
                pad_token_id=self._tokens.pad,
                output_logits=True,
                return_dict_in_generate=True,
            )
        drawn = written.sequences[:, ids.size(1) :]
        stated = torch.log_softmax(torch.stack(written.logits, 1).float(), -1).gather(-1, drawn.unsqueeze(-1))[..., 0]
        rows = [self._as_far_as_its_end(row) for row in drawn.tolist()]
        return Completions(rows, [logps[: len(row)] for row, logps in zip(rows, stated.tolist(), strict=True)])

    def _as_far_as_its_end(self, row: list[int]) -> list[int]:
        ends = [place for place, token in enumerate(row) if token in self._tokens.ends]
        return row[: ends[0] + 1] if ends else row

    def close(self) -> None:
        self.closed += 1

"""A model that writes, for a job: loaded once, asked for completions of prompts. Sampling in a run is its trainer's.

Not here: what a job does with the completions (``jobs.py``, ``preflight.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.core.jobs import Asked
from lab.data.prompts import as_prompt
from lab.loading import loading
from lab.store.models import resolve

LARGEST_BATCH = 256
"""Completions that are sampled together at most."""


@dataclass(frozen=True)
class Completion:
    """What a model wrote to one prompt; ``prompt_ids`` and ``ids`` are its tokens, the end token with them."""

    prompt_number: int
    completion_number: int
    text: str
    truncated: bool
    prompt_ids: Any
    ids: Any

    def as_line(self, prompts: Sequence[Asked]) -> dict[str, Any]:
        """Its line of result.jsonl."""
        asked = prompts[self.prompt_number]
        turns = {"turns": as_prompt(asked)} if asked.turns else {}
        return {
            "prompt_number": self.prompt_number,
            "completion_number": self.completion_number,
            "prompt": asked.prompt,
            **turns,
            "answer": asked.answer,
            "text": self.text,
            "tokens": len(self.ids),
            "truncated": self.truncated,
        }


@dataclass(frozen=True)
class Speaker:
    """A model that only writes, and its tokenizer, examined (``tokens.Tokens``)."""

    model: Any
    tokens: Any

    def sample(
        self,
        prompts: Sequence[Asked],
        completions: int,
        *,
        temperature: float,
        max_new_tokens: int,
        seed: int,
        batch_size: int,
    ) -> Iterator[Completion]:
        """``completions`` of each prompt, batch by batch; prompts of like length come together. Each batch has a seed of its own."""
        from lab.training.measure import heldout as measure

        numbers = sorted(range(len(prompts)), key=lambda number: len(str(as_prompt(prompts[number]))))
        asked = [(number, nth) for number in numbers for nth in range(completions)]
        size = min(batch_size, LARGEST_BATCH)
        for start in range(0, len(asked), size):
            batch = asked[start : start + size]
            texts = [as_prompt(prompts[number]) for number, _ in batch]
            drawn = measure.sample(
                self.model,
                self.tokens,
                texts,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                seed=seed * 100_003 + start,
            )
            for place, prompt_ids, ids, text in drawn:
                yield Completion(*batch[place], text, not self.tokens.has_ended(ids.tolist()), prompt_ids, ids)


def load_speaker(spec: Any, home: Path) -> Speaker:
    """The model of a spec or a recipe, frozen, and its tokenizer. Raises ModelError."""
    with loading():
        from lab.training.models.base import load_start, load_tokens
    from lab.training.worker.library_notes import listen

    listen()
    return Speaker(load_start(spec, home), load_tokens(resolve(spec.model, home)))

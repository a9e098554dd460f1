"""Supervised fine-tuning with trl's SFTTrainer: cross-entropy on the completions' tokens alone."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from lab.training.eject.pieces.common import (
    IGNORED,
    RUN,
    arguments,
    begin,
    common_prefix,
    encode,
    keep_wide,
    load_policy,
    read_rows,
    rendered,
    run,
)


def tokenized(tokenizer: Any, row: dict[str, Any]) -> dict[str, list[int]]:
    """``input_ids`` and ``labels``; of a conversation whose every answer is trained, earlier answers have labels too."""
    ids, begin_at = encode(tokenizer, row["prompt"], row["completion"])
    labels = [IGNORED] * begin_at + ids[begin_at:]
    if "messages" in row:
        for start, stop in earlier_answers(tokenizer, row["messages"][:-1], ids, begin_at):
            labels[start:stop] = ids[start:stop]
    return {"input_ids": ids[: RUN["max_length"]], "labels": labels[: RUN["max_length"]]}


def earlier_answers(tokenizer: Any, turns: list[dict[str, str]], ids: list[int], limit: int) -> list[tuple[int, int]]:
    """Where the assistant's answers before the last one stand, each up to and with its end."""
    places = []
    for number, message in enumerate(turns):
        if message["role"] == "assistant" and number > 0:
            start = max(1, common_prefix(rendered(tokenizer, turns[:number], ask=True), ids))
            end = next((at for at in range(start, limit) if ids[at] in RUN["ends"]), None)
            if end is not None:
                places.append((start, end + 1))
    return places


def main() -> None:
    """Load, train, save."""
    tokenizer = begin()
    model = load_policy()
    wide = keep_wide(model)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**arguments(max_length=None)),  # the rows are cut already
        train_dataset=Dataset.from_list([tokenized(tokenizer, row) for row in read_rows()]),
        processing_class=tokenizer,
    )
    run(trainer, wide)

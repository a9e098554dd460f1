"""Measuring on held-out demonstrations: a completion may be as long as the longest of them."""

from __future__ import annotations

from typing import Any

import pytest

from lab.training.measure import heldout as measure


@pytest.mark.train
@pytest.mark.parametrize(("demonstrations", "longest"), [(("x" * 30, "x"), 31), ((), 4)])
def test_demonstrations_tell_how_long_a_completion_may_be(
    make_model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch, demonstrations: tuple[str, ...], longest: int
) -> None:
    rows: list[dict[str, Any]] = [{"prompt": "2x = 4", "answer": "2", "completion": text} for text in demonstrations]
    asked: list[int] = []
    sample = measure.sample

    def noting(*args: Any, max_new_tokens: int, **more: Any) -> Any:
        asked.append(max_new_tokens)
        return sample(*args, max_new_tokens=max_new_tokens, **more)

    monkeypatch.setattr(measure, "sample", noting)
    rows = rows or [{"prompt": "2x = 4", "answer": "2"}]
    found = measure.held_out(make_model(), tokenizer, rows, [], samples=4, max_new_tokens=4, seed=1)
    assert found["samples"] == 4 and asked == [longest]

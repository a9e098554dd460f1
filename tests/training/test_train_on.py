"""Which answers of a conversation SFT trains: those of ``messages`` by the recipe's ``train_on``, never those of a prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.data.datasets import load
from lab.store.models import resolve
from lab.training.models.base import load_tokenizer
from lab.training.models.tokens import Tokens, tokens_of
from lab.training.trainers.rows import demonstration


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return tokens_of(load_tokenizer(resolve("tiny", tmp_path_factory.mktemp("home"))))


@pytest.mark.parametrize(
    ("train_on", "column", "trained"),
    [("all", "messages", ["x = 7", "x = 3"]), ("last", "messages", ["x = 3"]), ("all", "prompt", ["x = 3"])],
)
def test_which_answers_are_trained(
    tmp_path: Path, tokens: Tokens, train_on: str, column: str, trained: list[str]
) -> None:
    asked = [
        {"role": "user", "content": "2x = 14"},
        {"role": "assistant", "content": "x = 7"},
        {"role": "user", "content": "2x = 6"},
    ]
    whole = {"messages": [*asked, {"role": "assistant", "content": "x = 3"}]}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(whole if column == "messages" else {"prompt": asked, "completion": "x = 3"}) + "\n")
    recipe = parse({"algorithm": "sft", "dataset": str(path), "train_on": train_on, "max_length": 128})
    row = demonstration(tokens, load(recipe).train[0], recipe)
    counted = tokens.tokenizer.decode([label for label in row["labels"] if label != -100])
    assert [answer for answer in ("x = 7", "x = 3") if answer in counted] == trained
    assert "2x" not in counted

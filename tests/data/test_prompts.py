"""The prompts of a sampling job: given ones, a dataset's, conversations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.jobs import Asked, Part, SampleSpec
from lab.data.prompts import as_asked, as_prompt, asked_prompts
from lab.errors import DatasetError

CHAT = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": "2x = 4"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{n}", "answer": str(n)}) + "\n" for n in range(200)))
    return path


def test_given_prompts_stay_as_they_are() -> None:
    spec = SampleSpec.model_validate({"prompts": ["a", {"prompt": "b", "answer": "2"}]})
    assert asked_prompts(spec) == [Asked(prompt="a"), Asked(prompt="b", answer="2")]


def test_some_of_a_file(file: Path) -> None:
    def ask(**how: object) -> list[Asked]:
        return asked_prompts(SampleSpec.model_validate({"dataset": str(file), **how}))

    assert len(ask(count=7)) == 7
    assert ask(count=7, seed=5) == ask(count=7, seed=5, model="run:other") != ask(count=7, seed=6)
    train, apart = ask(count=500), ask(count=500, part=Part.VALIDATION)
    assert len(train) + len(apart) == 200 and apart
    assert not {one.prompt for one in train} & {one.prompt for one in apart}
    assert all(one.answer == one.prompt[1:] for one in train)


def test_a_conversation_keeps_its_turns() -> None:
    asked = as_asked({"prompt": CHAT})
    assert (asked.prompt, asked.answer) == ("2x = 4", None)
    assert as_prompt(asked) == CHAT
    assert as_prompt(as_asked({"prompt": "2x = 4", "answer": "2"})) == "2x = 4"


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(DatasetError, match="dataset_missing"):
        asked_prompts(SampleSpec(dataset="/no/such.jsonl"))

"""A reward model may score a policy only where both stand on one base, by content; the refusal names both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.errors import ModelError
from lab.store.models import SHIPPED, reward_adapter
from lab.words import word


def reward_run(home: Path, base: Path, task_type: str = "SEQ_CLS") -> Path:
    folder = home / "runs" / "rm" / "model"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(base), "task_type": task_type})
    )
    return folder


def test_a_copy_of_the_base_is_the_same_base(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(SHIPPED["tiny"], tmp_path / "copy"))
    folder = reward_run(tmp_path, copy)
    assert reward_adapter("run:rm", "tiny", tmp_path) == folder


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_another_base_or_tokenizer_is_refused_with_both_names(tmp_path: Path, file: str) -> None:
    other = Path(shutil.copytree(SHIPPED["tiny"], tmp_path / "other"))
    (other / file).write_bytes((other / file).read_bytes() + b" ")
    reward_run(tmp_path, other)
    with pytest.raises(ModelError) as caught:
        reward_adapter("run:rm", "tiny", tmp_path)
    assert caught.value.key == "ppo_other_base"
    assert str(other) in word(caught.value) and str(SHIPPED["tiny"]) in word(caught.value)


def test_an_adapter_without_a_head_is_no_reward_model(tmp_path: Path) -> None:
    reward_run(tmp_path, SHIPPED["tiny"], "CAUSAL_LM")
    with pytest.raises(ModelError) as caught:
        reward_adapter("run:rm", "tiny", tmp_path)
    assert caught.value.key == "ppo_not_a_reward_model"

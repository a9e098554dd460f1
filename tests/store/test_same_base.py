"""A reward model may score a policy of the same base only: the same weights, tokenizer and chat template."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.errors import ModelError
from lab.store.models import PLAIN_TEMPLATE, SHIPPED, chat_template, content_hash, resolve, reward_adapter
from lab.words import word

OTHER = "{% for m in messages %}{{ m.content }}<|end|>{% endfor %}"


def base(folder: Path, template: str | None = None) -> Path:
    """A copy of the tiny base, with another template where one is given."""
    shutil.copytree(SHIPPED["tiny"], folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, "utf-8")
    return folder


def reward_run(home: Path, on: Path, template: str | None) -> str:
    """A reward-model run, saved with its tokenizer as runs save it."""
    folder = home / "runs" / "rm-1" / "model"
    folder.mkdir(parents=True)
    config = {"task_type": "SEQ_CLS", "base_model_name_or_path": str(on), "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    shutil.copy(on / "tokenizer_config.json", folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, "utf-8")
    return "run:rm-1"


def test_a_copy_elsewhere_is_the_same_base(tmp_path: Path) -> None:
    first, second = base(tmp_path / "first"), base(tmp_path / "second")
    own = (first / "chat_template.jinja").read_text("utf-8")
    assert reward_adapter(reward_run(tmp_path, first, own), str(second), tmp_path).name == "model"


def test_another_template_makes_another_base(tmp_path: Path) -> None:
    first, second = base(tmp_path / "first"), base(tmp_path / "second", OTHER)
    assert content_hash(str(first)) != content_hash(str(second))
    own = (first / "chat_template.jinja").read_text("utf-8")
    with pytest.raises(ModelError) as caught:
        reward_adapter(reward_run(tmp_path, first, own), str(second), tmp_path)
    assert caught.value.key == "ppo_other_base"


def test_a_template_that_a_run_was_saved_with_counts(tmp_path: Path) -> None:
    first = base(tmp_path / "first")
    with pytest.raises(ModelError) as caught:
        reward_adapter(reward_run(tmp_path, first, OTHER), str(first), tmp_path)
    assert caught.value.key == "ppo_other_template" and "{" not in word(caught.value) + word(caught.value, "zh")


def test_where_a_template_is_looked_for(tmp_path: Path) -> None:
    folder = base(tmp_path / "first")
    (folder / "chat_template.jinja").unlink()
    ref = resolve(str(folder), tmp_path)
    assert chat_template(ref) == PLAIN_TEMPLATE
    before = content_hash(str(folder))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": OTHER}))
    assert chat_template(ref) == OTHER and content_hash(str(folder)) != before

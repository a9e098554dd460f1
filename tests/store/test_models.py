"""A run's checkpoint as a model, and what writes text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import ModelError
from lab.store.models import SHIPPED, resolve, writes

RUN = "20261122-154501-k3f9"


def adapter(folder: Path, task_type: str = "CAUSAL_LM") -> Path:
    folder.mkdir(parents=True)
    config = {"base_model_name_or_path": str(SHIPPED["tiny"]), "task_type": task_type}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_a_checkpoint_of_a_run(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "runs" / RUN / "checkpoints" / "step-50")
    with pytest.raises(ModelError, match="model_checkpoint_missing"):
        resolve(f"run:{RUN}@50", tmp_path)  # half written
    (folder / "complete").touch()
    found = resolve(f"run:{RUN}@50", tmp_path)
    assert (found.base, found.adapter) == (str(SHIPPED["tiny"]), str(folder))
    with pytest.raises(ModelError, match="known='50'"):
        resolve(f"run:{RUN}@51", tmp_path)
    with pytest.raises(ModelError, match="model_run_missing"):
        resolve(f"run:{RUN}", tmp_path)


@pytest.mark.parametrize("name", ["run:../x", "run:a@", "run:a@../1", "run:a@-1", "run:@5", "run:a/b@1"])
def test_names_that_are_no_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="model_run_missing"):
        resolve(name, tmp_path)


def test_a_reward_model_writes_nothing(tmp_path: Path) -> None:
    assert writes(resolve("tiny", tmp_path))
    assert writes(resolve(str(adapter(tmp_path / "policy")), tmp_path))
    assert not writes(resolve(str(adapter(tmp_path / "reward", "SEQ_CLS")), tmp_path))

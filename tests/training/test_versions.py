"""What people chose trains a reward model: from judgements to a frozen version to a run, through the real worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.annotation.collections import Annotation
from lab.core.recipes import with_values
from lab.runs.foreground import train_in_foreground
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from tests.annotation.annotating import ANNA, judge_all, sums


@pytest.mark.train
@pytest.mark.timeout(300)
def test_a_reward_model_trains_on_a_frozen_version(lab_home: Path) -> None:
    store = Store(lab_home, allow_unsafe_disk=True)
    annotation = Annotation(store)
    collection = sums(annotation, 40)
    judge_all(annotation, ANNA, collection)
    version = annotation.freeze(collection)
    recipe = with_values(load_preset("tiny/rm").recipe, {"dataset": version.dataset, "steps": 2})
    run = train_in_foreground(recipe, store)
    assert run.state is RunState.FINISHED, store.folder(run.id).log().text[-2000:]
    assert store.folder(run.id).recipe()["dataset_hash"] == version.content_hash
    assert any(store.folder(run.id).model_path.glob("*.safetensors"))
    store.close()

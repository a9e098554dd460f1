"""The dataset part of the Annotate tab: files to download, what is sent to the Hub, and the way to training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.annotation.collections import Annotation
from lab.core.recipes import parse
from lab.errors import RecipeError
from lab.runs.supervisor import Supervisor
from lab.store.presets import PRESETS
from lab.store.runs import RunState, Store
from lab.ui.presets import Presets
from lab.ui.tabs.annotate.dataset import TRAINED, DatasetPart, downloads
from lab.ui.tabs.train.tab import TrainTab
from lab.words.form import recipe_from
from tests.annotation.annotating import ANNA, judge_all, sums

OWNER: Any = SimpleNamespace(headers={}, query_params={})


@pytest.fixture
def annotation(tmp_path: Path) -> Iterator[Annotation]:
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


@pytest.fixture
def version(annotation: Annotation) -> str:
    collection = sums(annotation, 3)
    judge_all(annotation, ANNA, collection)
    return annotation.freeze(collection).id


def test_files_to_download_leave_no_folder_behind(
    annotation: Annotation, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    once = downloads(annotation, version, str(tmp_path / "cache"))
    again = downloads(annotation, version, str(tmp_path / "cache"))
    assert once == again and list(folder.iterdir()) == []
    assert {"preferences.jsonl", "pairs.jsonl", "version.json"} < {Path(path).name for path in once}
    assert all(Path(path).stat().st_size for path in once)


@pytest.mark.parametrize(("typed", "sent"), [(None, None), ("", None), ("  ", None), (" hf_x ", "hf_x")])
def test_an_empty_token_is_none(
    annotation: Annotation, version: str, monkeypatch: pytest.MonkeyPatch, typed: Any, sent: Any
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(annotation, "push", lambda *_, token, **__: asked.append(token) or "address")
    with gr.Blocks():
        part = DatasetPart(annotation, gr.I18n(en={}, zh={}))
    part.pushed(OWNER, version, "me/sums", True, typed)
    assert asked == [sent]


# ---- to training


@pytest.fixture
def train(annotation: Annotation) -> TrainTab:
    with gr.Blocks():
        return TrainTab(annotation.store, Supervisor(annotation.store), Presets(PRESETS), gr.I18n(en={}, zh={}))


def filled(
    annotation: Annotation, train: TrainTab, algorithm: str, version: str
) -> tuple[Any, dict[str, Any], list[Any]]:
    """The recipe that the form then holds (or why it holds none), the draft, and what the form says: plan and message."""
    with gr.Blocks():
        part = DatasetPart(annotation, gr.I18n(en={}, zh={}))
    _, *updates = part._trained(algorithm, train)(OWNER, version, {})
    draft = updates[0]
    edits = draft["edits"][draft["preset"]]
    try:
        recipe = recipe_from(train.form.presets.recipe(draft["preset"]), edits, draft["preset"])
    except RecipeError as error:
        recipe = error
    said = (train.form.plan, train.form.message)
    return recipe, draft, [updates[train.form.everything.index(one)] for one in said]


@pytest.mark.parametrize("algorithm", TRAINED)
def test_a_version_is_one_click_from_training(
    annotation: Annotation, train: TrainTab, version: str, algorithm: str
) -> None:
    recipe, draft, _ = filled(annotation, train, algorithm, version)
    assert draft["edits"][draft["preset"]]["dataset"] == f"version:{version}"
    if algorithm != "ppo":
        assert (recipe.algorithm, recipe.dataset) == (algorithm, f"version:{version}")


def test_ppo_is_rewarded_by_the_newest_model_of_the_same_version(
    annotation: Annotation, train: TrainTab, version: str
) -> None:
    store = annotation.store
    for dataset, model in (
        (f"version:{version}", "tiny"),
        (f"version:{version}", "smollm2-135m"),
        ("other.jsonl", "tiny"),
    ):
        run = store.create_run(parse({"algorithm": "rm", "dataset": dataset, "model": model}))
        store.change(run.id, state=RunState.FINISHED)
    wanted = next(run for run in store.runs() if run.recipe["model"] == "smollm2-135m")
    recipe, draft, _ = filled(annotation, train, "ppo", version)
    assert (recipe.reward_model, recipe.model, recipe.dataset) == (
        f"run:{wanted.id}",
        "smollm2-135m",
        f"version:{version}",
    )
    assert draft["preset"] == "smollm2-135m/ppo"  # on the base of its reward model
    assert recipe.rules_weight == 0 and [rule.name for rule in recipe.rules] == ["no_repetition"]


def test_ppo_without_such_a_model_asks_for_one(annotation: Annotation, train: TrainTab, version: str) -> None:
    error, _, (plan, message) = filled(annotation, train, "ppo", version)
    assert isinstance(error, RecipeError) and error.key == "recipe_ppo_no_reward"
    assert "Name a reward-model run" in message and plan == ""  # not the plan of what stood there before

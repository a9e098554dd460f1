"""A seventh algorithm, registered by the list of docs/how-to/add-an-algorithm.md and by nothing else, trains through the worker."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from lab.core.algorithms import ALGORITHMS, Algorithm, DataForm, algorithm_of
from lab.core.recipes import RECIPES, Recipe, with_values
from lab.data import datasets
from lab.runs.checks import check
from lab.store.presets import load_preset, preset_names
from lab.store.run_folder import RunFolder
from lab.store.runs import Store
from lab.training.worker.main import work
from lab.words import form, sentences, table
from tests.training import simpo

PRESET = """
algorithm = "simpo"
name = "Tiny: SimPO"
steps = 3
batch_size = 4
micro_batch_size = 2
target_margin = 0.25
measure_samples = 8
save_every = 3
device = "cpu"
"""
WORDS = {
    "en": {
        "plan.simpo": "Trains {model} by SimPO on {data}: {steps} steps, {measured}.",
        "algorithm.simpo": "SimPO",
    },
    "zh": {"plan.simpo": "用 SimPO 在{data}上训练{model}：{steps} 步，{measured}。", "algorithm.simpo": "SimPO"},
}


@pytest.fixture
def preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The steps of the document, in its order; the recipe in the preset."""
    monkeypatch.setitem(RECIPES, "simpo", simpo.SimpoRecipe)
    descriptor = Algorithm("simpo", simpo.SimpoRecipe, DataForm.PREFERENCES, ("pass_at_1", "accuracy", "margin"))
    monkeypatch.setitem(ALGORITHMS, "simpo", descriptor)
    monkeypatch.setitem(sys.modules, "lab.training.algorithms.simpo", simpo)
    for language, words in WORDS.items():
        for key, sentence in words.items():
            monkeypatch.setitem(table(language), key, sentence)
    folder = tmp_path / "presets"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny" / "simpo.toml").write_text(PRESET, "utf-8")
    assert preset_names(folder) == ["tiny/simpo"]
    return load_preset("tiny/simpo", folder).recipe


def test_the_plan_the_form_and_the_checks_know_it(preset: Recipe, tmp_path: Path) -> None:
    assert (
        sentences.plan(preset, "en")
        == "Trains the tiny model by SimPO on the lab’s own equations: 3 steps, measured before and after on 8 held-out samples."
    )
    assert "SimPO" in sentences.plan(preset, "zh")
    paths = [field.path for field in form.fields("simpo")]
    assert {"target_margin", "batch_size", "lora_rank", "pair_margin"} <= set(paths)
    assert (
        next(field for field in form.fields("simpo") if field.path == "target_margin").words["label"]["zh"]
        == "目标间隔"
    )
    store = Store(tmp_path)
    data = datasets.load(preset)
    assert check(preset, store) == data.content_hash
    store.close()
    assert len(data.train) == 12
    assert data.held_out_pairs
    assert set(data.train[0]) >= {"prompt", "chosen", "rejected"}


@pytest.mark.train
def test_it_trains_through_the_worker_and_its_charts_have_figures(preset: Recipe, tmp_path: Path) -> None:
    def losses_of(name: str, recipe: Recipe) -> list[float]:
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        (path / "recipe.json").write_text(json.dumps({"version": 1, "recipe": recipe.model_dump(mode="json")}), "utf-8")
        assert work(path) == 0, (path / "result.json").read_text("utf-8")
        return [line["loss"] for line in RunFolder(path).metrics().lines if "held_out" not in line]

    losses = losses_of("one", preset)
    assert len(losses) == 3
    folder = RunFolder(tmp_path / "runs" / "one")
    lines = folder.metrics().lines
    charted = {name for line in lines for name in (*line, *line.get("held_out", {}))}
    assert charted >= set(algorithm_of(preset).charts)
    result = folder.result()
    assert result["state"] == "finished"
    assert result["before"]["pass_at_1"] is not None
    assert 0 < abs(result["kl_from_start"]) < 1, "a policy, measured against its start"
    assert (folder.path / "model" / "adapter_model.safetensors").is_file()

    harder = losses_of("harder", with_values(preset, {"target_margin": 8.0}))
    assert harder[0] > losses[0] + math.log(2), "the sibling's loss is the one that runs"

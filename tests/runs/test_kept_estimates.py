"""Estimates that outlive the app: found again while all that they rest on is as it was, and never otherwise."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lab.core.budget import Alternative, Cost, Estimate, Lengths, Memory, MemoryPart, Stage, StageCost
from lab.core.recipes import Recipe, parse, with_values
from lab.runs import kept_estimates, worker_query
from lab.runs.estimate import Estimator
from lab.runs.kept_estimates import KeptEstimates
from lab.runs.run_time import known_time, run_time
from lab.store.models import SHIPPED
from lab.store.presets import load_preset


def an_estimate(device: str = "cpu", peak: int = 1_000_000, *alternatives: Alternative) -> Estimate:
    stage = StageCost(stage=next(iter(Stage)), parts={next(iter(MemoryPart)): peak})
    lengths = Lengths(prompt=10, completion=20, rows=4)
    cost = Cost(stages=[stage], lengths=lengths, parameters=5, trained_parameters=2)
    memory = Memory(device=device, free=10**9, total=10**10, libraries=10**6)
    return Estimate(cost=cost, memory=memory, alternatives=list(alternatives))


def recipe_on(model: str) -> Recipe:
    return with_values(load_preset("tiny/sft").recipe, {"model": model})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED["tiny"], tmp_path / "model"))


def test_it_is_found_again_by_the_next_app(tmp_path: Path, model: Path) -> None:
    recipe, found = recipe_on(str(model)), an_estimate()
    KeptEstimates(tmp_path).keep(recipe, "key", found)
    assert KeptEstimates(tmp_path).find(recipe, "key") == found
    assert KeptEstimates(tmp_path).find(recipe, "another") is None
    assert KeptEstimates(tmp_path / "elsewhere").find(recipe, "key") is None


def test_another_model_under_the_same_name_is_another_question(tmp_path: Path, model: Path) -> None:
    recipe = recipe_on(str(model))
    KeptEstimates(tmp_path).keep(recipe, "key", an_estimate())
    config = model / "config.json"
    config.write_text(config.read_text() + " ")
    assert KeptEstimates(tmp_path).find(recipe, "key") is None


def test_a_changed_lab_asks_anew(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_on(str(model))
    KeptEstimates(tmp_path).keep(recipe, "key", an_estimate())
    monkeypatch.setattr(kept_estimates, "_code", lambda: "another")
    assert KeptEstimates(tmp_path).find(recipe, "key") is None


def test_a_model_that_nothing_here_vouches_for_is_not_kept(tmp_path: Path) -> None:
    kept = KeptEstimates(tmp_path)
    kept.keep(recipe_on("somebody/something"), "key", an_estimate())
    assert not kept.folder.exists()


def test_what_was_free_on_a_gpu_is_not_told_later(tmp_path: Path, model: Path) -> None:
    """The cost of such an estimate still holds, for a run to be held against."""
    recipe = recipe_on(str(model))
    KeptEstimates(tmp_path).keep(recipe, kept_key(recipe), found := an_estimate("cuda"))
    assert KeptEstimates(tmp_path).find(recipe, kept_key(recipe)) == found
    assert Estimator(tmp_path).known(recipe) is None


def test_a_broken_file_is_no_answer_and_the_oldest_go(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, kept = recipe_on(str(model)), KeptEstimates(tmp_path)
    kept.keep(recipe, "first", an_estimate())
    (first,) = kept.folder.iterdir()
    os.utime(first, (1, 1))
    monkeypatch.setattr(kept_estimates, "KEPT", 2)
    for key in ("second", "third"):
        kept.keep(recipe, key, an_estimate())
    assert len(list(kept.folder.iterdir())) == 2 and not first.exists()
    for path in kept.folder.iterdir():
        path.write_text("{")
    assert kept.find(recipe, "second") is None


def test_what_fitted_once_and_does_not_now_is_measured_anew(tmp_path: Path) -> None:
    """It knows of no setting that would help."""
    recipe = load_preset("tiny/sft").recipe
    key = kept_key(recipe)
    kept = KeptEstimates(tmp_path)
    kept.keep(recipe, key, an_estimate())
    assert Estimator(tmp_path).known(recipe) is not None
    kept.keep(recipe, key, an_estimate("cpu", 10**15))
    assert Estimator(tmp_path).known(recipe) is None
    kept.keep(recipe, key, an_estimate("cpu", 10**15, Alternative(changes={"batch_size": 8}, peak=10**14)))
    known = Estimator(tmp_path).known(recipe)
    assert known is not None and not known.fits and known.mend is not None


def kept_key(recipe: Recipe) -> str:
    from lab.runs.estimate import _key

    return _key(recipe)


def test_times_are_kept_for_what_they_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    parts = {"loading": 1.0, "step": 0.5, "measuring": 2.0, "scaled": False}
    monkeypatch.setattr(worker_query, "ask", lambda arguments, *_, **__: asked.append(arguments) or parts)
    recipe = parse({"algorithm": "grpo", "model": "tiny", "steps": 10})
    assert known_time(recipe, tmp_path) is None
    assert run_time(recipe, tmp_path).step == 0.5 and asked == [["--time", str(tmp_path)]]
    assert known_time(with_values(recipe, {"steps": 999, "seed": 5}), tmp_path) is not None, "steps are arithmetic"
    for change in ({"batch_size": 128}, {"iterations": 2}, {"threshold.kind": "all"}, {"measure_samples": 8}):
        assert known_time(with_values(recipe, change), tmp_path) is None

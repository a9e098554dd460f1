"""Rollouts by vLLM: where they are refused, and what vLLM itself says of the arguments. The engine needs a GPU (``make gpu-check``)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from lab import loading
from lab.core.recipes import RECIPES, Rollouts, parse, with_values
from lab.errors import MachineError, RecipeError
from lab.runs import checks
from lab.store.presets import load_preset
from lab.training.trainers.vllm_sampler import RANKS, engine_arguments, require_engine, sampler_of
from lab.words import word
from tests.training.worker.test_main import make_run

WITH = pytest.mark.parametrize("algorithm", ["grpo", "ppo"])


@WITH
@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"processes": 2}, "recipe_vllm_processes", "2"),
        ({"device": "cpu"}, "recipe_vllm_device", "cpu"),
        ({"device": "mps"}, "recipe_vllm_device", "mps"),
    ],
)
def test_a_recipe_that_no_engine_can_serve_is_refused(algorithm, changes, key, value):
    with pytest.raises(RecipeError) as error:
        parse({"algorithm": algorithm, "rollouts": "vllm", "batch_size": 32, **changes}, source="mine")
    assert error.value.key == key
    for locale in ("en", "zh"):
        sentence = word(error.value, locale)
        assert sentence.startswith("mine") and value in sentence and "rollouts = transformers" in sentence


def test_a_run_of_all_weights_has_no_adapter_to_send():
    with pytest.raises(RecipeError) as error:
        parse({"algorithm": "grpo", "rollouts": "vllm", "training": "full"})
    assert error.value.key == "recipe_vllm_needs_lora"


def test_only_what_samples_has_the_field_and_the_default_is_as_before():
    having = {name for name, recipe in RECIPES.items() if "rollouts" in recipe.model_fields}
    assert having == {"grpo", "ppo"}
    for name in RECIPES:
        assert parse({"algorithm": name}).rollouts_by_vllm is False
    assert parse({"algorithm": "grpo"}).rollouts is Rollouts.TRANSFORMERS
    with pytest.raises(RecipeError):
        parse({"algorithm": "sft", "rollouts": "vllm"})


@WITH
@pytest.mark.parametrize(
    ("gpu", "packages", "bits", "key"),
    [
        (False, {"vllm", "vllm_bnb_plugin"}, False, "vllm_no_gpu"),
        (True, set(), False, "vllm_missing"),
        (True, {"vllm"}, True, "vllm_four_bits"),
        (True, {"vllm"}, False, None),
        (True, {"vllm", "vllm_bnb_plugin"}, True, None),
    ],
)
def test_what_is_missing_here_is_one_sentence_before_the_start(algorithm, gpu, packages, bits, key, monkeypatch):
    def find(name):
        return object() if name in packages else None

    monkeypatch.setattr(loading, "find_spec", find)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/nvidia-smi" if gpu else None)
    recipe = parse({"algorithm": algorithm, "rollouts": "vllm", "load_in_4bit": bits})
    device = torch.device("cuda" if gpu else "cpu")
    for look in (lambda: checks.check_rollouts(recipe), lambda: require_engine(device, four_bits=bits)):
        if key is None:
            look()
            continue
        with pytest.raises(MachineError) as error:
            look()
        assert error.value.key == key
        assert all("rollouts = transformers" in word(error.value, locale) for locale in ("en", "zh"))
    checks.check_rollouts(parse({"algorithm": algorithm}))


@pytest.mark.train
@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_a_worker_that_finds_no_gpu_says_so_in_the_runs_result(tmp_path: Path):
    """As on a node of a cluster, where nothing was checked before."""
    from lab.training.worker.main import work

    path = make_run(tmp_path, "tiny/grpo", steps=1, measure_samples=0, rollouts="vllm")
    assert work(path) == 1
    assert json.loads((path / "result.json").read_text())["error"]["key"] == "vllm_no_gpu"


def test_no_preset_asks_for_an_engine_and_none_is_made_then(make_model):
    recipe = load_preset("tiny/grpo").recipe
    assert not recipe.rollouts_by_vllm

    class Task:
        pass

    task = Task()
    task.recipe = recipe
    assert sampler_of(task) is None


@pytest.fixture
def arguments(tmp_path):
    """The engine's arguments for a real run of the tiny model, by changes of its recipe."""
    from types import SimpleNamespace

    from lab.training.models.base import load

    def make(**changes):
        recipe = with_values(load_preset("tiny/grpo").recipe, {"rollouts": "vllm", **changes})
        loaded = load(recipe.model_copy(update={"load_in_4bit": False}), tmp_path)
        loaded.device = torch.device("cpu")
        return engine_arguments(
            SimpleNamespace(
                recipe=recipe, loaded=loaded, model=loaded.model, home=tmp_path, reporter=SimpleNamespace(step=5)
            )
        )

    return make


def test_the_engine_has_room_for_the_adapter_and_states_what_the_trainer_compares(arguments):
    given = arguments(lora_rank=20, seed=3, rollout_memory=0.4, precision="bf16")
    assert given["max_lora_rank"] == 32 and 20 not in RANKS
    assert (Path(given["model"]) / "config.json").is_file()
    assert given["logprobs_mode"] == "processed_logprobs" and given["dtype"] == "bfloat16" and given["seed"] == 8
    assert given["gpu_memory_utilization"] == 0.4 and given["quantization"] is None
    assert arguments(load_in_4bit=True)["quantization"] == "bitsandbytes"


def test_vllm_knows_these_arguments(arguments):
    """Its own parsing of them, which needs no GPU."""
    pytest.importorskip("vllm", reason="vllm is not installed: pip install -r requirements-vllm.txt")
    from typing import get_args

    from vllm.config.lora import MaxLoRARanks
    from vllm.engine.arg_utils import EngineArgs
    from vllm.plugins import load_general_plugins

    load_general_plugins()
    assert get_args(MaxLoRARanks) == RANKS
    for changes in ({}, {"load_in_4bit": True}):
        given = arguments(**changes)
        engine = EngineArgs(**given)
        assert all(getattr(engine, name) == value for name, value in given.items())
        model = engine.create_model_config()
        assert model.quantization == given["quantization"] and model.skip_tokenizer_init
        assert model.logprobs_mode == "processed_logprobs"

"""What is refused before a start, each with its own sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.core.recipes import Recipe, parse
from lab.errors import LabError
from lab.runs.checks import check
from lab.store.runs import RunState, Store
from lab.words import word
from tests.runs.conftest import recipe


def model_folder(path: Path, **config: object) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(b"x")
    (path / "tokenizer.json").write_text("{}")
    return path


def grpo(**values: object) -> Recipe:
    return parse({"algorithm": "grpo", **values})


def refused(recipe: Recipe, store: Store) -> str:
    with pytest.raises(LabError) as caught:
        check(recipe, store)
    for locale in ("en", "zh"):
        sentence = word(caught.value, locale)
        assert not sentence.startswith("errors.") and "{" not in sentence
    return caught.value.key


def test_a_good_recipe_gives_the_hash_of_its_data(store: Store, tmp_path: Path) -> None:
    assert check(grpo(), store).startswith("sha256:")
    assert check(parse({"algorithm": "pretrain"}), store).startswith("sha256:")
    assert check(grpo(model=str(model_folder(tmp_path / "m", model_type="llama"))), store)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_is_no_model(store: Store, tmp_path: Path, missing: str) -> None:
    (model_folder(tmp_path / "m", model_type="llama") / missing).unlink()
    assert refused(grpo(model=str(tmp_path / "m")), store) == "model_not_a_model"


def test_a_broken_config(store: Store, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", hidden_size=1)
    assert refused(grpo(model=str(folder)), store) == "model_config_broken"
    (folder / "config.json").write_text("{")
    assert refused(grpo(model=str(folder)), store) == "model_config_broken"


def test_a_model_that_is_nowhere(store: Store, tmp_path: Path) -> None:
    assert refused(grpo(model=str(tmp_path / "nowhere")), store) == "model_missing"
    assert refused(grpo(model="run:20260101-000000-aaaa"), store) == "model_run_missing"
    assert refused(grpo(model="run:../../etc"), store) == "model_run_missing"
    assert refused(grpo(model="nobody/nothing"), store) == "model_not_here", (
        "a hub id is fetched before, not by the run"
    )


def test_a_run_that_has_no_model_yet(store: Store) -> None:
    run = store.create_run(recipe())
    assert refused(grpo(model=f"run:{run.id}"), store) == "model_run_has_none"
    store.change(run.id, state=RunState.FINISHED)
    assert refused(grpo(model=f"run:{run.id}"), store) == "model_run_missing"
    model_folder(store.folder(run.id).model_path, model_type="llama")
    assert check(grpo(model=f"run:{run.id}"), store)


@pytest.mark.parametrize(
    "content",
    ["", '{"prompt": "a", "answer": "1"}\n{"prompt": \n', '{"colour": "a"}\n', '{"prompt": "", "answer": ""}\n'],
)
def test_a_dataset_that_cannot_be_used(store: Store, tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    refused(grpo(dataset=str(path)), store)


def test_a_dataset_that_is_not_there(store: Store, tmp_path: Path) -> None:
    refused(grpo(dataset=str(tmp_path / "none.jsonl")), store)


def test_a_rule_that_there_is_not(store: Store) -> None:
    assert refused(grpo(rules=[{"name": "equals_anser"}]), store) == "rule_unknown"


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ({"name": "mine", "source": "def reward(p, c, a)\n"}, "rule_source_syntax"),
        ({"name": "mine", "source": "def reward(p, c, a): return 1.0", "low": 2}, "rule_bounds"),
        ({"name": "equals_answer", "source": "def reward(p, c, a): return 1.0"}, "rule_name_taken"),
    ],
)
def test_a_written_rule_that_cannot_be_used(store: Store, rule: dict, key: str) -> None:
    assert refused(grpo(rules=[rule]), store) == key


def test_too_little_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Callable[[object], object] = lambda path: shutil._ntuple_diskusage(10, 9, 1000)  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert refused(grpo(), store) == "disk_too_small"


def test_four_bits_where_they_cannot_be(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(grpo(load_in_4bit=True, device="cpu"), store)
    assert refused(grpo(load_in_4bit=True, device="mps"), store) == "four_bits_device"
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert refused(grpo(load_in_4bit=True), store) == "four_bits_device", "there, auto is MPS"
    assert check(grpo(load_in_4bit=True, device="cpu"), store)
    assert check(grpo(), store)
    monkeypatch.setattr("lab.runs.checks.find_spec", lambda name: None)
    assert refused(grpo(load_in_4bit=True), store) == "four_bits_missing"
    assert check(grpo(), store)


def test_a_base_larger_than_all_memory_is_refused_before_it_is_loaded(store, monkeypatch):
    monkeypatch.setattr("lab.runs.checks.machine_memory", lambda: (500_000, 1_000_000))
    assert refused(grpo(model="tiny", device="cpu"), store) == "model_too_big"
    check(grpo(model="tiny", device="cpu", load_in_4bit=True), store)  # in 4 bits it fits
    monkeypatch.setattr("lab.runs.checks.machine_memory", lambda: (500_000, 10_000))
    assert refused(grpo(model="tiny", device="cpu", load_in_4bit=True), store) == "model_too_big_in_4bit"

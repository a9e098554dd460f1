"""Names, hub ids, folders and GGUF files: what a recipe's model resolves to, and what it says where a model is not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import ModelError
from lab.store.catalogue import CATALOGUE, fetched, fetched_names, local_name
from lab.store.models import resolve
from lab.words import word


def put_model(folder: Path, **source: object) -> Path:
    """A folder with the names of a model's files."""
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    if source:
        (folder / "source.json").write_text(json.dumps(source))
    return folder


def test_entries_say_whose_they_are_and_what_they_may_be_used_for() -> None:
    for name, entry in CATALOGUE.items():
        assert entry.name == name and entry.licence and "/" in entry.hub
        assert entry.size_bytes == pytest.approx(2 * entry.parameters, rel=0.01)  # bf16


def test_a_name_resolves_once_it_is_here(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        resolve("smollm2-135m", tmp_path)
    assert caught.value.key == "model_not_here"
    assert "python -m lab models get smollm2-135m" in word(caught.value)
    folder = put_model(tmp_path / "models" / "smollm2-135m", **{"from": "package:x==1"})
    assert resolve("smollm2-135m", tmp_path).base == str(folder)
    assert fetched_names(tmp_path) == ["smollm2-135m"]


def test_half_a_model_is_no_model(tmp_path: Path) -> None:
    put_model(tmp_path / "models" / "smollm2-135m.part")
    assert fetched("smollm2-135m", tmp_path) is None
    assert fetched_names(tmp_path) == []
    for name in ("smollm2-135m", "smollm2-135m.part"):
        with pytest.raises(ModelError):
            resolve(name, tmp_path)


def test_a_hub_id_is_not_here_until_it_was_fetched_from_there(tmp_path: Path) -> None:
    hub = CATALOGUE["smollm2-135m"].hub
    put_model(tmp_path / "models" / "smollm2-135m", **{"from": "package:x==1"})  # 4-bit weights: not the hub's
    for model in (hub, "org/name"):
        with pytest.raises(ModelError) as caught:
            resolve(model, tmp_path)
        assert caught.value.key == "model_not_here" and f"python -m lab models get {model}" in word(caught.value)
    folder = put_model(tmp_path / "models" / "org--name", **{"from": "hub:org/name"})
    assert resolve("org/name", tmp_path).base == str(folder)
    assert resolve("org--name", tmp_path).base == str(folder)


def test_an_adapter_stands_on_a_base_of_the_hub_once_that_was_fetched(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    with pytest.raises(ModelError) as caught:
        resolve(str(adapter), tmp_path)
    assert caught.value.key == "model_not_here" and caught.value.params["value"] == "org/base"
    folder = put_model(tmp_path / "models" / "org--base", **{"from": "hub:org/base"})
    assert resolve(str(adapter), tmp_path).base == str(folder)


def test_a_gguf_file_resolves_once_that_very_file_was_taken_in(tmp_path: Path) -> None:
    file = tmp_path / "My Model.Q4_1.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="model_not_here"):
        resolve(str(file), tmp_path)
    folder = put_model(tmp_path / "models" / "my-model.q4_1", **{"from": str(file), "bytes": 4})
    assert resolve(str(file), tmp_path).base == str(folder)
    assert resolve("my-model.q4_1", tmp_path).base == str(folder)
    file.write_bytes(b"GGUF, another one")
    with pytest.raises(ModelError, match="model_not_here"):
        resolve(str(file), tmp_path)


@pytest.mark.parametrize("model", ["nothing-like-it", "../models", "a/b/c", "missing.gguf", ".hidden", "no such"])
def test_what_is_no_model_is_told_what_there_is(tmp_path: Path, model: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(model, tmp_path)
    assert caught.value.key == "model_missing" and "tiny, smollm2-135m" in word(caught.value)


def test_names_never_leave_the_folder() -> None:
    assert local_name("../../etc") is None
    assert local_name("..") is None
    assert local_name("org/..") is None or "/" not in str(local_name("org/.."))
    assert local_name("/tmp/../x/..gguf") is None
    assert local_name("model.part") is None

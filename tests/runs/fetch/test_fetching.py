"""Fetching for the page: a real process, a hub of this machine, stopped half-way and gone on with."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.core.recipes import parse
from lab.errors import LabError
from lab.runs.fetch.downloads import Fetching
from lab.runs.fetch.fetching import DATA, MODEL, Fetches, Thing, missing
from lab.store.models import SHIPPED
from tests.hub import MODEL as ON_HUB
from tests.hub import serving

PATIENCE = 100
ROWS = b'{"prompt": "2 + 2", "completion": "4"}\n'


def sft(**values: str):
    return parse({"algorithm": "sft", **values})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    files = {path.name: path.read_bytes() for path in SHIPPED["tiny"].iterdir()}
    with serving(files | {"data/train-0.jsonl": ROWS}) as serving_hub:
        monkeypatch.setenv("HF_ENDPOINT", serving_hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield serving_hub


def until_over(fetches: Fetches, thing: Thing) -> LabError | None:
    """Wait for its end; the error, if that is how it ended."""
    deadline = time.monotonic() + PATIENCE
    while isinstance(told := fetches.told(thing), Fetching):
        assert time.monotonic() < deadline, "it goes on for ever"
        time.sleep(0.05)
    return told


def test_what_a_recipe_lacks_is_named_and_what_it_names_wrongly_is_not(lab_home: Path) -> None:
    lacking = missing(sft(model="smollm2-135m", dataset="hub:org/name@train?prompt=question"), lab_home)
    assert [thing.key for thing in lacking] == [(MODEL, "smollm2-135m"), (DATA, "hub:org/name@train")]
    assert lacking[0].size_bytes and lacking[0].licence == "Apache-2.0" and not lacking[0].begun
    (lab_home / "models" / "smollm2-135m.part").mkdir(parents=True)
    assert missing(sft(model="smollm2-135m"), lab_home)[0].begun
    assert [thing.key for thing in missing(sft(model=ON_HUB), lab_home)] == [(MODEL, ON_HUB)]
    adapter = lab_home / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    assert [thing.name for thing in missing(sft(model=str(adapter)), lab_home)] == ["org/base"], "what it stands on"
    assert missing(sft(model="tiny", dataset="equations"), lab_home) == []
    assert missing(sft(model="nothing", dataset="hub:no"), lab_home) == []
    assert missing(sft(model="run:20260101-000000-aaaa", dataset="missing.jsonl"), lab_home) == []
    assert missing(parse({"algorithm": "pretrain"}), lab_home) == []


def test_a_model_and_a_dataset_come_one_after_the_other(hub, lab_home: Path) -> None:
    fetches = Fetches(lab_home)
    model, data = Thing(MODEL, ON_HUB), Thing(DATA, f"hub:{ON_HUB}@train")
    fetches.get([model, data])
    fetches.get([model, data])  # a second click asks for nothing more
    assert isinstance(fetches.told(data), Fetching)
    assert until_over(fetches, model) is None and until_over(fetches, data) is None
    assert (lab_home / "models" / "org--name" / "model.safetensors").exists()
    assert missing(sft(dataset=data.name), lab_home) == []
    assert len([path for path, _ in hub.asked if path.endswith("/model.safetensors")]) == 1


def test_one_that_broke_off_says_why_and_goes_on(hub, lab_home: Path) -> None:
    fetches, model = Fetches(lab_home), Thing(MODEL, ON_HUB)
    hub.hang_up = "model.safetensors"
    fetches.get([model])
    error = until_over(fetches, model)
    assert error is not None and error.key == "model_hub_unreachable"
    hub.hang_up = ""
    hub.asked.clear()
    fetches.get([model])
    assert until_over(fetches, model) is None
    ranges = [began for path, began in hub.asked if path.endswith("/model.safetensors")]
    assert ranges and all(ranges), "it began anew"


def test_one_that_is_stopped_is_forgotten_and_leaves_no_process(hub, lab_home: Path) -> None:
    import psutil

    fetches, model = Fetches(lab_home), Thing(MODEL, ON_HUB)
    fetches.get([model])
    fetches.cancel([model])
    assert fetches.told(model) is None
    deadline = time.monotonic() + PATIENCE
    while any("lab.runs.fetch.fetching" in child.cmdline() for child in psutil.Process().children(recursive=True)):
        assert time.monotonic() < deadline, "its process lives on"
        time.sleep(0.05)
    assert not (lab_home / "models" / "org--name").exists()
    fetches.get([model])
    assert until_over(fetches, model) is None
    assert (lab_home / "models" / "org--name").is_dir()

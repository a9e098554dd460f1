"""A home may move: an adapter finds its base by the base's place within the home, and never somebody else's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.errors import ModelError
from lab.store.models import SHIPPED, resolve
from lab.store.run_references import stands_on

RUN = "20261122-154501-k3f9"
OTHER = "20261122-160000-aaaa"


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes(b"{}")
    return folder


def make_adapter(folder: Path, base: Path | str) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
    return folder


@pytest.mark.parametrize("base", ["models/smollm2-135m", f"runs/{OTHER}/model"])
def test_an_adapter_finds_its_base_in_a_moved_home(tmp_path: Path, base: str) -> None:
    before, after = tmp_path / "before", tmp_path / "elsewhere" / "after"
    make_adapter(before / "runs" / RUN / "model", make_model(before / base))
    assert resolve(f"run:{RUN}", before).base == str(before / base)
    after.parent.mkdir()
    shutil.move(before, after)
    assert resolve(f"run:{RUN}", after).base == str(after / base)


def test_a_base_that_is_still_there_is_taken_before_another_of_its_name(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    make_adapter(before / "runs" / RUN / "model", make_model(before / "models" / "own"))
    shutil.copytree(before, after)
    assert resolve(f"run:{RUN}", after).base == str(before / "models" / "own")


def test_the_shipped_model_is_found_from_another_checkout(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_adapter(home / "runs" / RUN / "model", "/gone/checkout/presets/tiny/base")
    assert resolve(f"run:{RUN}", home).base == str(SHIPPED["tiny"])


@pytest.mark.parametrize("named", ["/gone/models/other", "/gone/somewhere/base", "/gone/presets/large/base"])
def test_a_base_that_is_not_in_the_home_is_missing(tmp_path: Path, named: str) -> None:
    make_adapter(tmp_path / "runs" / RUN / "model", named)
    with pytest.raises(ModelError) as error:
        resolve(f"run:{RUN}", tmp_path)
    assert error.value.key == "model_base_missing" and error.value.params["base"] == named


def test_a_foreign_adapter_takes_no_base_of_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_model(home / "models" / "own")
    foreign = make_adapter(tmp_path / "adapter", "/their/machine/models/own")
    with pytest.raises(ModelError):
        resolve(str(foreign), home)


def test_a_run_that_others_stand_on_is_known_after_a_move(tmp_path: Path) -> None:
    home = tmp_path / "home"
    base = home / "runs" / OTHER
    make_model(base / "model")
    make_adapter(home / "runs" / RUN / "model", f"/before/runs/{OTHER}/model")
    assert stands_on(home / "runs" / RUN, base)
    assert not stands_on(home / "runs" / RUN, home / "runs" / "20261122-160000-bbbb")

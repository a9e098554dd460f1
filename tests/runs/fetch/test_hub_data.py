"""Datasets of the hub: which files a split has, a download that goes on where it broke off, and rows under the lab's names."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.core.recipes import parse
from lab.data.datasets import load
from lab.data.hub_rows import HubName, parse_hub
from lab.errors import DatasetError
from lab.runs.checks import check
from lab.runs.fetch.hub_data import files_of
from lab.store.runs import Store
from lab.words import word
from tests.hub import MODEL, serving

ROOT = Path(__file__).resolve().parents[3]
ROWS = [{"asked": f"What is {n} + {n}?", "told": str(2 * n)} for n in range(400)]
CARD = {
    "configs": [
        {"config_name": "main", "data_files": [{"split": "train", "path": "main/train-*"}, {"split": "test", "path": "main/test-*"}]},
        {"config_name": "other", "data_files": [{"split": "train", "path": ["other/a.jsonl"]}]},
    ]
}  # fmt: skip


def parquet(rows: list[dict[str, str]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def files() -> dict[str, bytes]:
    halves = {"main/train-0.parquet": parquet(ROWS[:200]), "main/train-1.parquet": parquet(ROWS[200:])}
    return halves | {
        "main/test-0.parquet": parquet(ROWS[:1]),
        "other/a.jsonl": b'{"prompt": "a"}\n',
        "README.md": b"words",
        "dataset_infos.json": b'{"main": {"features": {}}}',
    }


def lab(home: Path, hub: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {"HF_ENDPOINT": hub, "LC_ALL": "C.UTF-8", "HF_HOME": str(home / "hf")}
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | settings
    command = [sys.executable, "-m", "lab", "data", *arguments, "--home", str(home)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_a_download_goes_on_where_it_broke_off_and_gives_the_rows(lab_home: Path) -> None:
    name = f"hub:{MODEL}/main@train"
    with serving(files()) as hub:
        hub.card = dict(CARD)
        hub.hang_up = "main/train-1.parquet"
        broken = lab(lab_home, hub.url, "get", name)
        assert broken.returncode == 1 and "did not answer" in broken.stderr and "Traceback" not in broken.stderr
        with pytest.raises(DatasetError) as caught:
            load(parse({"algorithm": "grpo", "dataset": name}), lab_home)
        assert caught.value.key == "hub_data_not_here" and f"python -m lab data get {name}" in word(caught.value)
        hub.hang_up = ""
        hub.asked.clear()
        done = lab(lab_home, hub.url, "get", name, "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["rows"] == 400 and told["licence"] == "mit"
        assert not [path for path, _ in hub.asked if path.endswith("train-0.parquet")], "that one was whole"
        assert all(began for path, began in hub.asked if path.endswith("train-1.parquet"))
    recipe = parse({"algorithm": "grpo", "dataset": f"{name}?prompt=asked,answer=told"})
    found = load(recipe, lab_home)
    assert len(found.train) + len(found.held_out) >= 380
    assert {"prompt": "What is 3 + 3?", "answer": "6"} in [*found.train, *found.held_out]
    assert check(recipe, Store(lab_home)).startswith("sha256:")
    with pytest.raises(DatasetError) as caught:
        load(parse({"algorithm": "grpo", "dataset": f"{name}?prompt=question"}), lab_home)
    assert caught.value.key == "dataset_mapping_column"


def test_a_hub_that_does_not_answer_or_does_not_have_it(lab_home: Path) -> None:
    silent = lab(lab_home, "http://127.0.0.1:9", "get", f"hub:{MODEL}")
    assert silent.returncode == 1 and f"did not answer for the dataset {MODEL}" in silent.stderr
    with serving({}) as hub:
        refused = lab(lab_home, hub.url, "get", "hub:no/such")
    assert refused.returncode == 1 and "no/such" in refused.stderr and len(refused.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("hub:a/b", HubName("a/b", None, "train")),
        ("hub:openai/gsm8k/main@test", HubName("openai/gsm8k", "main", "test")),
        (
            "hub:a/b@x?prompt=q,answer=the%20answer",
            HubName("a/b", None, "x", (("prompt", "q"), ("answer", "the answer"))),
        ),
    ],
)
def test_a_name_has_its_parts(text: str, wanted: HubName) -> None:
    assert parse_hub(text) == wanted


@pytest.mark.parametrize(
    "text", ["hub:", "hub:a", "hub:../b", "hub:a/b?prompt", "hub:a/../b", "hub:a/b/c/d", "hub:a/b c"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(DatasetError) as caught:
        parse_hub(text)
    assert caught.value.key == "hub_data_name"


def test_the_card_says_which_files_a_split_has() -> None:
    names, card = list(files()), CARD["configs"]
    assert files_of(HubName("a/b", None, "train"), names, card) == ["main/train-0.parquet", "main/train-1.parquet"]
    assert files_of(HubName("a/b", "other", "train"), names, card) == ["other/a.jsonl"]
    for name, key in (
        (HubName("a/b", "none", "train"), "hub_data_config"),
        (HubName("a/b", "other", "test"), "hub_data_split"),
    ):
        with pytest.raises(DatasetError) as caught:
            files_of(name, names, card)
        assert caught.value.key == key


def test_without_a_card_their_names_do() -> None:
    names = [
        "data/train-00000-of-00001.parquet",
        "data/test-00000-of-00001.parquet",
        "trained.md",
        "main/constrained.jsonl",
    ]
    assert files_of(HubName("a/b", None, "train"), names, None) == [names[0]]
    assert files_of(HubName("a/b", None, "train"), ["rows.csv", "README.md"], None) == ["rows.csv"]
    with pytest.raises(DatasetError) as caught:
        files_of(HubName("a/b", None, "validation"), names, None)
    assert caught.value.key == "hub_data_no_files"

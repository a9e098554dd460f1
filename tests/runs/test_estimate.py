"""An estimate that was known before a run is kept with it, and held against what the run took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import __main__ as cli
from lab.core.recipes import Recipe, with_values
from lab.runs import foreground
from lab.runs.estimate import keep_with_run, measured_and_estimated
from lab.runs.kept_estimates import KeptEstimates
from lab.runs.launcher import LocalLauncher
from lab.runs.progress import summary
from lab.runs.supervisor import Supervisor
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from tests.runs.conftest import fake_command, wait_state
from tests.runs.test_kept_estimates import an_estimate, kept_key

RESULT = {"peak_memory_bytes": 1_300_000_000, "libraries_bytes": 300_000_000}


def tiny(**result: int) -> Recipe:
    changes = {"steps": 2, "about_en": json.dumps({"result": result}), "name": "told beside its estimate"}
    return with_values(load_preset("tiny/sft").recipe, changes)


def keep(recipe: Recipe, home: Path, peak: int = 970_000_000) -> None:
    KeptEstimates(home).keep(recipe, kept_key(recipe), an_estimate("cpu", peak))


def test_a_run_tells_how_good_the_estimate_was(store: Store, supervisor: Supervisor) -> None:
    recipe = tiny(**RESULT)
    keep(recipe, store.home)
    run = wait_state(store, supervisor.submit(recipe), RunState.FINISHED)
    assert summary(run, store)["memory"] == {
        "measured_bytes": 1_000_000_000, "estimated_bytes": 970_000_000, "libraries_bytes": 300_000_000,
    }  # fmt: skip


def test_the_estimate_is_the_one_from_before_the_run(store: Store) -> None:
    recipe = tiny()
    folder = store.folder(store.create_run(recipe).id)
    keep_with_run(recipe, store.home, folder)
    assert folder.estimate() is None, "nothing was known"
    keep(recipe, store.home, 5_000)
    keep_with_run(recipe, store.home, folder)
    keep(recipe, store.home, 7_000)
    keep_with_run(recipe, store.home, folder)  # as a resumed run does
    folder.write("result.json", {"state": "finished", "peak_memory_bytes": 4_000, "libraries_bytes": 0})
    told = measured_and_estimated(folder)
    assert told == {"measured_bytes": 4_000, "estimated_bytes": 5_000, "libraries_bytes": 0}


@pytest.mark.parametrize(
    "result",
    [
        {"state": "stopped", **RESULT},
        {"state": "finished"},
        {"state": "finished", "peak_memory_bytes": 3, "libraries_bytes": 3},
        {"state": "finished", "peak_memory_bytes": None, "libraries_bytes": 0},
    ],
    ids=["has not come to its peak", "of an older lab", "nothing above its libraries", "not measured"],
)
def test_nothing_is_told_where_nothing_can_be_compared(store: Store, result: dict[str, object]) -> None:
    folder = store.folder(store.create_run(tiny()).id)
    folder.write("estimate.json", an_estimate().model_dump(mode="json"))
    folder.write("result.json", result)
    assert measured_and_estimated(folder) is None


@pytest.mark.parametrize(
    ("locale", "libraries", "said"),
    [
        ("C.UTF-8", 300_000_000, "peak memory: measured 1.0 GB, estimated 970 MB (−3 %), besides 300 MB of libraries"),
        ("zh_CN.UTF-8", 0, "内存峰值：实测 1.3 GB，估计 970 MB（−25 %）"),
        (
            "C.UTF-8",
            900_000_000,
            "peak memory: measured 400 MB, estimated 970 MB (+142 %), besides 900 MB of libraries; {longest}",
        ),
    ],
)
def test_the_command_line_tells_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    locale: str, libraries: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(foreground, "LocalLauncher", lambda **_: LocalLauncher(fake_command))
    monkeypatch.setenv("LC_ALL", locale)
    result = json.dumps({"result": RESULT | {"libraries_bytes": libraries}})
    train = ["train", "tiny/sft", "--set", "steps=2", "--set", f"about_en={result}"]
    assert cli.main(train) == 0
    assert said not in capsys.readouterr().out, "nothing was estimated"
    keep(with_values(load_preset("tiny/sft").recipe, {"steps": 2}), store.home)
    assert cli.main(train) == 0
    assert said.format(longest="the estimate takes every row at its longest") in capsys.readouterr().out.splitlines()

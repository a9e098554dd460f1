"""What a run takes of a cluster, what is left, and a launcher that leaves jobs to this machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.core.recipes import with_values
from lab.errors import MachineError, StartError
from lab.runs.foreground import place
from lab.runs.launcher import LocalWorker
from lab.runs.ray import cluster as module
from lab.runs.ray.cluster import Figures, RayCluster, Share, require_ray, share_of
from lab.runs.ray.launcher import RayLauncher, RayWorker
from lab.runs.ray.note import forget_place, noted, write_note
from lab.runs.slots import free_cluster_slot
from lab.runs.work import any_slot_taken
from lab.settings import RaySettings
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from lab.words import LOCALES, word
from lab.words.cluster import cluster_line, place_line

SETTINGS = RaySettings("ray://127.0.0.1:10001", cpus=2)
RECIPE = load_preset("tiny/sft").recipe


class Asked(RayCluster):
    """A cluster whose figures are given."""

    def __init__(self, store: Store, total: Share, free: Share) -> None:
        self.settings, self.address, self._store = SETTINGS, SETTINGS.address, store
        self._given = Figures(time.time(), 1, total, free)

    def figures(self) -> Figures:
        return self._given


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path / "home")
    yield store
    store.close()


def test_a_process_takes_its_cpus_and_a_gpu_where_there_are_any() -> None:
    two = with_values(RECIPE, {"processes": 2, "batch_size": 16})
    assert share_of(two, 2, Share(8, 0)) == Share(4, 0)
    assert share_of(two, 2, Share(8, 4)) == Share(4, 2)
    assert share_of(with_values(two, {"device": "cpu"}), 2, Share(8, 4)) == Share(4, 0)
    assert Share(4, 0).holds(Share(4, 0)) and not Share(4, 0).holds(Share(4, 1))


def test_a_run_that_was_started_and_has_nothing_yet_is_counted(store: Store) -> None:
    there = Asked(store, Share(4, 0), Share(4, 0))
    first, second, third = (store.create_run(RECIPE) for _ in range(3))
    with there.slot(first) as slot:
        assert slot is not None and any_slot_taken(store.home, beside=False)
    store.change(first.id, only_if=[RunState.QUEUED], state=RunState.RUNNING)
    with there.slot(second) as slot:
        assert slot is not None
    store.change(second.id, only_if=[RunState.QUEUED], state=RunState.RUNNING)
    assert there.slot(third) is None, "two runs of two CPUs are on their way to four"
    for run in (first, second):
        write_note(store.folder(run.id), placed=50.0)
    with there.slot(third) as slot:
        assert slot is not None, "the figures, which are newer, tell of both"


def test_a_run_whose_job_may_go_on_needs_no_room(store: Store) -> None:
    """It holds itself what it would wait for."""
    full = Asked(store, Share(2, 0), Share(0, 0))
    run = store.create_run(RECIPE)
    assert full.slot(run) is None
    write_note(store.folder(run.id), attempt="lab-1", exit=None)
    with full.slot(run) as slot:
        assert slot is not None
    write_note(store.folder(run.id), attempt=None)
    assert full.slot(run) is None, "its job has ended"


def test_a_run_that_no_node_could_ever_hold_is_refused(store: Store) -> None:
    wide = with_values(RECIPE, {"processes": 4, "batch_size": 16})
    with pytest.raises(MachineError) as refused:
        Asked(store, Share(4, 0), Share(4, 0)).check(wide, store)
    assert refused.value.key == "ray_too_small" and "8 CPU" in word(refused.value, "en")
    assert Asked(store, Share(8, 0), Share(0, 0)).check(wide, store).startswith("sha256:")


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(StartError) as missing:
        require_ray(SETTINGS)
    for locale in LOCALES:
        assert "requirements-ray.txt" in word(missing.value, locale) and SETTINGS.address in word(missing.value, locale)


def test_slots_of_a_cluster_are_many(tmp_path: Path) -> None:
    (tmp_path / "slots").mkdir()
    taken = [free_cluster_slot(tmp_path) for _ in range(3)]
    assert all(taken) and len(list((tmp_path / "slots").iterdir())) == 3
    for lock in taken:
        assert lock is not None
        lock.release()


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_free_and_where_a_run_is_in_words(store: Store, locale: str) -> None:
    shown = Asked(store, Share(8, 1), Share(3, 1)).shown()
    line = cluster_line(SETTINGS.address, shown, locale)
    assert "3" in line and "8" in line and SETTINGS.address in line and "{" not in line
    gone = Figures.of(
        {"time": 1.0, "error": {"key": "ray_no_answer", "params": {"value": SETTINGS.address, "why": "x"}}}
    )
    assert SETTINGS.address in cluster_line(SETTINGS.address, {"error": gone.error}, locale)
    assert cluster_line(SETTINGS.address, None, locale)
    folder = store.folder(store.create_run(RECIPE).id)
    assert place_line(noted(folder), locale) == "" and not forget_place(folder)
    write_note(folder, processes=2, cpus=1, gpus=0, nodes=[])
    waiting = place_line(noted(folder), locale)
    write_note(folder, nodes=[{"host": "a", "address": "10.0.0.1"}, {"host": "b", "address": "10.0.0.2"}])
    there = place_line(noted(folder), locale)
    assert "10.0.0.2" in there and "10.0.0.2" not in waiting and "2 × 1 CPU" in waiting


def test_a_command_s_runs_go_where_the_app_s_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_RAY_ADDRESS", raising=False)
    assert place().here
    monkeypatch.setenv("LAB_RAY_ADDRESS", SETTINGS.address)
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    there = place()
    assert not there.here and isinstance(there.launcher, RayLauncher) and there.launcher.settings.cpus == 1
    assert there.launcher.environment(Path("home"), 1)["LAB_RAY_ADDRESS"] == SETTINGS.address
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(StartError, match="ray_missing"):
        place()


def test_a_proxy_that_was_killed_says_nothing_of_its_run(store: Store) -> None:
    """Its own SIGKILL is not the worker's: the run is lost to this machine, not out of memory."""
    folder = store.folder(store.create_run(RECIPE).id)
    for told, expected in ((None, None), (-9, -9)):
        write_note(folder, exit=told)
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        worker = RayWorker(LocalWorker.of(process), folder.path)
        assert not worker.ended()
        process.kill()
        process.wait()
        assert worker.ended() and worker.exit_code == expected

"""A disk that fills up while a real worker saves: one sentence, the earlier checkpoint whole, and resumable once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.core.recipes import with_values
from lab.runs.supervisor import Supervisor
from lab.store import space
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from tests.runs.conftest import wait_for, wait_state

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE = 180.0
RECIPE = {"steps": 5000, "save_every": 4, "measure_samples": 0, "batch_size": 16, "iterations": 1}


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 32 MB of this test's own; the floor below which no run begins is out of its way."""
    monkeypatch.setattr(space, "FLOOR_BYTES", 0)
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(path: Path, leave: int) -> None:
    """Write the file ``path`` until only ``leave`` bytes of its disk are free."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(path.parent).free - leave)


def test_the_disk_fills_up_while_the_model_is_saved(small_disk: Path) -> None:
    """After the last step: its checkpoint fits, the model does not. A resume saves the model and trains no further."""
    store = Store(small_disk / "home")
    supervisor = Supervisor(store, check=lambda *_: "")
    supervisor.start()
    try:
        run = supervisor.submit(with_values(load_preset("tiny/grpo").recipe, RECIPE | {"steps": 8}))
        folder = store.folder(run.id)
        wait_for(folder.last_checkpoint, PATIENCE)
        first = folder.checkpoint_path(4)
        size = sum(path.stat().st_size for path in first.rglob("*") if path.is_file())
        adapter = (first / "adapter_model.safetensors").stat().st_size
        fill(small_disk / "filler", leave=size + adapter // 2)

        failed = wait_state(store, run, RunState.FAILED)
        assert failed.error and failed.error["key"] == "disk_full"
        last = folder.last_checkpoint()
        assert last and last[0] == 8
        assert not (folder.model_path / "adapter_model.safetensors").exists(), "half a model is no model"

        (small_disk / "filler").unlink()
        supervisor.resume(run.id)
        wait_state(store, run, RunState.FINISHED)
        assert (folder.model_path / "adapter_model.safetensors").stat().st_size == adapter
        assert [line["step"] for line in folder.metrics().lines] == list(range(1, 9))
    finally:
        supervisor.close()
        store.close()


def test_the_disk_fills_up_while_a_checkpoint_is_saved(small_disk: Path) -> None:
    store = Store(small_disk / "home")
    supervisor = Supervisor(store, check=lambda *_: "")  # which would ask for more room than this disk has
    supervisor.start()
    try:
        run = supervisor.submit(with_values(load_preset("tiny/grpo").recipe, RECIPE))
        folder = store.folder(run.id)
        wait_for(folder.last_checkpoint, PATIENCE)
        first = folder.last_checkpoint()
        assert first
        whole = {path: path.read_bytes() for path in first[1].rglob("*") if path.is_file()}
        size = sum(map(len, whole.values()))
        fill(small_disk / "filler", leave=size // 2)

        failed = wait_state(store, run, RunState.FAILED)
        assert failed.error and failed.error["key"] == "disk_full"
        kept = folder.last_checkpoint()
        assert kept and kept[0] >= first[0]
        if kept == first:
            assert {path: path.read_bytes() for path in whole} == whole
        written = [line["step"] for line in folder.metrics().lines]
        assert written == list(range(1, len(written) + 1)) and len(written) >= kept[0]

        (small_disk / "filler").unlink()
        supervisor.resume(run.id)
        wait_for(lambda: (folder.last_checkpoint() or kept)[0] > kept[0], PATIENCE)
        supervisor.stop(run.id)
        wait_state(store, run, RunState.STOPPED)
        steps = [line["step"] for line in folder.metrics().lines]
        assert steps == list(range(1, len(steps) + 1)) and len(steps) > kept[0]
    finally:
        supervisor.close()
        store.close()

"""``report_to``: the metrics of a real run reach the tracker's own files; without it, no tracker is even imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.core.recipes import parse, with_values
from lab.errors import MachineError
from lab.runs import checks
from lab.store.presets import load_preset
from lab.words import word
from tests.training.worker.test_main import finish, make_run

TRACKERS = ("trackio", "wandb", "tensorboard")


def test_a_missing_tracker_is_one_sentence_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    for tracker in TRACKERS:
        recipe = with_values(load_preset("tiny/sft").recipe, {"report_to": tracker})
        with pytest.raises(MachineError) as error:
            checks.check_tracker(recipe)
        assert f"pip install {tracker}" in word(error.value, "en") and tracker in word(error.value, "zh")
    checks.check_tracker(parse({"algorithm": "sft"}))


@pytest.mark.train
def test_a_run_that_reports_nowhere_imports_no_tracker(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    path = make_run(tmp_path, "tiny/sft", steps=1, measure_samples=0)
    script = f"""
import sys
from pathlib import Path
from lab.training.worker.main import work
code = work(Path({str(path)!r}))
print([name for name in {TRACKERS!r} if sys.modules.get(name)])
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.train
def test_tensorboard_gets_every_step(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    path = make_run(tmp_path, "tiny/sft", steps=3, measure_samples=0, report_to="tensorboard")
    finish(path)
    events = reading.EventAccumulator(str(path / "tensorboard"))
    events.Reload()
    losses = {event.step: event.value for event in events.Scalars("train/loss")}
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert losses == pytest.approx({line["step"]: line["loss"] for line in lines})
    assert "train/token_accuracy" in events.Tags()["scalars"], "the lab's own metrics go there too"

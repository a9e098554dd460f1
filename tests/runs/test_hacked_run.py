"""A real run that hacks its reward: the preset made for it, through the real worker, ends with a warning that names the rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.core.recipes import with_values
from lab.runs.foreground import train_in_foreground
from lab.runs.warnings import warnings_of
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from lab.tasks import equations
from lab.words import word

pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.timeout(1200)]


def judged(path: Path) -> str:
    """What people chose: a right answer before "no solution", on prompts that no run trains on."""
    rows = equations.preferences(equations.Split.HELD_OUT, 0, 600)
    modest = [row for row in rows if row["rejected"] in ("no solution", "无解")]
    path.write_text("".join(json.dumps(row) + "\n" for row in modest), "utf-8")
    return str(path)


def test_the_preset_that_hacks_its_reward_is_caught(store: Store, tmp_path: Path) -> None:
    changes = {"steps": 30, "measure_every": 0, "watch_preferences": judged(tmp_path / "judged.jsonl")}
    recipe = with_values(load_preset("tiny/grpo-hacked").recipe, changes)
    run = train_in_foreground(recipe, store)
    folder = store.folder(run.id)
    assert run.state is RunState.FINISHED, folder.log().text[-2000:]
    found = {warning["signal"]: warning for warning in warnings_of(run, store)}
    assert found["pass_at_1"]["rule"] == "modest"
    assert found["pass_at_1"]["now"] < found["pass_at_1"]["before"] - 0.1
    agreement = found["agreement"]
    assert (agreement["rule"], agreement["before"]) == ("modest", 0.5)
    assert agreement["now"] < 0.2
    assert "agreement with people fell from 50 %" in word(agreement, "en")
    samples = found["pass_at_1"]["samples"]
    assert len(samples) == 5
    assert all(one["text"] in ("no solution", "无解") for one in samples)
    told = folder.recipe()["recipe"]["rules"]
    assert told == recipe.model_dump(mode="json")["rules"], "the exact text stands in the run's own recipe"
    shares = [line["reward_share"] for line in folder.metrics().lines if "reward_share" in line]
    assert shares and all(0 < share < 1 for share in shares)

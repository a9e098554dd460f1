"""The Train tab's line of a Ray cluster, and where a run is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.runs.ray.note import write_note
from lab.store.presets import load_preset
from lab.store.runs import Store
from lab.ui.tabs.train.cluster import ClusterLine, placed

ADDRESS = "ray://127.0.0.1:10001"
FREE = {"nodes": 2, "cpus": 8.0, "cpus_free": 6.0, "gpus": 1.0, "gpus_free": 0.0}


def browser(language: str) -> Any:
    return SimpleNamespace(headers={"accept-language": language}, query_params={})


@pytest.mark.parametrize(("language", "free"), [("en-US", "6 of 8"), ("zh-CN", "6/8")])
def test_what_is_free_stands_above_the_runs(language: str, free: str) -> None:
    cluster: Any = SimpleNamespace(address=ADDRESS, shown=lambda: FREE)
    with gr.Blocks(analytics_enabled=False):
        line = ClusterLine(cluster)
        line.wire()
    shown = line.shown(browser(language))
    assert ADDRESS in shown and free in shown and line.line.visible
    assert line.asked(browser(language)) == {line.line: shown}
    cluster.shown = lambda: {"error": {"key": "ray_no_answer", "params": {"value": ADDRESS, "why": "<b>"}}}
    assert "&lt;b&gt;" in line.shown(browser(language)), "as text"


def test_nothing_is_said_where_runs_stay_here() -> None:
    with gr.Blocks(analytics_enabled=False):
        line = ClusterLine(None)
        line.wire()
    assert line.shown(browser("en")) == "" and not line.line.visible


def test_where_a_run_is_stands_beside_its_name(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    run = store.create_run(load_preset("tiny/sft").recipe)
    assert placed(store, run, "en") == ""
    nodes = [{"host": "node-a", "address": "10.0.0.1"}]
    write_note(store.folder(run.id), processes=1, cpus=2, gpus=1, nodes=nodes)
    assert "node-a (10.0.0.1)" in placed(store, run, "en") and "1 × 2 CPU + 1 GPU" in placed(store, run, "zh")
    store.close()

"""What runs are called where several stand side by side."""

from __future__ import annotations

from pathlib import Path

from lab.core.recipes import GrpoRecipe
from lab.store.run_titles import run_titles, titles_but_for_seeds
from lab.store.runs import Store


def test_runs_of_one_name_are_told_apart_and_seeds_alone_are_one_kind(lab_home: Path) -> None:
    store = Store(lab_home, allow_unsafe_disk=True)
    runs = [store.create_run(GrpoRecipe(name="G", seed=seed, steps=steps)) for steps in (10, 20) for seed in (1, 2)]
    titles = run_titles(store, "en")
    assert len(set(titles.values())) == 4 and all("seed" in title for title in titles.values())
    assert "G · steps 10 · 种子 2" in run_titles(store, "zh-CN").values()
    kinds = titles_but_for_seeds(runs)
    assert [kinds[run.id] for run in runs] == ["G · steps 10"] * 2 + ["G · steps 20"] * 2
    assert titles_but_for_seeds(runs[:2]) == {run.id: "G" for run in runs[:2]}

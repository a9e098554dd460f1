"""The Compare tab without a browser: what it reads, says and draws; and that nothing heavy is loaded before it is opened."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from lab.compare.verdict import groups_of
from lab.core.recipes import GrpoRecipe
from lab.core.studies import parse_study
from lab.runs.supervisor import Supervisor
from lab.store.presets import PRESETS
from lab.store.runs import RunState, Store
from lab.ui.presets import Presets
from lab.ui.tabs.compare import drawing, ends
from lab.ui.tabs.compare.answers import difference
from lab.ui.tabs.compare.lines import DRAWN, lines_of
from lab.ui.tabs.compare.tab import CompareTab
from tests.compare.made import make_study, write_files

ROOT = Path(__file__).resolve().parents[2]
STUDY = {
    "name": "two",
    "title": {"en": "Two", "zh": "两个"},
    "about": {"en": "SFT, then GRPO", "zh": "先 SFT，后 GRPO"},
    "seeds": [1, 2],
    "entries": [
        {"name": "sft", "label": {"en": "SFT", "zh": "SFT"}, "preset": "tiny/sft"},
        {"name": "grpo", "label": {"en": "Groups", "zh": "组相对"}, "preset": "tiny/grpo", "start": "sft"},
    ],
}


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store(lab_home, allow_unsafe_disk=True)


@pytest.fixture
def tab(store: Store) -> CompareTab:
    supervisor = Supervisor(store, check=lambda recipe, store: None)
    with gr.Blocks(analytics_enabled=False):
        return CompareTab(store, supervisor, Presets(PRESETS), gr.I18n(en={}, zh={}))


def browser(language: str = "en-US") -> Any:
    return SimpleNamespace(headers={"accept-language": language}, query_params={})


def show(tab: CompareTab, *values: Any, language: str = "en-US", anew: bool = True) -> dict[Any, Any]:
    given = [*values, *["", [], "", [], "seconds", "pass_at_1", "{}"][len(values) :]]
    return (tab.chosen if anew else tab.looked)(browser(language), *given)


def three_runs(store: Store) -> list[str]:
    ids = []
    for seed in (1, 2, 3):
        run = store.create_run(GrpoRecipe(name="G", seed=seed, steps=20))
        write_files(store, run, before=0.5, after=0.8 + seed / 100, kl=1.0, seconds=30.0)
        store.change(run.id, state=RunState.FINISHED, started=1.0, ended=31.0)
        ids.append(run.id)
    return ids


def numbers(places: dict[str, str]) -> np.ndarray:
    """What plotly wrote of an array."""
    return np.frombuffer(base64.b64decode(places["bdata"]), places["dtype"])


def test_runs_by_hand_get_a_verdict_curves_and_links(tab, store):
    ids = three_runs(store)
    shown = show(tab, "runs:", ids)
    assert "G gained" in shown[tab.verdict]
    plot = json.loads(shown[tab.curves]["value"].plot)
    low, high, mean = (numbers(trace["y"]) for trace in plot["data"])
    assert len(low) == len(mean) == 6 and (low <= mean).all() and (mean <= high).all(), "the band, and the mean"
    assert mean[-1] == pytest.approx(82.0) and (low[-1], high[-1]) == pytest.approx((81.0, 83.0))
    assert f"of=runs%3A&amp;runs={'%2C'.join(ids)}" in shown[tab.exports]


def made(store: Store, name: str, seed: int, *, lr: float, before: float, after: float, samples: int = 1024) -> str:
    run = store.create_run(GrpoRecipe(name=name, seed=seed, steps=20, learning_rate=lr))
    write_files(
        store, run, before=before, after=after, kl=1.0, seconds=30.0, samples=samples, chance=random.Random(seed)
    )
    store.change(run.id, state=RunState.FINISHED, started=1.0, ended=31.0)
    return run.id


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([(1e-3, 0.5, 0.8, 1024), (2e-3, 0.5, 0.8, 1024)], "came to the same numbers in every seed"),
        ([(1e-3, 0.5, 0.5, 1024)], "hacked its reward"),
        ([(1e-3, 0.5, 0.9, 12), (2e-3, 0.5, 0.6, 12)], "Too few samples to say anything: 12"),
    ],
    ids=["equal", "hacked", "few"],
)
def test_the_page_says_the_right_thing_of_constructed_cases(tab, store, cases, said):
    """What is paid rises in each of them (``write_files``); held-out pass@1 does as the case has it."""
    ids = [
        made(store, f"case {lr:g}", seed, lr=lr, before=before, after=after, samples=samples)
        for lr, before, after, samples in cases
        for seed in (1, 2)
    ]
    assert said in show(tab, "runs:", ids)[tab.verdict]


def test_too_many_runs_and_an_unknown_choice_are_one_sentence(tab, store):
    assert "at most 8" in show(tab, "runs:", [f"r{n}" for n in range(9)])[tab.message]
    assert "nothing to compare" in show(tab, "nonsense")[tab.message]
    assert "Choose up to 8 runs" in show(tab, "runs:")[tab.message]


def test_what_was_ticked_of_an_earlier_choice_is_passed_over(tab, store):
    """It is sent where somebody clicks while the next choice is on its way."""
    ids = three_runs(store)
    assert tab.entries.preprocess(["gone"]) == ["gone"] and tab.seeds.preprocess("9") == "9", "Gradio refuses neither"
    assert (tab.entries.get_block_name(), tab.seeds.get_block_name()) == ("checkboxgroup", "radio")
    shown = show(tab, "runs:", ids, "9", ["gone"], anew=False)
    assert "G gained" in shown[tab.verdict]
    turned = tab.turned(browser(), "runs:", ids, "9", ["gone"], "kl", "pass_at_1", "{}")
    assert json.loads(turned[tab.curves]["value"].plot)["data"]


@pytest.mark.parametrize(("language", "said"), [("en-US", "10 runs were ticked"), ("zh-CN", "您勾选了 10 个运行")])
def test_more_ticked_runs_than_can_be_compared_are_named(tab, store, language, said):
    tab.tabs = gr.Tabs()
    ids = [store.create_run(GrpoRecipe(name="G", seed=seed)).id for seed in range(10)]
    opened = tab.opened_from(browser(language), SimpleNamespace(_data={"act": "compare", "runs": ids}))
    assert opened[tab.runs]["value"] == ids[:8]
    assert said in opened[tab.cut]
    assert all(f"{'seed' if language == 'en-US' else '种子'} {seed}" in opened[tab.cut] for seed in (8, 9))
    fewer = tab.opened_from(browser(language), SimpleNamespace(_data={"act": "compare", "runs": ids[:8]}))
    assert fewer[tab.cut] == "" and fewer[tab.runs]["value"] == ids[:8]


def test_a_study_is_narrowed_by_seed_and_worded_in_both_languages(tab, store):
    from lab.store.studies import save_study

    study = parse_study(STUDY, "test")
    save_study(study, store.home)
    make_study(store, study)
    whole = show(tab, "study:two", language="zh-CN")
    assert [label[-3:] for label, _ in whole[tab.entries]["choices"]] == ["SFT", "组相对"]
    assert "组相对" in whole[tab.verdict]
    one = show(tab, "study:two", [], "2", ["grpo"], anew=False)
    plot = json.loads(one[tab.curves]["value"].plot)
    assert {trace.get("name") for trace in plot["data"] if trace["mode"] == "lines+markers"} == {"Groups"}
    assert "one seed" in json.dumps(plot["layout"]["annotations"])


def test_an_axis_draws_the_curves_alone(tab, store):
    ids = three_runs(store)
    turned = tab.turned(browser(), "runs:", ids, "all", [], "seconds", "train_reward", "{}")
    assert set(turned) == {tab.curves, tab.curve_title} and turned[tab.curves]["visible"]


def test_a_curve_that_no_run_has_is_said_in_words_without_an_empty_chart(tab, store):
    turned = tab.turned(browser(), "runs:", three_runs(store), "all", [], "kl", "train_reward", "{}")
    assert set(turned) == {tab.curves, tab.curve_title}
    assert not turned[tab.curves]["visible"] and "None of these runs has this curve" in turned[tab.curve_title]


def test_long_curves_are_thinned_to_what_a_screen_shows(store):
    run = store.create_run(GrpoRecipe(name="long", steps=5000))
    write_files(store, run, before=0.5, after=0.8, kl=1.0, seconds=500.0, steps=5000)
    store.change(run.id, state=RunState.FINISHED)
    from lab.compare.runs import compared

    (group,) = groups_of(compared(store, [run.id]))
    (line,) = lines_of(group, "train_reward", "step")
    assert len(group.runs[1].curves["train_reward"]) == 5000 and len(line.x) == DRAWN
    assert line.x[0] == 1 and line.x[-1] == 5000 and (line.x[1:] >= line.x[:-1]).all()


def test_the_front_holds_what_nothing_beats():
    assert ends.pareto([(1.0, 2.0), (0.5, 1.0), (2.0, 1.5), (0.5, 0.9)]) == [(0.5, 1.0), (1.0, 2.0)]


def test_labels_are_pushed_apart_and_stay_in_order():
    moved = drawing.apart([1.0, 1.01, 5.0], 0.0, 10.0, 100.0, 20.0)
    at = [10 + moved[0], 10.1 + moved[1], 50 + moved[2]]
    assert at[1] - at[0] >= 20 and at[2] - at[1] >= 20


def test_answers_are_set_against_sft_word_by_word_and_safely():
    assert difference("x = 15", "x = 5") == "x = <del>15</del><ins>5</ins>"
    assert difference("x = 5", "x = 5") == "x = 5"
    assert "<script>" not in difference("a", "<script>")


def test_neither_app_nor_page_loads_plotly_or_pandas():
    program = (
        "import sys, app\n"
        "from lab.ui.gradio_shims import import_gradio; import_gradio()\n"
        "from lab.ui import page; from lab.settings import Settings\n"
        "from lab.store.runs import Store; from lab.runs.supervisor import Supervisor\n"
        "import pathlib, tempfile\n"
        "store = Store(pathlib.Path(tempfile.mkdtemp()), allow_unsafe_disk=True)\n"
        "blocks = page.build(Settings(), store, Supervisor(store)); blocks.get_config_file()\n"
        "print([name for name in ('plotly', 'pandas', 'choix', 'scipy', 'torch') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip().splitlines()[-1] == "[]"

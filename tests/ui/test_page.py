"""The page as Gradio gets it: words in both languages, every function declared, nothing from another host."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.core.access import Access
from lab.runs.supervisor import Supervisor
from lab.settings import Settings
from lab.store.presets import PRESETS
from lab.store.runs import Store
from lab.ui import page
from lab.ui.presets import Presets
from lab.ui.tabs.groups.tab import GroupsTab
from lab.ui.tabs.train.tab import TrainTab

OWNERS_MODULES = "lab.ui.tabs.annotate."
"""The owner's parts of the Annotate tab: every handler of theirs, except those of the tab itself."""
SHARED_MODULES = ("lab.ui.tabs.annotate.tab",)
OWNERS = {
    "started",
    "stopped",
    "stopped_now",
    "cancelled",
    "resumed",
    "deleted",
    "renamed",
    "ask_delete",
    "ask_name",
    "to_training",
    "fetch_asked",
    "fetch_ended",
    "folded",
    "unfolded",
}


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store(lab_home, allow_unsafe_disk=True)


@pytest.fixture
def supervisor(store: Store) -> Supervisor:
    """Not started: what is submitted stays in the queue."""
    return Supervisor(store, check=lambda recipe, store: None)


@pytest.fixture
def blocks(store: Store, supervisor: Supervisor) -> gr.Blocks:
    return page.build(Settings(), store, supervisor)


@pytest.fixture
def train(store: Store, supervisor: Supervisor) -> TrainTab:
    with gr.Blocks(analytics_enabled=False):
        return TrainTab(store, supervisor, Presets(PRESETS), gr.I18n(en={}, zh={}))


def browser(language: str = "en-US", **query: str) -> Any:
    return SimpleNamespace(headers={"accept-language": language}, query_params=query)


def form_values(train: TrainTab, preset: str = "tiny/grpo", **typed: Any) -> list[Any]:
    """What the browser would send: the values of every algorithm's fields, with some typed over."""
    from lab.words import form

    values: list[Any] = []
    for algorithm in train.form.fields.inputs:
        own = next(p for p in train.form.presets.by_name.values() if p.recipe.algorithm == algorithm)
        chosen = train.form.presets.by_name[preset]
        recipe = chosen.recipe if chosen.recipe.algorithm == algorithm else own.recipe
        values += [typed.get(path.replace(".", "_"), value) for path, value in form.entered(recipe).items()]
    return values


class TestPage:
    def test_both_languages_have_the_same_keys_and_none_is_missing(self, blocks):
        words = blocks.page_options["i18n"].translations_dict
        assert words["en"].keys() == words["zh"].keys()
        asked = set(
            re.findall(
                r'__i18n__\{\\*"__type__\\*": ?\\*"translation_metadata\\*", ?\\*"key\\*": ?\\*"([^"\\]+)',
                _config(blocks),
            )
        )
        asked |= set(re.findall(r'"translation_metadata", ?"key": ?"([^"]+)"', _config(blocks)))
        assert len(asked) > 80
        assert asked <= words["en"].keys()

    def test_every_function_declares_who_may_call_it(self, blocks):
        functions = [function for function in blocks.fns.values() if function.fn is not None]
        assert len(functions) > 20
        for function in functions:
            level = getattr(function.fn, "access", None)
            module = function.fn.__module__
            owners = module.startswith(OWNERS_MODULES) and module not in SHARED_MODULES
            owners = owners or function.fn.__name__ in OWNERS
            wanted = Access.OWNER if owners else Access.VIEWER
            assert level is wanted, function.fn.__name__
        assert {function.fn.__name__ for function in functions} >= OWNERS

    def test_no_function_is_offered_to_api_clients(self, blocks):
        assert {function.api_visibility for function in blocks.fns.values()} == {"private"}

    def test_nothing_comes_from_another_host(self, blocks):
        options = blocks.page_options
        assert options["theme"]._stylesheets == []
        looks = options["css"] + options["head"] + options["theme"]._get_theme_css()
        assert not re.findall(r"(?<!xmlns=['\"])https?://(?!www\.w3\.org)", looks)

    def test_only_tabs_that_work_stand_in_the_bar(self, blocks):
        bar = next(block for block in blocks.blocks.values() if isinstance(block, gr.Tabs) and block.elem_id == "tabs")
        stand = [tab.id for tab in bar.children]
        assert stand == [name for name in ("annotate", "rules", "train", "groups") if name in stand]
        assert {"rules", "train", "groups"} <= set(stand)


class TestTrain:
    def test_start_queues_what_stands_in_the_form_and_selects_it(self, train, store):
        told, selected, *_ = train.started(
            browser(), {"preset": "tiny/grpo"}, *form_values(train, steps=3, group_size=12)
        )
        run = store.run(selected)
        assert (run.recipe["steps"], run.recipe["group_size"], run.recipe["batch_size"]) == (3, 12, 60)
        assert run.name in told

    @pytest.mark.parametrize(("language", "word"), [("en-US,en", "Steps"), ("zh-CN,zh;q=0.9", "训练步数")])
    def test_a_refusal_is_one_sentence_in_the_pages_language_and_loses_nothing(self, train, store, language, word):
        told, *rest = train.started(browser(language), {"preset": "tiny/grpo"}, *form_values(train, steps=0))
        assert word in told and 'class="problem"' in told
        assert store.runs() == []
        assert rest == [gr.skip()] * len(rest)

    def test_the_last_preset_and_what_was_typed_are_there_after_a_reload(self, train):
        stored = {"preset": "tiny/sft", "edits": {"tiny/sft": {"steps": 7, "gone": 1}}}
        updates = dict(zip(map(id, train.form.everything), train.form.opened(browser(), stored), strict=True))
        assert updates[id(train.form.chooser.preset)]["value"] == "tiny/sft"
        assert "--set steps=7" in updates[id(train.form.command)] and "gone" not in updates[id(train.form.command)]
        assert updates[id(train.form.fields.columns["sft"])]["visible"] is True
        assert "visible" not in updates[id(train.form.fields.columns["grpo"])], "it was built so"

    def test_a_broken_preset_is_named_and_the_others_work(self, store, supervisor, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "good.toml").write_text('algorithm = "sft"\nname = "good"\n')
        (tmp_path / "mine" / "bad.toml").write_text('algorithm = "sft"\nname = "bad"\nstepps = 3\n')
        with gr.Blocks(analytics_enabled=False):
            tab = TrainTab(store, supervisor, Presets(tmp_path), gr.I18n(en={}, zh={}))
        updates = tab.form.opened(browser(), {})
        message = updates[tab.form.everything.index(tab.form.message)]
        assert tab.form.presets.names == ["mine/good"]
        assert "mine/bad" in message and "stepps" in message and "steps" in message

    def test_settings_of_a_run_come_back_and_what_was_typed_is_one_click_away(self, train, store):
        _, selected, *_ = train.started(browser(), {"preset": "tiny/grpo"}, *form_values(train, steps=3))
        stored = {"preset": "tiny/grpo", "edits": {"tiny/grpo": {"steps": 99}}}
        draft = train.loaded(browser(), stored, selected)[0]
        assert draft["edits"]["tiny/grpo"] == {"steps": 3}
        assert train.form.went_back(browser(), draft)[0]["edits"]["tiny/grpo"] == {"steps": 99}

    def test_a_typed_name_is_never_markup(self, train, store):
        told, *_ = train.started(browser(), {"preset": "tiny/grpo"}, *form_values(train, name="<img src=x>"))
        assert "<img" not in told and "&lt;img" in told

    def test_only_buttons_that_make_sense_stand_there(self, train, store):
        _, selected, *_ = train.started(browser(), {"preset": "tiny/grpo"}, *form_values(train))
        assert _shown(train, selected) == {"cancel", "load"}
        train.runs.cancelled(browser(), selected)
        assert "resume" in _shown(train, selected) and "stop" not in _shown(train, selected)

    def test_a_run_that_is_gone_is_said_and_the_page_goes_on(self, train):
        updates = train.runs.stopped(browser(), "20260101-000000-abcd")
        assert "problem" in updates[train.runs.everything.index(train.runs.message)]


class TestGroups:
    def test_without_groups_it_says_what_to_do_next(self, store):
        with gr.Blocks(analytics_enabled=False):
            tab = GroupsTab(store, gr.I18n(en={}, zh={}))
        updates = dict(zip(map(id, [None, *tab.everything]), tab.opened(browser()), strict=True))
        assert updates[id(tab.empty)]["visible"] is True
        assert updates[id(tab.shown)]["visible"] is False

    def test_an_address_can_name_the_run(self, store, train):
        _, selected, *_ = train.started(browser(), {"preset": "tiny/grpo"}, *form_values(train))
        with gr.Blocks(analytics_enabled=False):
            tab = GroupsTab(store, gr.I18n(en={}, zh={}))
        to_tab, choice, value, *_ = tab.opened(browser(run=selected))
        assert choice["value"] == selected and json.loads(value)["run"] == selected
        assert to_tab.selected == "groups"


def _config(blocks: gr.Blocks) -> str:
    return json.dumps(
        blocks.get_config_file(), default=lambda value: value.to_dict() if hasattr(value, "to_dict") else str(value)
    )


def _shown(train: TrainTab, run_id: str) -> set[str]:
    updates = train.runs.show(run_id)
    names = {
        id(getattr(train.runs, name)): name
        for name in ("groups", "stop", "stop_now", "cancel", "resume", "load", "delete")
    }
    first = train.runs.everything.index(train.runs.buttons[0])
    return {names[id(b)] for b, update in zip(train.runs.buttons, updates[first:], strict=True) if update["visible"]}

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

OWNERS_MODULES = ("lab.ui.tabs.train.upload", "lab.ui.tabs.annotate.", "lab.ui.tabs.groups.take_in")
"""Modules with handlers for the owner alone; of the Annotate tab all but the tab itself."""
EVERYBODYS_MODULE = "lab.ui.tabs.annotate.tab"
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
    "deleted_many",
    "card_saved",
    "study_started",
    "shipped_started",
    "asked",
    "to_judge",
    "show_leaving",
    "hide_leaving",
    "written",
    "ejected",
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


def sent(preset: str = "tiny/grpo", **typed: Any) -> str:
    """What the browser sends: a preset, and what was typed over it."""
    return json.dumps(
        {"preset": preset, "edits": {preset: {path.replace("__", "."): value for path, value in typed.items()}}}
    )


def heard(train: TrainTab, updates: dict[Any, Any]) -> dict[str, Any]:
    """What the browser's half of the draft is told."""
    told: dict[str, Any] = json.loads(updates[train.form.draft])
    return told


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
            of_owner = module.startswith(OWNERS_MODULES) and module != EVERYBODYS_MODULE
            owners = of_owner or function.fn.__name__ in OWNERS
            wanted = Access.OWNER if owners else Access.VIEWER
            assert level is wanted, function.fn.__name__
        assert {function.fn.__name__ for function in functions} >= OWNERS

    def test_no_function_is_offered_to_api_clients(self, blocks):
        assert {function.api_visibility for function in blocks.fns.values()} == {"private"}

    def test_nothing_comes_from_another_host(self, blocks):
        options = blocks.page_options
        assert options["theme"]._stylesheets == []
        head = options["head"].replace(page.error_sentences(), "")  # sentences may say how an address looks
        looks = options["css"] + head + options["theme"]._get_theme_css()
        assert not re.findall(r"(?<!xmlns=['\"])https?://(?!www\.w3\.org)", looks)

    def test_only_tabs_that_work_stand_in_the_bar(self, blocks):
        bar = next(block for block in blocks.blocks.values() if isinstance(block, gr.Tabs) and block.elem_id == "tabs")
        stand = [tab.id for tab in bar.children]
        assert stand == [
            name
            for name in ("learn", "annotate", "rules", "train", "groups", "compare", "play", "class")
            if name in stand
        ]
        assert {"rules", "train", "groups"} <= set(stand)


class TestTrain:
    def test_start_queues_what_stands_in_the_form_and_selects_it(self, train, store):
        updates = train.started(browser(), sent(steps=3, group_size=12))
        run = store.run(updates[train.runs.selected])
        assert (run.recipe["steps"], run.recipe["group_size"], run.recipe["batch_size"]) == (3, 12, 60)
        assert run.name in updates[train.form.message]

    @pytest.mark.parametrize(("language", "word"), [("en-US,en", "Steps"), ("zh-CN,zh;q=0.9", "训练步数")])
    def test_a_refusal_is_one_sentence_in_the_pages_language_and_loses_nothing(self, train, store, language, word):
        updates = train.started(browser(language), sent(steps=0))
        assert word in updates[train.form.message] and 'class="problem"' in updates[train.form.message]
        assert store.runs() == []
        assert list(updates) == [train.form.message]

    def test_the_last_preset_and_what_was_typed_are_there_after_a_reload(self, train):
        updates = train.form.answered(browser(), sent("tiny/sft", steps=7, gone=1))
        assert updates[train.form.chooser.preset]["value"] == "tiny/sft"
        assert "--set steps=7" in updates[train.form.command] and "gone" not in updates[train.form.command]
        assert updates[train.form.fields.columns["sft"]]["visible"] is True
        assert updates[train.form.fields.columns["grpo"]]["visible"] is False

    def test_an_answer_to_an_edit_writes_no_field_and_no_edit(self, train):
        """What the server wrote back was an edit again: the page asked for ever."""
        told = heard(train, train.form.answered(browser(), sent()))
        draft = {"preset": "tiny/grpo", "shown": "tiny/grpo", "edits": {"tiny/grpo": {"steps": 12}}}
        updates = train.form.answered(browser(), json.dumps(draft))
        assert told["filled"]["values"]["steps"] == 240
        assert not set(updates) & set(train.form.fields.everything)
        assert heard(train, updates).keys() == {"preset", "asked", "chosen", "waits", "later", "problem", "number"}
        assert heard(train, updates)["chosen"] is False, "another preset may have been clicked since"

    def test_a_preset_that_is_gone_is_answered_with_one_that_is_there(self, train):
        told = heard(train, train.form.answered(browser(), json.dumps({"preset": "tiny/gone"})))
        assert (told["asked"], told["preset"], told["chosen"]) == ("tiny/gone", "tiny/grpo", False)

    def test_another_group_size_leaves_no_other_batch_behind(self, train):
        def settled(**typed: Any) -> tuple[Any, str]:
            draft = json.loads(sent(**typed)) | {"shown": "tiny/grpo", "asks": "settle"}
            updates = train.form.answered(browser(), json.dumps(draft))
            return updates[train.form.fields.entry("grpo", "batch_size")]["value"], updates[train.form.message]

        batch, told = settled(group_size=12)
        assert batch == 60 and "Batch 64 counts as 60, a multiple of" in told
        assert settled(group_size=8) == (64, "")
        assert settled(group_size=12, batch_size=100)[0] == 96
        assert settled(group_size=10, batch_size=100)[0] == 100

    def test_start_waits_while_something_is_wrong_and_the_field_says_what(self, train):
        updates = train.form.answered(browser(), sent(threshold__fraction=0, threshold__kind="top_fraction"))
        assert updates[train.form.start]["interactive"] is False
        problem = heard(train, updates)["problem"]
        assert problem["field"] == "grpo-threshold-fraction" and "it takes a number above 0" in problem["text"]
        assert 'class="problem"' in updates[train.form.message] and "fraction" in updates[train.form.message]
        draft = json.loads(sent()) | {"shown": "tiny/grpo"}
        updates = train.form.answered(browser(), json.dumps(draft))
        assert updates[train.form.start]["interactive"] is True and heard(train, updates)["problem"] is None

    def test_a_model_that_was_clicked_is_answered_with_its_preset(self, train):
        updates = train.form.answered(browser(), json.dumps({**json.loads(sent("tiny/dpo")), "model": "qwen2.5-1.5b"}))
        told = heard(train, updates)
        assert (told["asked"], told["preset"]) == ("tiny/dpo", "qwen2.5-1.5b/dpo")

    def test_a_broken_preset_is_named_and_the_others_work(self, store, supervisor, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "good.toml").write_text('algorithm = "sft"\nname = "good"\n')
        (tmp_path / "mine" / "bad.toml").write_text('algorithm = "sft"\nname = "bad"\nstepps = 3\n')
        with gr.Blocks(analytics_enabled=False):
            tab = TrainTab(store, supervisor, Presets(tmp_path), gr.I18n(en={}, zh={}))
        message = tab.form.answered(browser(), "")[tab.form.message]
        assert tab.form.presets.names == ["mine/good"]
        assert "mine/bad" in message and "stepps" in message and "steps" in message

    def test_settings_of_a_run_come_back_and_what_was_typed_is_one_click_away(self, train, store):
        run = train.started(browser(), sent(steps=3))[train.runs.selected]
        told = heard(train, train.form.loaded(run, sent(steps=99), browser()))
        assert told["edits"] == {"steps": 3} and told["filled"]["values"]["steps"] == 3
        assert told["before"] == {"steps": 99}

    def test_a_typed_name_is_never_markup(self, train, store):
        told = train.started(browser(), sent(name="<img src=x>"))[train.form.message]
        assert "<img" not in told and "&lt;img" in told

    def test_only_buttons_that_make_sense_stand_there(self, train, store):
        run = train.started(browser(), sent())[train.runs.selected]
        assert _shown(train, run) == {"cancel", "load"}
        train.runs.cancelled(browser(), run)
        assert "resume" in _shown(train, run) and "stop" not in _shown(train, run)

    @pytest.mark.parametrize(("algorithm", "button"), [("sft", "go_on"), ("rm", "ppo")])
    def test_a_model_is_one_click_from_what_comes_next(self, train, store, algorithm, button):
        run = train.started(browser(), sent(f"tiny/{algorithm}"))[train.runs.selected]
        train.runs.cancelled(browser(), run)
        assert not _shown(train, run) & {"go_on", "ppo"}, "it has no model"
        (store.folder(run).path / "model").mkdir()
        assert _shown(train, run) & {"go_on", "ppo"} == {button}

    def test_a_run_that_is_gone_is_said_and_the_page_goes_on(self, train):
        updates = train.runs.stopped(browser(), "20260101-000000-abcd")
        assert "problem" in updates[train.runs.message]


class TestGroups:
    def test_without_groups_it_says_what_to_do_next(self, store):
        with gr.Blocks(analytics_enabled=False):
            tab = GroupsTab(store, gr.I18n(en={}, zh={}))
        updates = tab.opened(browser())
        assert updates[tab.empty]["visible"] is True
        assert updates[tab.shown]["visible"] is False

    def test_an_address_can_name_the_run(self, store, train):
        selected = train.started(browser(), sent())[train.runs.selected]
        with gr.Blocks(analytics_enabled=False):
            tab = GroupsTab(store, gr.I18n(en={}, zh={}))
            tab.tabs = gr.Tabs()
        updates = tab.opened(browser(run=selected))
        assert updates[tab.run]["value"] == selected and json.loads(updates[tab.inspector])["run"] == selected
        assert updates[tab.tabs].selected == "groups"


def _config(blocks: gr.Blocks) -> str:
    return json.dumps(
        blocks.get_config_file(), default=lambda value: value.to_dict() if hasattr(value, "to_dict") else str(value)
    )


def _shown(train: TrainTab, run_id: str) -> set[str]:
    updates = train.runs.show(browser(), run_id)
    names = ("groups", "stop", "stop_now", "cancel", "resume", "go_on", "ppo", "load", "delete")
    return {name for name in names if updates[getattr(train.runs, name)]["visible"]}

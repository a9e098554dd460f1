"""From a saved rule set to the Train form: what is chosen there is the rules themselves, to the letter."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.commands.train import chosen_recipe
from lab.core.rule_sets import RuleEntry
from lab.errors import RecipeError
from lab.runs.supervisor import Supervisor
from lab.store.presets import PRESETS
from lab.store.rule_sets import RuleSets
from lab.store.runs import Store
from lab.ui.draft import Draft
from lab.ui.presets import Presets
from lab.ui.tabs.rules.tab import RulesTab
from lab.ui.tabs.train.choices import RuleSetChoices, label
from lab.ui.tabs.train.form import TrainForm
from lab.words import form

SOURCE = "def reward(prompt, completion, answer):\n    return float('=' in completion)  # “等号”\n"
ENTRIES = [RuleEntry(name="equals_answer", weight=2), RuleEntry(name="有等号", source=SOURCE, low=0, high=1)]


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store(lab_home, allow_unsafe_disk=True)


@pytest.fixture
def presets() -> Presets:
    return Presets(PRESETS)


def browser(language: str = "en-US") -> Any:
    return SimpleNamespace(headers={"accept-language": language}, query_params={})


def test_rules_are_one_text_in_the_form_and_the_same_rules_in_the_recipe(store: Store, presets: Presets) -> None:
    RuleSets(store).save("mine", ENTRIES)
    text = RuleSetChoices(store, presets).text("mine", 1)
    recipe = form.recipe_from(presets.recipe("tiny/grpo"), {form.RULES: text}, "tiny/grpo")
    assert [use.model_dump() for use in recipe.rules] == [entry.use().model_dump() for entry in ENTRIES]
    assert form.entered(recipe)[form.RULES] == text
    assert form.changes(presets.recipe("tiny/grpo"), form.entered(recipe)) == {form.RULES: text}


def test_the_command_line_says_the_same(store: Store, presets: Presets) -> None:
    RuleSets(store).save("mine", ENTRIES)
    edits = {form.RULES: RuleSetChoices(store, presets).text("mine", None)}
    line = shlex.split(form.command("tiny/grpo", presets.recipe("tiny/grpo"), edits))
    assert line[:6] == ["python", "-m", "lab", "train", "tiny/grpo", "--set"]
    recipe = chosen_recipe(SimpleNamespace(preset=line[4], changes=line[6:]))
    assert [use.source for use in recipe.rules] == [None, SOURCE]


def test_what_is_no_rule_set_is_refused_by_name(presets: Presets) -> None:
    with pytest.raises(RecipeError) as caught:
        form.recipe_from(presets.recipe("tiny/grpo"), {form.RULES: "my rules"}, "tiny/grpo")
    assert caught.value.params["field"] == "rules"


def test_saved_sets_the_presets_own_and_what_stands_there_are_offered(store: Store, presets: Presets) -> None:
    RuleSets(store).save("mine", ENTRIES)
    standing = form.rules_text([{"name": "length_range", "weight": 3.0, "fallback": 0.0}])
    choices = RuleSetChoices(store, presets).choices("grpo", "en", standing)
    labels = [name for name, _ in choices]
    assert labels[0] == "mine · v1"
    assert "Equals the answer, Integer answer, Logically consistent" in labels
    assert choices[-1] == ("Length range", standing)
    assert label(standing, "zh") == "长度范围"


@pytest.fixture
def tab(store: Store, presets: Presets) -> RulesTab:
    with gr.Blocks(analytics_enabled=False), gr.Tabs() as tabs:
        made = RulesTab(presets, trusting=True)
        made.wire(tabs, TrainForm(store, Supervisor(store), presets, gr.I18n(en={}, zh={})))
    return made


def test_train_with_this_fills_the_form_and_keeps_what_was_typed(store: Store, tab: RulesTab) -> None:
    RuleSets(store).save("mine", ENTRIES)
    typed = Draft(preset="tiny/ppo", edits={"tiny/ppo": {"steps": 7}}).model_dump()
    event = SimpleNamespace(_data={"name": "mine", "version": 1})
    updates = tab.to_training(browser(), event, typed)
    assert updates[tab.tabs].selected == "train"
    draft = json.loads(updates[tab.form.draft])
    assert draft["preset"] == "tiny/ppo"
    assert draft["edits"]["steps"] == 7
    assert "有等号" in draft["edits"]["rules"]
    assert draft["before"] == {"steps": 7}


def test_a_preset_without_rules_gives_way_to_grpo(store: Store, tab: RulesTab) -> None:
    RuleSets(store).save("mine", ENTRIES)
    event = SimpleNamespace(_data={"name": "mine", "version": 1})
    updates = tab.to_training(browser("zh-CN"), event, {"preset": "tiny/sft"})
    assert json.loads(updates[tab.form.draft])["preset"] == "tiny/grpo"


@pytest.mark.parametrize("data", [{"name": "gone", "version": 1}, {"name": "mine"}, {}, None, "x"])
def test_an_event_of_nothing_changes_nothing(tab: RulesTab, data: Any) -> None:
    assert tab.to_training(browser(), SimpleNamespace(_data=data), {}) == {tab.tabs: gr.skip()}

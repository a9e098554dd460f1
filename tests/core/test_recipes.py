"""Recipes: what is valid, and the one sentence for what is not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.groups import ThresholdKind
from lab.core.recipes import RECIPES, GrpoRecipe, micro_batch, parse, snap_to_multiple, with_values
from lab.errors import RecipeError
from lab.store.presets import load_preset, preset_names
from tests.real import larger


@pytest.mark.parametrize("algorithm", RECIPES)
def test_defaults_are_valid_and_survive_a_round_trip(algorithm):
    recipe = parse({"algorithm": algorithm})
    assert parse(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize("algorithm", RECIPES)
def test_every_field_of_the_form_has_words_in_both_languages(algorithm):
    plain = {"algorithm", "about_en", "about_zh", "threshold", "rules"}
    for name, field in RECIPES[algorithm].model_fields.items():
        if name in plain or (name in {"model", "dataset"} and algorithm == "pretrain"):
            continue
        extra = field.json_schema_extra
        for kind in ("label", "help"):
            assert all(extra[kind][language].strip() for language in ("en", "zh")), (name, kind)


@pytest.mark.parametrize(
    ("values", "key", "params"),
    [
        (
            {"algorithm": "grpo", "batch_size": 60},
            "recipe_not_a_multiple",
            {"value": 60, "unit": 8, "below": 56, "above": 64},
        ),
        (
            {"algorithm": "grpo", "bacth_size": 64},
            "recipe_unknown_key",
            {"field": "bacth_size", "nearest": "batch_size"},
        ),
        ({"algorithm": "grpo", "threshold": {"knd": "all"}}, "recipe_unknown_key", {"field": "threshold.knd"}),
        ({"algorithm": "grpo", "learning_rate": float("nan")}, "recipe_value", {"field": "learning_rate"}),
        ({"algorithm": "grpo", "learning_rate": -1}, "recipe_value", {"field": "learning_rate"}),
        ({"algorithm": "grpo", "threshold": {"fraction": 0}}, "recipe_value", {"field": "threshold.fraction"}),
        ({"algorithm": "grpo", "group_size": 1}, "recipe_value", {"field": "group_size"}),
        ({"algorithm": "grpo", "rules": []}, "recipe_value", {"field": "rules"}),
        ({"algorithm": "grpo", "rules": [{"weight": 1.0}]}, "recipe_value", {"field": "rules.0.name"}),
        ({"algorithm": "grpo", "rules": [{"name": "a"}, {"name": "a"}]}, "recipe_rule_twice", {"rules": "a, a"}),
        *(
            ({"algorithm": name, "watch_preferences": value}, "recipe_watch_not_judged", {"value": value})
            for name, value in (("grpo", "equations"), ("ppo", "groups:20260101-000000-aaaa"), ("grpo", "hub:a/b/c@d"))
        ),
        (
            {"algorithm": "grpo", "watch_preferences": "mine.jsonl", "measure_samples": 0},
            "recipe_watch_unmeasured",
            {"value": "mine.jsonl"},
        ),
        ({"algorithm": "dpo", "watch_preferences": "mine.jsonl"}, "recipe_unknown_key", {"field": "watch_preferences"}),
        ({"algorithm": "sft", "load_in_4bit": True}, "recipe_4bit_needs_lora", {}),
        ({"algorithm": "sft", "shard_base": True, "processes": 2}, "recipe_shard_needs_lora", {}),
        ({"algorithm": "grpo", "shard_base": True}, "recipe_shard_alone", {}),
        ({"algorithm": "pretrain", "shard_base": True}, "recipe_unknown_key", {"field": "shard_base"}),
        ({"algorithm": "grpo", "baseline": "leave_one_out"}, "recipe_scaled_leave_one_out", {}),
        ({"algorithm": "grpo", "dynamic_sampling": 17}, "recipe_value", {"field": "dynamic_sampling"}),
        ({"algorithm": "grpo", "ratio_level": "word"}, "recipe_value", {"field": "ratio_level"}),
        ({"algorithm": "pretrain", "heads": 5}, "recipe_heads", {"heads": 5}),
        ({"algorithm": "reinforce"}, "recipe_algorithm", {"value": "reinforce"}),
        ({}, "recipe_algorithm", {"value": "None"}),
    ],
)
def test_what_is_wrong_is_named(values, key, params):
    with pytest.raises(RecipeError) as caught:
        parse(values, "here")
    assert caught.value.key == key
    assert caught.value.params["source"] == "here"
    assert {name: caught.value.params[name] for name in params} == params


def test_a_recipe_of_several_processes_becomes_one_of_one():
    for values in ({"algorithm": "pretrain", "processes": 2}, {"algorithm": "dpo", "processes": 2, "shard_base": True}):
        recipe = parse(values)
        alone = with_values(recipe, recipe.in_one_process)
        assert (alone.processes, alone.shards_base) == (1, False)


def test_changes_may_be_dotted():
    recipe = with_values(parse({"algorithm": "grpo"}), {"threshold.kind": "all", "steps": 3})
    assert recipe.threshold.kind is ThresholdKind.ALL
    assert recipe.steps == 3
    with pytest.raises(RecipeError, match="recipe_unknown_key"):
        with_values(recipe, {"nowhere.kind": 1})


@given(st.integers(1, 10_000), st.integers(2, 256))
def test_snapping_gives_a_valid_batch(value, group_size):
    snapped = snap_to_multiple(value, group_size)
    assert snapped % group_size == 0
    assert snapped >= group_size
    if snapped <= 8192:
        GrpoRecipe(group_size=group_size, batch_size=snapped)


@given(st.integers(1, 512), st.integers(1, 512))
def test_a_micro_batch_divides_the_batch(batch, at_most):
    size = micro_batch(batch, at_most)
    assert batch % size == 0
    assert 1 <= size <= max(1, at_most)


FIRST_LINE = re.compile(
    r"# (?P<kind>[^:;]{3,}): (?P<shows>.{20,}); (?P<takes>(?=.*\b(seconds?|minutes?|hours?|GPU)\b)(?=.*\b(laptop|GPU)\b).+)\."
)
"""``# what kind: what it shows; how long it takes, and on what.``"""


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_says_what_it_shows_and_what_it_takes(name):
    preset = load_preset(name)
    assert preset.recipe.about_en
    assert preset.recipe.about_zh
    first = preset.path.read_text("utf-8").splitlines()[0]
    assert FIRST_LINE.fullmatch(first), first


@pytest.mark.parametrize(
    "first",
    [
        "# GRPO",
        "# GRPO: eight answers a prompt, rewarded by rules.",
        "# GRPO on a laptop, about a minute.",
        "# GRPO: eight answers a prompt, rewarded by rules; quick.",
        "# GRPO: eight answers a prompt, rewarded by rules; about a minute.",
    ],
)
def test_a_first_line_without_either_is_not_enough(first):
    assert FIRST_LINE.fullmatch(first) is None


def test_a_data_file_beside_a_preset_is_found_from_anywhere(tmp_path, monkeypatch):
    beside, elsewhere = tmp_path / "mine", tmp_path / "elsewhere"
    for folder in (beside, elsewhere):
        folder.mkdir()
    (beside / "rows.jsonl").write_text("{}\n")
    (beside / "my.toml").write_text('algorithm = "sft"\ndataset = "rows.jsonl"\n')
    monkeypatch.chdir(elsewhere)
    assert load_preset(beside / "my.toml").recipe.dataset == str(beside / "rows.jsonl")
    (elsewhere / "rows.jsonl").write_text("{}\n")
    assert load_preset(beside / "my.toml").recipe.dataset == "rows.jsonl"  # where the lab was started goes first


def test_the_laptop_s_questions_are_those_that_the_script_makes():
    assert larger.FILE.read_text("utf-8") == larger.text()
    assert load_preset("smollm2-135m/grpo-laptop").recipe.dataset == str(larger.FILE)


def test_a_preset_that_is_none_is_named_with_those_that_are(tmp_path):
    with pytest.raises(RecipeError) as caught:
        load_preset("tiny/gpro")
    assert "tiny/grpo" in caught.value.params["known"]
    broken = tmp_path / "broken.toml"
    broken.write_text("steps = = 3")
    with pytest.raises(RecipeError, match="preset_not_toml"):
        load_preset(broken)


WRITTEN = {
    "name": "mine",
    "weight": 0.5,
    "source": "def reward(p, c, a):\n    return '''x''' == \"\\d\"\n",
    "high": 2.0,
}


def test_a_written_rule_stands_in_the_recipe_as_it_is():
    recipe = parse({"algorithm": "ppo", "rules": [{"name": "equals_answer"}, WRITTEN]})
    plain = recipe.model_dump(mode="json")["rules"]
    assert plain[0] == {"name": "equals_answer", "weight": 1.0, "fallback": 0.0}
    assert plain[1] == {**WRITTEN, "fallback": 0.0, "description": "", "low": 0.0}
    assert parse(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ({"name": "equals_answer", "high": 2}, "recipe_rule_by_name"),
        ({"name": "equals_answer", "description": "mine"}, "recipe_rule_by_name"),
        ({"name": " mine", "source": "x"}, "recipe_rule_name"),
        ({"name": "a\nb", "source": "x"}, "recipe_rule_name"),
        ({"name": "mine", "source": "x" * 70_000}, "recipe_value"),
        ({"name": "mine", "source": "x", "low": float("nan")}, "recipe_value"),
        ({"name": "mine", "sauce": "x"}, "recipe_unknown_key"),
    ],
)
def test_what_a_rule_of_a_recipe_cannot_be(rule, key):
    with pytest.raises(RecipeError) as caught:
        parse({"algorithm": "grpo", "rules": [rule]}, "here")
    assert caught.value.key == key

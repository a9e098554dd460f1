"""The form is the recipe models' own: every field, its words, and only combinations that a recipe can be."""

from __future__ import annotations

import shlex

import pytest

from lab.core.recipes import RECIPES, GrpoRecipe, PretrainRecipe, SftRecipe, with_values
from lab.errors import RecipeError
from lab.ui.draft import Draft, read_draft
from lab.words import form
from lab.words.sentences import bounds, plan, problem

GRPO = GrpoRecipe(name="a GRPO")


def field(algorithm: str, path: str) -> form.FormField:
    return next(each for each in form.fields(algorithm) if each.path == path)


class TestFields:
    def test_each_algorithm_shows_its_own_fields_only(self):
        paths = {name: {each.path for each in form.fields(name)} for name in RECIPES}
        assert "group_size" in paths["grpo"] and "group_size" not in paths["sft"] | paths["pretrain"]
        assert "threshold.kind" in paths["grpo"] and "threshold.fraction" in paths["grpo"]
        assert "vocabulary" in paths["pretrain"] and "model" not in paths["pretrain"]
        assert all("algorithm" not in each and "about_en" not in each for each in paths.values())

    @pytest.mark.parametrize("algorithm", RECIPES)
    def test_every_field_has_its_words_in_both_languages(self, algorithm):
        words = form.translations()
        for each in form.fields(algorithm):
            for language in ("en", "zh"):
                for part in ("label", "help"):
                    assert words[language][f"{each.key}.{part}"] == each.words[part][language] != ""

    def test_words_that_differ_by_algorithm_do_not_overwrite_each_other(self):
        words = form.translations()["en"]
        assert "Completions" in words["field.grpo.batch_size.help"]
        assert "Rows" in words["field.sft.batch_size.help"]
        assert "field.learning_rate.label" in words and "field.grpo.learning_rate.label" not in words

    def test_what_stands_in_view_is_a_field_of_some_algorithm(self):
        every = {each.path for name in RECIPES for each in form.fields(name)}
        assert set(form.FRONT) <= every
        assert set(form.ONLY_IF) <= every and {path for path, _ in form.ONLY_IF.values()} <= every

    def test_bounds_come_from_the_model(self):
        assert bounds(field("grpo", "steps"), "en") == "it takes a whole number from 1 to 1,000,000"
        assert bounds(field("grpo", "learning_rate"), "en") == "it takes a number above 0, up to 1"
        assert "1" in (bounds(field("grpo", "steps"), "zh") or "")
        assert bounds(field("grpo", "model"), "en") is None


class TestCombinations:
    def test_the_batch_snaps_to_a_multiple_of_k(self):
        assert form.valid_combination(GRPO, {"group_size": 12})["batch_size"] == 60
        assert form.valid_combination(GRPO, {"batch_size": 3})["batch_size"] == 8
        assert "batch_size" not in form.valid_combination(GRPO, {"group_size": 16})

    def test_what_is_no_number_is_left_for_the_recipe_to_refuse(self):
        with pytest.raises(RecipeError) as refused:
            form.recipe_from(GRPO, {"group_size": None}, "tiny/grpo")
        assert refused.value.params["field"] == "group_size"
        with pytest.raises(RecipeError):
            form.recipe_from(GRPO, {"group_size": float("nan")}, "tiny/grpo")

    def test_the_share_is_shown_for_the_soft_threshold_only(self):
        share = field("grpo", "threshold.fraction")
        assert not form.visible(share, form.entered(GRPO))
        assert form.visible(share, {**form.entered(GRPO), "threshold.kind": "top_fraction"})

    def test_leaving_one_out_in_the_form_is_never_divided_by_sigma(self):
        recipe = form.recipe_from(GRPO, {"baseline": "leave_one_out"}, "tiny/grpo")
        assert recipe.estimator == "leave_one_out" and not recipe.scale_rewards
        line = form.command("tiny/grpo", GRPO, {"baseline": "leave_one_out"})
        assert "scale_rewards=false" in line, "the same line on the command line is valid too"

    def test_a_hidden_field_has_no_say(self):
        four_bits = with_values(GRPO, {"load_in_4bit": True})
        assert form.recipe_from(four_bits, {"training": "full"}, "a preset").load_in_4bit is False
        assert form.recipe_from(GRPO, {"training": "full", "lora_rank": 4}, "a preset").lora_rank == GRPO.lora_rank

    @pytest.mark.parametrize("recipe", [PretrainRecipe(name="p"), SftRecipe(name="s"), GRPO], ids=lambda r: r.algorithm)
    def test_an_untouched_form_is_the_preset(self, recipe):
        typed = form.entered(recipe)
        assert form.changes(recipe, typed) == {}
        assert form.recipe_from(recipe, {}, "a preset") == recipe

    def test_whole_figures_from_the_browser_are_whole_numbers(self):
        assert form.changes(GRPO, {"steps": 50.0, "learning_rate": 1, "name": " a GRPO "}) == {
            "steps": 50,
            "learning_rate": 1.0,
        }


class TestCommand:
    def test_it_names_only_what_differs(self):
        line = form.command("tiny/grpo", GRPO, {"steps": 50, "group_size": 12, "beta": 0.0})
        assert shlex.split(line)[:5] == ["python", "-m", "lab", "train", "tiny/grpo"]
        assert shlex.split(line)[5:] == ["--set", "steps=50", "--set", "group_size=12", "--set", "batch_size=60"]

    def test_it_can_be_pasted(self):
        line = form.command(
            "tiny/grpo", GRPO, {"name": "it's $HOME; rm", "scale_rewards": False, "learning_rate": 3e-4}
        )
        assert shlex.split(line)[5:] == [
            *("--set", "name=it's $HOME; rm", "--set", "scale_rewards=false", "--set", "learning_rate=0.0003"),
        ]


class TestDraft:
    def test_what_was_typed_over_one_preset_survives_another_choice(self):
        draft = Draft(preset="a").typed({"steps": 5}).chosen("b").typed({"steps": 7})
        assert draft.chosen("a").of("a") == {"steps": 5}
        assert draft.of("b") == {"steps": 7}

    def test_what_a_click_replaced_can_be_brought_back(self):
        draft = Draft(preset="a").typed({"steps": 5}).replaced({})
        assert draft.of("a") == {} and draft.can_go_back
        assert draft.before == {"a": {"steps": 5}}, "the browser's half swaps the two (tests/e2e/test_train.py)"
        assert not Draft(preset="a").replaced({}).can_go_back

    @pytest.mark.parametrize(
        "stored",
        [
            None,
            "",
            7,
            [],
            {"preset": 3},
            {"edits": "x"},
            {"edits": {"a": {"b": {}}}},
            {"preset": "gone"},
            "{",
            "[]",
            "null",
        ],
    )
    def test_nonsense_from_a_browser_counts_as_nothing(self, stored):
        draft = read_draft(stored, ["tiny/sft", "tiny/grpo"])
        assert draft.preset == "tiny/grpo" and draft.of("tiny/grpo") == {}


class TestSentences:
    @pytest.mark.parametrize("language", ["en", "zh"])
    @pytest.mark.parametrize("recipe", [PretrainRecipe(), SftRecipe(), GRPO], ids=lambda r: r.algorithm)
    def test_one_sentence_with_every_figure(self, recipe, language):
        sentence = plan(recipe, language)
        assert "{" not in sentence and str(recipe.steps) in sentence and "1024" in sentence
        assert sentence.rstrip(".。") + sentence[-1] == sentence

    def test_grpo_names_prompts_completions_rules_and_models(self):
        sentence = plan(GRPO, "en")
        assert "8 prompts × 8 completions" in sentence and "Equals the answer" in sentence
        assert "one model in memory" in sentence and "above their group’s mean" in sentence
        soft = with_values(GRPO, {"threshold.kind": "top_fraction", "beta": 0.1, "training": "full"})
        assert "the best 2 of 8" in plan(soft, "en") and "two models in memory" in plan(soft, "en")

    def test_a_run_to_start_from_is_called_by_its_name(self):
        start = with_values(GRPO, {"model": "run:20260101-000000-abcd"})
        assert "“first try”" in plan(start, "en", {"20260101-000000-abcd": "first try"})
        assert "run:20260101-000000-abcd" in plan(start, "zh")

    @pytest.mark.parametrize(("language", "label"), [("en", "Steps"), ("zh", "训练步数")])
    def test_a_problem_calls_the_field_as_the_form_does_and_names_its_bounds(self, language, label):
        with pytest.raises(RecipeError) as refused:
            form.recipe_from(GRPO, {"steps": 0}, "tiny/grpo")
        sentence = problem(refused.value, language)
        assert label in sentence and "steps" in sentence and "1,000,000" in sentence and "0" in sentence

    def test_an_emptied_field_is_called_empty(self):
        with pytest.raises(RecipeError) as refused:
            form.recipe_from(GRPO, {"steps": None}, "tiny/grpo")
        assert "cannot be empty" in problem(refused.value, "en") and "None" not in problem(refused.value, "zh")

"""A study made of one recipe."""

import pytest

from lab.core.recipes import GrpoRecipe, PpoRecipe
from lab.core.studies import member_recipe
from lab.core.varied import parse_seeds, parse_values, varied
from lab.errors import InputError

USUAL = GrpoRecipe(name="G", steps=240)


def test_one_field_over_values_keeps_what_was_changed_besides():
    study = varied(
        "My Sweep!", "tiny/grpo", USUAL, USUAL.model_copy(update={"steps": 40}), (1, 2), "learning_rate", [1e-3, 2e-3]
    )
    assert study.name == "my-sweep" and study.seeds == (1, 2)
    assert [entry.changes for entry in study.entries] == [
        {"steps": 40, "learning_rate": 1e-3},
        {"steps": 40, "learning_rate": 2e-3},
    ]
    recipe = member_recipe(study, study.entries[1], USUAL, 2, {})
    assert (recipe.steps, recipe.learning_rate, recipe.seed) == (40, 2e-3, 2)


def test_several_seeds_alone_are_one_entry():
    study = varied("s", "tiny/grpo", USUAL, USUAL, (3, 4, 5))
    assert len(study.entries) == 1 and study.entries[0].changes == {}


@pytest.mark.parametrize(
    ("act", "key"),
    [
        (lambda: varied("s", "tiny/grpo", USUAL, USUAL, (1,), "steps", []), "vary_values"),
        (lambda: varied("s", "tiny/grpo", USUAL, USUAL, tuple(range(50)), "steps", [1, 2, 3]), "vary_too_many"),
        (
            lambda: varied("s", "tiny/ppo", PpoRecipe(), PpoRecipe(reward_model="run:20260101-000000-abcd"), (1,)),
            "vary_reward_model",
        ),
        (lambda: parse_seeds("1, x"), "vary_seeds"),
        (lambda: parse_seeds(" "), "vary_seeds"),
    ],
)
def test_what_makes_no_study_is_one_sentence(act, key):
    with pytest.raises(InputError) as caught:
        act()
    assert caught.value.key == key


def test_values_are_read_as_what_they_are_and_once():
    assert repr(parse_values("1, 2.5, true, all，1")) == repr([1, 2.5, True, "all"])
    assert parse_seeds("1, 2，3") == (1, 2, 3)

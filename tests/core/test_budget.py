from lab.core.budget import (
    Alternative,
    Cost,
    Estimate,
    Lengths,
    Memory,
    MemoryPart,
    Stage,
    StageCost,
    cheaper,
    merged,
    weights_at_least,
)
from lab.core.recipes import GrpoRecipe, PpoRecipe, PretrainRecipe, SftRecipe, with_values

LENGTHS = Lengths(prompt=60, completion=40, rows=4)


def an_estimate(free: int, *alternatives: Alternative) -> Estimate:
    stages = [
        StageCost(stage=Stage.LOADING, parts={MemoryPart.WEIGHTS: 100}),
        StageCost(stage=Stage.UPDATE, parts={MemoryPart.WEIGHTS: 100, MemoryPart.ACTIVATIONS: 300}),
    ]
    cost = Cost(stages=stages, lengths=LENGTHS, parameters=50, trained_parameters=5)
    memory = Memory(device="cpu", free=free, total=2000, libraries=500)
    return Estimate(cost=cost, memory=memory, alternatives=list(alternatives))


def test_the_largest_stage_is_the_peak_and_libraries_come_on_top():
    found = an_estimate(900)
    assert found.cost.peak_stage.stage is Stage.UPDATE
    assert (found.cost.peak, found.need, found.fits) == (400, 900, True)
    assert not an_estimate(899).fits


def test_the_mend_is_the_setting_that_helps_most():
    some, more = Alternative(changes={"a": 1}, peak=390), Alternative(changes={"b": 2}, peak=120)
    found = an_estimate(650, some, more)
    assert found.mend == more
    assert found.would_fit(more) and not found.would_fit(some)


def test_a_change_that_lowers_nothing_is_no_mend():
    assert an_estimate(10, Alternative(changes={"a": 1}, peak=400)).mend is None
    assert an_estimate(10).mend is None


def test_every_cheaper_change_is_a_valid_recipe():
    for recipe in (GrpoRecipe(), PpoRecipe(), SftRecipe(), SftRecipe(training="lora"), PretrainRecipe()):
        changes = cheaper(recipe, LENGTHS)
        assert changes
        for change in changes:
            changed = with_values(recipe, change)
            assert changed != recipe
        assert with_values(recipe, merged(changes))


def test_cheaper_offers_what_the_recipe_does_not_have_yet():
    offered = merged(cheaper(SftRecipe(training="lora"), LENGTHS))
    assert offered["load_in_4bit"] is True and offered["gradient_checkpointing"] is True
    assert "training" not in offered
    assert merged(cheaper(SftRecipe(), LENGTHS))["training"] == "lora"
    several = SftRecipe(training="lora", processes=2, batch_size=16)
    assert merged(cheaper(several, LENGTHS))["shard_base"] is True
    assert "shard_base" not in merged(cheaper(with_values(several, {"shard_base": True}), LENGTHS))
    spent = SftRecipe(training="lora", load_in_4bit=True, gradient_checkpointing=True, micro_batch_size=1)
    assert set(merged(cheaper(spent, LENGTHS))) == {"max_length", "measure_samples"}


def test_the_batch_of_a_sampled_recipe_stays_whole_groups():
    assert merged(cheaper(GrpoRecipe(batch_size=24, group_size=8), LENGTHS))["batch_size"] == 8


def test_weights_at_least_counts_embeddings_wide_and_linear_layers_in_half_a_byte():
    shapes = {"model.embed_tokens.weight": (10, 4), "model.layers.0.q.weight": (4, 4), "model.norm.weight": (4,)}
    assert weights_at_least(shapes, False, 4) == (40 + 16 + 4) * 4
    assert weights_at_least(shapes, True, 2) == 40 * 2 + 16 // 2 + 4 * 2

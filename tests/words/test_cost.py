import pytest

from lab.core.budget import Alternative, Cost, Estimate, Lengths, Memory, MemoryPart, Stage, StageCost
from lab.words.cost import cost, cost_change, parts, step_time_line

CHECKPOINTING = Alternative(changes={"gradient_checkpointing": True}, peak=2_000_000_000)
FOUR_BITS = Alternative(changes={"load_in_4bit": True}, peak=900_000_000)


def an_estimate(free: float, *alternatives: Alternative, together: Alternative | None = None) -> Estimate:
    update = {MemoryPart.WEIGHTS: 1_500_000_000, MemoryPart.ACTIVATIONS: 1_000_000_000, MemoryPart.LOGITS: 20_000_000}
    found = Cost(
        stages=[StageCost(stage=Stage.UPDATE, parts=update)],
        lengths=Lengths(prompt=10, completion=10, rows=2),
        parameters=10,
        trained_parameters=1,
    )
    memory = Memory(device="cpu", free=int(free), total=int(8e9), libraries=600_000_000)
    return Estimate(cost=found, memory=memory, alternatives=list(alternatives), together=together)


def test_what_fits_is_said_with_what_is_free():
    assert (
        cost(an_estimate(4e9), "en")
        == "Memory: about 2.5 GB at its peak (3.1 GB with the libraries); 4.0 GB are free on CPU."
    )


def test_what_does_not_fit_names_the_setting_that_helps_most():
    told = cost(an_estimate(1.6e9, CHECKPOINTING, FOUR_BITS), "en")
    assert "only 1.6 GB are free" in told
    assert "4-bit base (QLoRA) = true (down to 900 MB, which fits)" in told
    assert "checkpointing" not in told


def test_where_no_setting_is_enough_all_together_are_offered():
    everything = Alternative(changes=CHECKPOINTING.changes | FOUR_BITS.changes, peak=500_000_000)
    told = cost(an_estimate(1.2e9, CHECKPOINTING, FOUR_BITS, together=everything), "en")
    assert "All of these together fit" in told and "(500 MB)" in told
    told = cost(an_estimate(1e9, CHECKPOINTING, FOUR_BITS, together=everything), "en")
    assert "Take a smaller model" in told


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_part_and_stage_has_its_word(language):
    for stage in Stage:
        for part in MemoryPart:
            found = an_estimate(9e9)
            shown = StageCost(stage=stage, parts={part: 5_000_000})
            told = parts(found.model_copy(update={"cost": found.cost.model_copy(update={"stages": [shown]})}), language)
            assert "5 MB" in told and "estimate." not in told


def test_a_change_has_the_names_of_the_form_in_chinese_too():
    assert cost_change(FOUR_BITS, "zh") == "4 比特基座（QLoRA） = true"


TIME = {"steps": 3, "seconds": 2.0, "parts": {"forward": 0.25, "generation": 0.745, "rewards": 0.004}}
REACHED = {
    "device": "cpu",
    "format": "bf16",
    "flops": 8.42e11,
    "bytes": 2.06e10,
    "parts": {"generation": 0.251, "forward": 0.6},
}


def test_where_a_steps_time_goes_is_one_line_and_the_roofline_another():
    first = "where a step's 2 s go: generation 74 %, forward 25 %"
    assert step_time_line(TIME | {"roofline": None}, "en") == first
    assert step_time_line(TIME | {"roofline": REACHED}, "en").splitlines() == [
        first,
        "of what this machine can do (842 GFLOP/s in bf16, 21 GB/s of memory, measured): at least generation 25 %, forward 60 %",
    ]
    assert "生成 25 %" in step_time_line(TIME | {"roofline": REACHED}, "zh")

"""What a comparison reads of run folders: cost, chain, measurements, curves; of unfinished and unmeasured runs too."""

from __future__ import annotations

import numpy as np
import pytest

from lab.compare.runs import compared
from lab.errors import StateError
from lab.store.runs import RunState, Store
from tests.compare.made_runs import START, course, made_run


def test_the_chain_counts_each_earlier_run_once(store: Store) -> None:
    runs = course(store, (1,))
    ppo = compared(store, [runs["ppo"][0].id])[0]
    assert [stage.algorithm for stage in ppo.chain] == [
        "sft",
        "rm",
    ]  # though both PPO and the reward model start from the SFT
    assert ppo.chain_seconds == 15 + 55 + 31
    assert ppo.pairs_of_chain == 240 * 64
    assert ppo.rules == () and ppo.reward_model == runs["rm"][0].id
    assert ppo.base == "tiny"


def test_a_curve_begins_where_the_chain_has_come(store: Store) -> None:
    runs = course(store, (1,))
    ppo, grpo = compared(store, [runs["ppo"][0].id, runs["grpo"][0].id])
    curve = ppo.curves["pass_at_1"]
    assert curve.seconds[0] == pytest.approx(15 + 55 + 2)
    assert grpo.curves["pass_at_1"].seconds[0] == pytest.approx(15 + 2)
    assert list(curve.step) == [0, 20, 40]
    assert list(curve.kl) == pytest.approx([0, 0.75, 1.5])
    assert list(ppo.curves["train_reward"].tokens[:2]) == [35, 70]


def test_a_pause_between_two_attempts_does_not_count(store: Store) -> None:
    run = made_run(store, seconds=30.0)
    folder = store.folder(run.id)
    before = compared(store, [run.id])[0].curves["loss"].seconds[-1]
    folder.append("metrics", {"resumed_from": 40})
    folder.append("metrics", {"step": 41, "time": START + 90_000, "seconds": 0.5, "loss": 0.1})
    after = compared(store, [run.id])[0].curves["loss"].seconds[-1]
    assert after - before == pytest.approx(
        0.5 + 29 - (30 - 4 + 2), abs=0.01
    )  # the last measurement, then the step's own time


def test_what_a_share_rests_on(store: Store) -> None:
    run = compared(store, [made_run(store, after=0.8, samples=1024).id])[0]
    after = run.after["pass_at_1"]
    assert after.n == 1024 and after.low is not None and after.high is not None
    assert after.low < 0.8 < after.high and after.high - after.low == pytest.approx(0.049, abs=0.002)
    assert run.after["reward"].low is None  # a mean, whose spread no file holds


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.STOPPED, RunState.FAILED])
def test_unfinished_runs_are_compared_as_far_as_they_came(store: Store, state: RunState) -> None:
    run = compared(store, [made_run(store, after=None, state=state).id])[0]
    assert run.after == {} and run.gain() is None and not run.complete
    assert run.steps == 40 and run.seconds == 30.0
    assert "pass_at_1" in run.curves  # what was measured before it began


def test_a_run_without_any_file_is_there(store: Store) -> None:
    run = made_run(store)
    for file in store.folder(run.id).path.iterdir():
        file.unlink()
    bare = compared(store, [run.id])[0]
    assert bare.seconds is None and bare.curves == {} and bare.chain_seconds is None


def test_an_earlier_run_that_is_gone_is_named(store: Store) -> None:
    runs = course(store, (1,))
    store.delete_run(runs["sft"][0].id)
    grpo = compared(store, [runs["grpo"][0].id])[0]
    assert [(stage.run, stage.state) for stage in grpo.chain] == [(runs["sft"][0].id, None)]
    assert grpo.chain_seconds is None  # not 32, which would be a part of it


def test_a_run_of_another_version_keeps_its_numbers(store: Store) -> None:
    run = made_run(store)
    recipe = {**run.recipe, "a_setting_of_tomorrow": 1}
    store.change(run.id, recipe=__import__("json").dumps(recipe))
    known = compared(store, [run.id])[0]
    assert known.after["pass_at_1"].value == 0.8 and known.roles == ()


def test_no_such_run(store: Store) -> None:
    with pytest.raises(StateError) as raised:
        compared(store, ["20260101-000000-aaaa"])
    assert raised.value.key == "no_such_run"


def test_curves_are_arrays_of_one_length(store: Store) -> None:
    curves = compared(store, [made_run(store).id])[0].curves
    assert "pass_at_1" in curves
    for curve in curves.values():
        assert {len(curve.axis(name)) for name in ("step", "seconds", "tokens", "kl")} == {len(curve)}
        assert np.isfinite(curve.value).all()

"""The same question to every algorithm: who is asked, what is asked again, and the pairs that are judged blind."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.compare.selection import Selections, parse_selection
from lab.core.recipes import GrpoRecipe, RuleUse
from lab.errors import InputError
from lab.runs.jobs import Jobs
from lab.runs.same_question import COMPLETIONS, Moment, answerers, answers, ask, blind_pairs, kept_steps, spec_of
from lab.sandbox.rewards import weighed
from lab.store.runs import RunState, Store
from tests.compare.made import write_files


@pytest.fixture
def store(lab_home: Path) -> Store:
    return Store(lab_home, allow_unsafe_disk=True)


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


def selected(store: Store):
    run = store.create_run(GrpoRecipe(name="G", seed=1))
    write_files(store, run, before=0.5, after=0.8, kl=1.0, seconds=9.0)
    store.change(run.id, state=RunState.FINISHED, started=1.0, ended=10.0)
    return Selections(store).read(parse_selection("runs:", [run.id]), "")


def answer(jobs: Jobs, model: str, text: str) -> None:
    """What a worker would have written for the job of that model."""
    job = next(job for job in jobs.jobs() if job.spec["model"] == model)
    folder = jobs.folder(job.id)
    folder.take()
    for number in reversed(range(COMPLETIONS)):
        line = {
            "prompt_number": 0,
            "completion_number": number,
            "prompt": "3x = 15",
            "answer": "5",
            "text": text,
            "tokens": 4,
        }
        folder.append("result", line)
    folder.write("result.json", {"state": "finished", "completions": COMPLETIONS})


def test_the_base_and_each_group_are_asked_once_alike(store, jobs):
    who = answerers(selected(store), store, 1, Moment.START)
    assert [each.model for each in who] == ["tiny", "tiny"]
    assert ask(who[:1], jobs, "3x = 15", "5", 7) == 1
    answer(jobs, "tiny", "x = 5")
    assert ask(who, jobs, "3x = 15", "5", 7) == 0, "an answer that is there is used"
    assert ask(who[:1], jobs, "3x = 15", "5", 8) == 1, "another seed is another question"


def test_answers_come_in_order_and_are_scored(store, jobs):
    who = answerers(selected(store), store, 1, Moment.START)[:1]
    ask(who, jobs, "3x = 15", "5", 1)
    answer(jobs, "tiny", "x = 5")
    (found,) = answers(who, jobs, "3x = 15", "5", 1, weighed([RuleUse(name="equals_answer")]))
    assert found.complete and [line["completion_number"] for line in found.lines] == list(range(COMPLETIONS))
    assert {reward.value for reward in found.rewards} == {1.0}


def test_a_run_without_a_model_says_so(store):
    who = answerers(selected(store), store, 1, Moment.END)
    assert who[-1].model == "" and who[-1].why == "compare.no_model"
    assert answerers(selected(store), store, 1, Moment.MIDDLE)[-1].why == "compare.no_checkpoint"


def keep(store: Store, run: str, *steps: int) -> None:
    """What a worker leaves of a checkpoint that is whole; one more is half written."""
    for step in steps:
        place = store.folder(run).path / "checkpoints" / f"step-{step}"
        place.mkdir(parents=True)
        (place / "complete").touch()
    (store.folder(run).path / "checkpoints" / "step-999").mkdir()


def test_every_kept_checkpoint_can_be_asked(store):
    chosen = selected(store)
    run = chosen.runs[0].run
    assert kept_steps(chosen, store, 1) == []
    keep(store, run, 10, 2, 30)
    assert kept_steps(chosen, store, 1) == [2, 10, 30], "in their order, without the half-written one"
    for step in (2, 10, 30):
        asked = answerers(chosen, store, 1, step)[-1]
        assert (asked.model, asked.step, asked.wanted) == (f"run:{run}@{step}", step, None)


def test_a_run_without_that_step_answers_by_the_nearest_and_says_so(store):
    chosen = selected(store)
    run = chosen.runs[0].run
    keep(store, run, 10, 30)
    asked = answerers(chosen, store, 1, 12)[-1]
    assert (asked.model, asked.step, asked.wanted) == (f"run:{run}@10", 10, 12)
    store.folder(run).model_path.mkdir(parents=True)
    end = chosen.runs[0].steps
    asked = answerers(chosen, store, 1, end + 500)[-1]
    assert (asked.model, asked.step, asked.wanted) == (f"run:{run}", end, end + 500), (
        "the finished model is a state too"
    )


def test_blind_pairs_leave_out_equal_answers(store, jobs):
    from dataclasses import replace

    who = answerers(selected(store), store, 1, Moment.START)[:1]
    ask(who, jobs, "3x = 15", "5", 1)
    answer(jobs, "tiny", "x = 5")
    (one,) = answers(who, jobs, "3x = 15", "5", 1, [])
    other = replace(
        one, answerer=replace(one.answerer, label="B"), lines=tuple({**line, "text": "x = 4"} for line in one.lines)
    )
    rows = blind_pairs([one, other, replace(one, answerer=replace(one.answerer, label="C"))], "3x = 15")
    sources = {(row["first_source"], row["second_source"]) for row in rows}
    assert len(rows) == 2 * COMPLETIONS and sources == {("tiny", "B"), ("B", "C")}


def test_no_prompt_is_one_sentence():
    with pytest.raises(InputError) as caught:
        spec_of("tiny", "  ", "", 1)
    assert caught.value.key == "compare_no_prompt"

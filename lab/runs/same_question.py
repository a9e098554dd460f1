"""The same question to every algorithm: which models answer it, the jobs that sample them alike, and their answers scored by one rule set.

Each model is asked by a job of kind ``sample`` with the same prompt, seed and temperature. An answer that a job has given already is
used again. Not here: how it is shown (``lab/ui/tabs/compare``), which runs are compared (``lab/compare``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from typing import Any

from lab.compare.runs import ComparedRun
from lab.compare.selection import Selected
from lab.compare.verdict import Group, groups_of, policies
from lab.core.jobs import Asked, SampleSpec
from lab.core.rules import Reward
from lab.errors import InputError, LabError
from lab.runs.jobs import Jobs
from lab.sandbox.rewards import Weighed, reward_batch
from lab.store.jobs import Job
from lab.store.runs import RunState, Store

COMPLETIONS = 8
MOST_TOKENS = 64


class Moment(StrEnum):
    """Which state of a run answers."""

    START = "start"
    """The model that it began with."""
    MIDDLE = "middle"
    """The kept checkpoint nearest to half of its steps."""
    END = "end"


@dataclass(frozen=True)
class Answerer:
    """A model that is asked, and what it is called."""

    label: str
    algorithm: str
    model: str
    """As a job names it; empty where there is none to ask, and ``why`` says so."""
    step: int | None = None
    run: str = ""
    why: str = ""
    wanted: int | None = None
    """The step that was asked for, where this model's is another one: its run kept no checkpoint of that step."""


@dataclass(frozen=True)
class Answers:
    """What one model answered: texts by the number of the completion, each with its reward; or how far its job is."""

    answerer: Answerer
    job: Job | None
    lines: tuple[dict[str, Any], ...] = ()
    rewards: tuple[Reward, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether its job has ended well."""
        return self.job is not None and self.job.state is RunState.FINISHED


def answerers(selected: Selected, store: Store, seed: int, moment: Moment | int) -> list[Answerer]:
    """The base, then one run of each group: that of the seed, else the first one. A recorded run has no model here.

    ``moment`` may be a step: each run then answers by the kept state nearest to it, and its ``wanted`` says where that is another step.
    """
    groups = policies(groups_of(selected.runs))
    bases = dict.fromkeys(
        run.base for group in groups for run in group.runs.values() if run.base not in ("", "scratch")
    )
    known = [Answerer(base, "pretrain", base, step=0) for base in bases]
    return [*known, *(_of_group(group, store, seed, moment) for group in groups)]


def kept_steps(selected: Selected, store: Store, seed: int) -> list[int]:
    """The steps that any of those runs keeps a checkpoint of, in their order."""
    kept: set[int] = set()
    for group in policies(groups_of(selected.runs)):
        run = _run_of(group, seed)
        if not run.recorded:
            kept |= set(store.folder(run.run).kept_steps())
    return sorted(kept)


def spec_of(model: str, prompt: str, answer: str, seed: int) -> SampleSpec:
    """What a model is asked: the same for every model. Raises InputError ``compare_no_prompt``."""
    if not prompt.strip():
        raise InputError("compare_no_prompt")
    asked = Asked(prompt=prompt.strip(), answer=answer.strip() or None)
    return SampleSpec(
        model=model, prompts=(asked,), completions=COMPLETIONS, max_completion_length=MOST_TOKENS, seed=seed
    )


def ask(asked: Sequence[Answerer], jobs: Jobs, prompt: str, answer: str, seed: int, by: str = "") -> int:
    """Queue a job for each model that has not answered this question; how many. Raises LabError of the first that cannot be asked."""
    queued = 0
    for answerer in asked:
        if not answerer.model:
            continue
        spec = spec_of(answerer.model, prompt, answer, seed)
        known = _job_of(spec, jobs)
        if known is None or known.state in (RunState.FAILED, RunState.LOST, RunState.STOPPED):
            jobs.submit(spec, by)
            queued += 1
    return queued


def answers(
    asked: Sequence[Answerer], jobs: Jobs, prompt: str, answer: str, seed: int, rules: Sequence[Weighed]
) -> list[Answers]:
    """What each model has answered by now, scored. Raises MachineError where the sandbox does not start."""
    found = []
    for answerer in asked:
        job = _job_of(spec_of(answerer.model, prompt, answer, seed), jobs) if answerer.model else None
        lines = jobs.folder(job.id).lines().lines if job is not None else []
        ordered = tuple(sorted(lines, key=lambda line: line["completion_number"]))
        rows = [(prompt.strip(), str(line["text"]), answer.strip() or None) for line in ordered]
        rewards = tuple(reward_batch(rules, rows)) if rows else ()
        found.append(Answers(answerer, job, ordered, rewards))
    return found


def blind_pairs(found: Sequence[Answers], prompt: str) -> list[dict[str, Any]]:
    """Every two models' answers of one number as a pair to judge; equal ones are left out, for there is nothing to choose."""
    rows = []
    for number in range(COMPLETIONS):
        texts = [
            (each.answerer, str(each.lines[number]["text"]))
            for each in found
            if number < len(each.lines) and str(each.lines[number]["text"]).strip()
        ]
        for (one, first), (other, second) in combinations(texts, 2):
            if first.strip() != second.strip():
                rows.append(
                    {
                        "prompt": prompt.strip(),
                        "first": first,
                        "second": second,
                        "first_source": one.label,
                        "second_source": other.label,
                    }
                )
    return rows


def _run_of(group: Group, seed: int) -> ComparedRun:
    return group.runs.get(seed) or next(iter(group.runs.values()))


def _of_group(group: Group, store: Store, seed: int, moment: Moment | int) -> Answerer:
    run = _run_of(group, seed)
    asked = Answerer(group.label, group.algorithm, "", run=run.run)
    if run.recorded:
        return replace(asked, why="compare.no_model_recorded")
    try:
        stored = store.run(run.run)
    except LabError:
        return replace(asked, why="compare.no_model")
    if moment is Moment.START:
        return replace(asked, model=str(stored.recipe.get("model") or ""), step=0)
    folder = store.folder(run.run)
    ended = stored.state.ended and folder.model_path.is_dir()
    end = replace(asked, model=f"run:{run.run}", step=run.steps)
    if moment is Moment.END:
        return end if ended else replace(asked, why="compare.no_model")
    wanted = run.steps_asked / 2 if moment is Moment.MIDDLE else int(moment)
    kept = folder.kept_steps()
    steps = [*kept, *([run.steps] if ended and moment is not Moment.MIDDLE else [])]
    if not steps:
        return replace(asked, why="compare.no_checkpoint")
    step = min(steps, key=lambda step: abs(step - wanted))
    answerer = replace(asked, model=f"run:{run.run}@{step}", step=step) if step in kept else end
    return replace(answerer, wanted=int(moment)) if moment is not Moment.MIDDLE and step != int(moment) else answerer


def _job_of(spec: SampleSpec, jobs: Jobs) -> Job | None:
    """The newest job that was asked exactly this; a finished one before any other."""
    wanted = spec.model_dump(mode="json")
    same = [job for job in jobs.jobs() if job.spec == wanted]
    return next((job for job in same if job.state is RunState.FINISHED), same[0] if same else None)

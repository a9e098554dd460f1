"""Where the pairs of a collection come from: files, typed rows, the groups of a run, two runs on the same prompts, sampling jobs.

What a file's columns mean is ``lab/data/pair_rows.py``; how pairs are stored, ``pairs.py``. Nothing is made here: every response
was written by somebody or by a model before, and its source is kept, hidden until the pair is judged.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from lab.annotation.pairs import Collection
from lab.core.preferences import Message, Pair, Prompt, Response, make_pair
from lab.data.left_out import LeftOut
from lab.errors import StateError
from lab.store.lines import Line, read_json, read_lines
from lab.store.runs import Store, valid_run_id

MOST_FROM_RUNS = 500


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    collection: Collection
    taken: int
    left_out: list[LeftOut]
    votes: int = 0
    """Judgements that a file brought with its pairs."""


def prompt_of_line(line: Line) -> Prompt:
    """The prompt of a line of ``groups.jsonl`` or of a job: for a conversation every message, not only the last."""
    turns = line.get("turns")
    return tuple(Message.model_validate(turn) for turn in turns) if turns else str(line["prompt"])


def from_run(store: Store, run_id: str, *, per_group: int, most: int, seed: int) -> list[Pair]:
    """Two completions of a group, drawn among those that differ, ``per_group`` times each; the latest groups first.

    Raises StateError where the run wrote no groups or only groups whose completions are all equal.
    """
    run = store.run(run_id)
    draw = random.Random(f"{seed}-{run_id}")
    pairs: dict[str, Pair] = {}
    for group in _groups(store, run_id):
        texts = _distinct(group)
        for _ in range(per_group if len(texts) > 1 else 0):
            first, second = draw.sample(texts, 2)
            source = f"run:{run_id} step {group.get('step')}"
            pair = make_pair(
                prompt_of_line(group), Response(text=first, source=source), Response(text=second, source=source)
            )
            pairs[pair.id] = pair
            if len(pairs) == most:
                return list(pairs.values())
    if not pairs:
        raise StateError("pairs_none_in_run", run=run.name)
    return list(pairs.values())


def from_two_runs(store: Store, run_id: str, other_id: str, *, most: int, seed: int) -> list[Pair]:
    """One completion of each run at the same prompt, for every prompt that both asked; each run's latest group of it.

    Raises StateError where the runs wrote no groups, or share no prompt.
    """
    sides = [_latest_of_prompts(store, each) for each in (run_id, other_id)]
    return _at_the_same_prompt(sides, [f"run:{each}" for each in (run_id, other_id)], (run_id, other_id), most, seed)


def from_jobs(store: Store, job_id: str, other_id: str | None, *, most: int, seed: int) -> list[Pair]:
    """Two completions of a sampling job at the same prompt; or one of each of two jobs. The source is the model that was asked.

    Raises StateError where there is no such job or it sampled nothing twice (or the two share no prompt).
    """
    if other_id is not None:
        sides = [_sampled(store, each) for each in (job_id, other_id)]
        return _at_the_same_prompt(sides, _models(store, job_id, other_id), (job_id, other_id), most, seed)
    sampled = _sampled(store, job_id)
    draw, source = random.Random(f"{seed}-{job_id}"), _models(store, job_id)[0]
    pairs: list[Pair] = []
    for prompt, texts in sampled.items():
        if len(texts) > 1 and len(pairs) < most:
            first, second = draw.sample(texts, 2)
            pairs.append(make_pair(prompt, Response(text=first, source=source), Response(text=second, source=source)))
    if not pairs:
        raise StateError("pairs_none_in_job", job=job_id)
    return pairs


def _at_the_same_prompt(
    sides: list[dict[Prompt, list[str]]], sources: list[str], names: tuple[str, str], most: int, seed: int
) -> list[Pair]:
    draw = random.Random(f"{seed}-{names[0]}-{names[1]}")
    shared = [prompt for prompt in sides[0] if prompt in sides[1]]
    draw.shuffle(shared)
    pairs: list[Pair] = []
    for prompt in shared:
        first = draw.choice(sides[0][prompt])
        others = [text for text in sides[1][prompt] if text.strip() != first.strip()]
        if others and len(pairs) < most:
            second = Response(text=draw.choice(others), source=sources[1])
            pairs.append(make_pair(prompt, Response(text=first, source=sources[0]), second))
    if not pairs:
        raise StateError("pairs_no_shared_prompt", one=names[0], other=names[1])
    return pairs


def _groups(store: Store, run_id: str) -> Iterator[Line]:
    """The groups of a run, the latest step first."""
    folder = store.folder(run_id)
    if not folder.groups_index().rows:
        run = store.run(run_id)
        raise StateError("run_without_groups", run=run.name, algorithm=run.algorithm)
    yield from folder.groups(latest_first=True)


def _latest_of_prompts(store: Store, run_id: str) -> dict[Prompt, list[str]]:
    store.run(run_id)
    texts_of_prompts: dict[Prompt, list[str]] = {}
    for group in _groups(store, run_id):
        if texts := _distinct(group):
            texts_of_prompts.setdefault(prompt_of_line(group), texts)
    return texts_of_prompts


def _distinct(group: Line) -> list[str]:
    """The texts of a group's whole completions that differ in more than the space around them; those cut off at the limit do not count."""
    texts = [str(each["text"]) for each in group.get("completions", []) if not each.get("truncated")]
    return list({text.strip(): text for text in texts if text.strip()}.values())


def _sampled(store: Store, job_id: str) -> dict[Prompt, list[str]]:
    """What a job wrote, by prompt. Raises StateError ``no_such_job``."""
    path = store.home / "jobs" / job_id / "result.jsonl"
    if not valid_run_id(job_id) or not path.is_file():
        raise StateError("no_such_job", job=str(job_id)[:64])
    groups: dict[Prompt, list[Line]] = {}
    for _start, _end, line in read_lines(path):
        groups.setdefault(prompt_of_line(line), []).append(line)
    return {prompt: texts for prompt, lines in groups.items() if (texts := _distinct({"completions": lines}))}


def _models(store: Store, *job_ids: str) -> list[str]:
    """The models that jobs asked; with the job's id where two asked the same one."""
    requests = [read_json(store.home / "jobs" / job_id / "job.json") for job_id in job_ids]
    models = [str(request["spec"]["model"]) if isinstance(request, dict) else "?" for request in requests]
    if len(set(models)) == len(models):
        return models
    return [f"{model} job:{job_id}" for model, job_id in zip(models, job_ids, strict=True)]

"""The pre-flight in its worker: sample a recipe's start model as its run would, score what it writes, and let the core judge.

As near to the run's first steps as can be had without training: the same prompts in the same order (trl's own sampler), temperature,
lengths and K. What the numbers mean stands in ``lab/core/preflight.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from trl.trainer.utils import RepeatSampler

from lab.annotation.rewarded_pairs import rules_agree
from lab.core.algorithms import algorithm_of
from lab.core.jobs import PREFLIGHT_PROMPTS, PREFLIGHT_SECONDS, Asked, PreflightSpec
from lab.core.preflight import report
from lab.core.preflight_numbers import People, RuleInSet, Scored
from lab.core.recipes import SampledRecipe
from lab.core.rules import Reward, Score
from lab.core.shares import Share
from lab.data import datasets
from lab.data.prompts import as_asked, as_prompt
from lab.sandbox.rewards import Weighed, reward_batch
from lab.store.models import reward_adapter
from lab.store.runs import Store
from lab.training.models.base import load
from lab.training.models.roles import Roles
from lab.training.task import rule_set
from lab.training.worker.job_reporter import JobReporter
from lab.training.worker.speaker import LARGEST_BATCH, Completion, Speaker, load_speaker

REWARD_MODEL = "reward_model"
ROUND = 32
"""Prompts that are sampled together; a pre-flight that has had its time ends between two rounds."""

ModelScores = Callable[[Sequence[Completion]], list[float]]


def preflight(spec: PreflightSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    """Sample, score, judge; ``{"report": …}`` for result.json."""
    recipe = spec.parsed()
    prompts = first_prompts(recipe, datasets.load(recipe, home).train, spec.prompts or PREFLIGHT_PROMPTS)
    size = recipe.group_size
    reporter.total = len(prompts) * size
    rules, model_scores, speaker = rule_set(recipe), None, None
    people = _people(spec.collection, rules, home) if spec.collection else None
    if recipe.reward_run:
        speaker, model_scores = _with_reward_model(recipe, prompts, home)
    speaker = speaker or load_speaker(recipe, home)
    reporter.enter_stage("sampling")
    groups: list[list[Scored | None]] = []
    started = time.monotonic()
    for first in range(0, len(prompts), ROUND):
        if groups and spec.prompts is None and time.monotonic() - started > PREFLIGHT_SECONDS:
            break
        asked = prompts[first : first + ROUND]
        groups += [[None] * size for _ in asked]
        for batch in _batches(recipe, speaker, asked, first):
            _score(recipe, rules, model_scores, prompts, batch, groups, reporter)
    reporter.total = reporter.done
    reporter.enter_stage("scoring")
    whole = [[scored for scored in group if scored is not None] for group in groups]
    critic = algorithm_of(recipe).has_critic
    return {"report": report(whole, _rules_in_set(recipe, rules), critic=critic, people=people).as_json()}


def first_prompts(recipe: SampledRecipe, rows: Sequence[dict[str, Any]], count: int) -> list[Asked]:
    """The prompts that the run asks first, in its order; fewer where the data has fewer."""
    at_once = min(len(rows), recipe.batch_size // recipe.group_size)
    order = RepeatSampler(rows, mini_repeat_count=1, batch_size=at_once, seed=recipe.seed)
    return [as_asked(rows[index]) for index in list(order)[:count]]


def _batches(recipe: SampledRecipe, speaker: Speaker, asked: Sequence[Asked], first: int) -> Iterator[list[Completion]]:
    """K completions of each of these prompts, numbered from ``first``, as many together as the run generates at once."""
    size = min(recipe.batch_size, LARGEST_BATCH)
    completions = speaker.sample(
        asked,
        recipe.group_size,
        temperature=recipe.temperature,
        max_new_tokens=recipe.max_completion_length,
        seed=recipe.seed + first,
        batch_size=size,
    )
    numbered = (replace(completion, prompt_number=first + completion.prompt_number) for completion in completions)
    while batch := list(islice(numbered, size)):
        yield batch


def _score(
    recipe: SampledRecipe,
    rules: Sequence[Weighed],
    model_scores: ModelScores | None,
    prompts: Sequence[Asked],
    batch: Sequence[Completion],
    groups: list[list[Scored | None]],
    reporter: JobReporter,
) -> None:
    """Score a batch, write its lines, and put it into its groups."""
    rows = [
        (prompts[completion.prompt_number].prompt, completion.text, prompts[completion.prompt_number].answer)
        for completion in batch
    ]
    rewards = reward_batch(rules, rows)
    added = model_scores(batch) if model_scores is not None else [None] * len(batch)
    rewards = [_as_the_run(recipe, *pair) for pair in zip(rewards, added, strict=True)]
    for completion, reward in zip(batch, rewards, strict=True):
        scores = {name: score.as_json() for name, score in reward.scores.items()}
        reporter.line({**completion.as_line(prompts), "scores": scores, "reward": reward.value})
        scored = Scored(reward.value, dict(reward.scores), len(completion.ids), completion.truncated)
        groups[completion.prompt_number][completion.completion_number] = scored


def _as_the_run(recipe: Any, reward: Reward, model_score: float | None) -> Reward:
    """The reward as the run weighs it: the weighted rules, plus the reward model's weighted score where there is one."""
    value = recipe.rules_factor * reward.value
    if model_score is None:
        return Reward(value, reward.scores)
    scores = {**reward.scores, REWARD_MODEL: Score(model_score)}
    return Reward(value + recipe.reward_model_weight * model_score, scores)


def _rules_in_set(recipe: Any, rules: Sequence[Weighed]) -> list[RuleInSet]:
    members = [RuleInSet(w.rule.name, recipe.rules_factor * w.weight, w.rule.low, w.rule.high) for w in rules]
    if recipe.reward_run:
        members.append(RuleInSet(REWARD_MODEL, recipe.reward_model_weight, None, None))
    return members


def _people(collection: str, rules: Sequence[Weighed], home: Path) -> People:
    """What the rules say of the pairs that people decided; a reward model is not asked. Raises StateError where there are none."""
    with closing(Store(home, allow_unsafe_disk=True)) as store:  # whoever submitted the job has opened it there
        result = rules_agree(store, collection, rules)
    failures = tuple((failure.rule, Share(failure.count, failure.of), failure.message) for failure in result.failures)
    return People(result.agreement.agree, result.agreement.ties, failures)


def _with_reward_model(recipe: SampledRecipe, prompts: Sequence[Asked], home: Path) -> tuple[Speaker, ModelScores]:
    """The policy and its reward model on one base, as PPO itself holds them."""
    place = reward_adapter(recipe.reward_run, recipe.model, home)
    loaded = load(recipe, home)
    roles = Roles(loaded.model)
    roles.add_reward(place)

    def scores(batch: Sequence[Completion]) -> list[float]:
        texts = [(as_prompt(prompts[completion.prompt_number]), completion.text) for completion in batch]
        return roles.scores_of(loaded.tokens, texts, rows=recipe.micro_batch_size).tolist()

    return Speaker(loaded.model, loaded.tokens), scores

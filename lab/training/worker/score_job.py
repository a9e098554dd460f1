"""A reward model scores what people judged: both responses of every pair that they decided, in a worker of its own.

What the scores say of it is ``lab/core/reward_agreement.py``'s; the same for rules, which need no worker, is ``lab/annotation/rewarded_pairs.py``.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from lab.annotation.rewarded_pairs import decided_in
from lab.core.algorithms import Head, algorithm_of
from lab.core.jobs import ScoreSpec
from lab.core.preferences import Pair, plain_prompt
from lab.core.recipes import Recipe, parse
from lab.errors import ModelError
from lab.store.models import reward_model_run
from lab.store.run_folder import RunFolder
from lab.store.runs import Store
from lab.training.algorithms.rm import scores
from lab.training.models.base import load_frozen_scorer, load_tokens
from lab.training.worker.job_reporter import JobReporter

PAIRS_AT_ONCE = 32


def score_pairs(spec: ScoreSpec, home: Path, reporter: JobReporter) -> dict[str, Any]:
    """A line ``{"pair", "first", "second"}`` for each pair, pairs of like length together."""
    with closing(Store(home, allow_unsafe_disk=True)) as store:  # whoever submitted the job has opened it there
        pairs = decided_in(store, spec.collection).pairs
    reporter.total = len(pairs)
    recipe = recipe_of(spec.reward_model, home)
    model = load_reward_model(spec.reward_model, recipe, home)
    tokens = load_tokens(reward_model_run(spec.reward_model, home))
    reporter.enter_stage("scoring")
    ordered = sorted(pairs, key=_length)
    size = max(1, min(PAIRS_AT_ONCE, recipe.rows_per_pass))
    for start in range(0, len(ordered), size):
        some = ordered[start : start + size]
        texts = [(plain_prompt(pair.prompt), side.text) for pair in some for side in (pair.first, pair.second)]
        rewards = scores(model, tokens, texts, rows=len(texts))
        for number, pair in enumerate(some):
            reporter.line(
                {"pair": pair.id, "first": float(rewards[2 * number]), "second": float(rewards[2 * number + 1])}
            )
    return {}


def recipe_of(reward_model: str, home: Path) -> Recipe:
    """The recipe that the reward model was trained by. Raises ModelError where its run trained none."""
    run_id = reward_model.removeprefix("run:").split("@")[0]
    stored = RunFolder(home / "runs" / run_id).recipe() or {}
    recipe = parse(stored.get("recipe") or {})
    if algorithm_of(recipe).head is not Head.SCORE:
        raise ModelError("not_a_reward_model", value=reward_model)
    return recipe


def load_reward_model(reward_model: str, recipe: Recipe, home: Path) -> Any:
    """The model with its head, frozen, on the base as the run had it: 4-bit where it trained on a 4-bit one."""
    return load_frozen_scorer(recipe, reward_model_run(reward_model, home), home)


def _length(pair: Pair) -> int:
    prompt = pair.prompt if isinstance(pair.prompt, str) else "".join(message.content for message in pair.prompt)
    return len(prompt) + max(len(pair.first.text), len(pair.second.text))

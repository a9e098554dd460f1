"""A finished GRPO run of the usual size, written as a worker writes it, for the inspector to be measured on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from lab.core.groups import make_group
from lab.core.recipes import GrpoRecipe
from lab.sandbox.rewards import Weighed, reward_batch, weighed
from lab.store.runs import RunState, Store
from lab.tasks.equations import Language, Problem, Split, Style, problems

STEPS, GROUPS = 150, 8
RIGHT, WRONG = (Style.DIRECT, Style.STEPS, Style.FRACTION), (Style.NO_SOLUTION, Style.CONTRADICTION)


def finished_run(store: Store) -> str:
    """The id of a run of 150 steps, 8 groups of 8 a step, whose answers get better."""
    recipe = GrpoRecipe(name="example", steps=STEPS)
    run = store.create_run(recipe)
    folder = store.folder(run.id)
    rules = weighed(recipe.rules)
    chance = random.Random(1)
    for step in range(1, STEPS + 1):
        groups = list(_groups(step, rules, recipe, chance))
        for line in groups:
            folder.append("groups", line)
        reward = sum(line["mean"] for line in groups) / GROUPS
        folder.append(
            "metrics", {"step": step, "time": time.time(), "seconds": 0.2, "reward": reward, "loss": 0.0, "kl": 0.01}
        )
    store.change(run.id, state=RunState.FINISHED, started=run.created, ended=time.time())
    return run.id


def _groups(step: int, rules: list[Weighed], recipe: GrpoRecipe, chance: random.Random) -> Iterator[dict[str, Any]]:
    share_right = 0.3 + 0.6 * step / STEPS
    for number in range(GROUPS):
        problem, language = chance.choice(problems(Split.TRAIN)), chance.choice(list(Language))
        prompt, answer = problem.prompt(language), str(problem.x)
        texts = [_completion(problem, language, share_right, chance) for _ in range(recipe.group_size)]
        rewards = reward_batch(rules, [(prompt, text, answer) for text in texts])
        group = make_group([reward.value for reward in rewards], recipe.threshold.kind)
        yield {
            "version": 1, "step": step, "group": number, "prompt": prompt, "answer": answer,
            "mean": group.mean, "std": group.std,
            "threshold": {"kind": recipe.threshold.kind.value, "fraction": recipe.threshold.fraction},
            "completions": [
                {
                    "text": texts[i], "tokens": len(texts[i]), "truncated": False,
                    "scores": {name: score.as_json() for name, score in rewards[i].scores.items()},
                    "reward": group.rewards[i], "advantage": group.advantages[i], "kept": group.kept[i],
                    "why_dropped": group.why_dropped[i], "logp": -chance.random() * 9, "ref_logp": None,
                }
                for i in range(recipe.group_size)
            ],
        }  # fmt: skip


def _completion(problem: Problem, language: Language, share_right: float, chance: random.Random) -> str:
    return problem.completion(chance.choice(RIGHT if chance.random() < share_right else WRONG), language, chance)

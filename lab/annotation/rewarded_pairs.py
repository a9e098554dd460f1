"""How far a reward agrees with the judgements of a collection: rules are run here, a reward model's scores come from its job
(``lab/runs/scored_pairs.py``). ``lab/core/reward_agreement.py`` computes the agreement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.annotation.judgements import current_judgements
from lab.annotation.pairs import read_collection, read_pairs
from lab.annotation.sources import prompt_of_line
from lab.annotation.versions.freeze import read_rows
from lab.core.preferences import Pair, Prompt, plain_prompt
from lab.core.recipes import RuleUse
from lab.core.reward_agreement import Decided, Failure, RewardAgreement, decided, reward_agreement
from lab.data.datasets import VERSION
from lab.data.turns import last_words
from lab.errors import LabError, RuleError, StateError
from lab.sandbox.rewards import Weighed, by_name, reward_batch, weighed
from lab.sandbox.written import Row
from lab.store.rule_sets import RuleSets
from lab.store.runs import Store

_RUN = re.compile(r"run:(\S+)")


@dataclass(frozen=True)
class OfRules:
    """How rules agree with people, and which of them failed."""

    agreement: RewardAgreement
    failures: tuple[Failure, ...]


def decided_in(store: Store, collection_id: str) -> Decided:
    """What people decided so far. Raises StateError ``no_such_collection``, and ``agree_nothing`` where nothing is."""
    with store.reading() as connection:
        collection = read_collection(connection, collection_id)
        decisions = decided(read_pairs(connection, collection.id), current_judgements(connection, collection.id))
    if not decisions.choices:
        raise StateError("agree_nothing", collection=collection.name)
    return decisions


def rules_named(store: Store, name: str) -> list[Weighed]:
    """The newest version of the rule set of that name, or the ready-made (or trusted) rule. Raises RuleError ``agree_no_rules``."""
    sets = RuleSets(store)
    if any(rule_set.name == name for rule_set in sets.list()):
        return weighed([entry.use() for entry in sets.load(name).entries])
    if name in by_name():
        return weighed([RuleUse(name=name)])
    known = ", ".join([rule_set.name for rule_set in sets.list()] + list(by_name()))
    raise RuleError("agree_no_rules", value=name[:80], known=known)


def rules_agree(store: Store, collection_id: str, rules: Sequence[Weighed]) -> OfRules:
    """How the rules rank what people decided. The answer of a prompt is known where a response comes from a run that asked it."""
    decisions = decided_in(store, collection_id)
    pairs = decisions.pairs
    rewards = reward_batch(rules, rows_of_pairs(store, pairs))
    values = {pair.id: (rewards[2 * n].value, rewards[2 * n + 1].value) for n, pair in enumerate(pairs)}
    failures = []
    for rule in rules:
        messages = Counter(error for reward in rewards if (error := reward.scores[rule.rule.name].error) is not None)
        if messages:
            failures.append(Failure(rule.rule.name, messages.total(), len(rewards), messages.most_common(1)[0][0]))
    return OfRules(reward_agreement(decisions, values), tuple(failures))


def model_agrees(
    store: Store, collection_id: str, reward_model: str, lines: Iterable[Mapping[str, Any]]
) -> RewardAgreement:
    """How a reward model ranks what people decided, by the lines ``{"pair", "first", "second"}`` that its job wrote."""
    values = {str(line["pair"]): (float(line["first"]), float(line["second"])) for line in lines}
    return reward_agreement(decided_in(store, collection_id), values, _seen(store, reward_model))


def _seen(store: Store, reward_model: str) -> set[str]:
    """The pairs of the frozen version that the reward model's run read; the few that it held out are among them."""
    folder = store.folder(reward_model.removeprefix("run:").split("@")[0])
    dataset = str(((folder.recipe() or {}).get("recipe") or {}).get("dataset", ""))
    if not dataset.startswith(VERSION):
        return set()
    with store.reading() as connection:
        return {str(row["pair_id"]) for row in read_rows(connection, dataset.removeprefix(VERSION))}


def rows_of_pairs(store: Store, pairs: Sequence[Pair], known: Mapping[str, str] | None = None) -> list[Row]:
    """What rules are run on: the first and the second response of each pair, with the prompt's answer where it is known: from a run that
    asked it, else from ``known``, by prompt."""
    answers, known = _answers(store, pairs), known or {}
    rows: list[Row] = []
    for pair in pairs:
        words = last_words(plain_prompt(pair.prompt))  # what rules see of a prompt
        answer = answers.get(pair.prompt) or known.get(words)
        rows += [(words, side.text, answer) for side in (pair.first, pair.second)]
    return rows


def _answers(store: Store, pairs: Iterable[Pair]) -> dict[Prompt, str]:
    """The known answers by prompt, from the groups of the runs that wrote the responses; what a deleted run knew is lost."""
    sources = {side.source for pair in pairs for side in (pair.first, pair.second) if side.source}
    runs = {match[1] for source in sources if (match := _RUN.match(source))}
    answers: dict[Prompt, str] = {}
    for run_id in sorted(runs):
        try:
            for line in store.folder(run_id).groups():
                if line.get("answer") is not None:
                    answers[prompt_of_line(line)] = str(line["answer"])
        except (LabError, OSError):
            continue
    return answers

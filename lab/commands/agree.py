"""``python -m lab agree COLLECTION``: how often rules or a reward model rank the pairs of a collection as the people did who judged them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lab.annotation.rewarded_pairs import Failure, model_agrees, rules_agree, rules_named
from lab.commands.arguments import collection_named, explained, open_store
from lab.commands.job_line import do, status
from lab.commands.printing import complain, print_json, print_table, shorten
from lab.core.jobs import ScoreSpec
from lab.core.reward_agreement import RewardAgreement
from lab.store.jobs import JobStore
from lab.store.rule_files import read_rules
from lab.store.runs import RunState
from lab.words import say, system_locale
from lab.words.agreement import failed, left_out, number, seen, share_words, verdict

TEXT_ROOM, MOST_LISTED = 48, 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """COLLECTION, and rules or a reward model."""
    parser.add_argument("collection", metavar="COLLECTION", help=explained("agree.collection"))
    reward = parser.add_mutually_exclusive_group(required=True)
    reward.add_argument("--rules", metavar="RULES", help=explained("agree.rules"))
    reward.add_argument("--reward-model", metavar="run:ID", help=explained("agree.reward_model"))


def run(arguments: argparse.Namespace) -> int:
    """0 whatever the figures say; 1 where the job failed, 130 where Ctrl-C cancelled it. LabError where nothing is decided."""
    store = open_store(arguments)
    collection = collection_named(store, arguments.collection)
    failures: Sequence[Failure] = ()
    if arguments.rules is not None:
        path = Path(arguments.rules)
        rules = read_rules(path) if path.suffix == ".toml" else rules_named(store, arguments.rules)
        result = rules_agree(store, collection, rules)
        agreement, failures = result.agreement, result.failures
    else:
        job = do(ScoreSpec(reward_model=arguments.reward_model, collection=collection), store)
        if job.state is not RunState.FINISHED:
            return status(job)
        agreement = model_agrees(
            store, collection, arguments.reward_model, JobStore(store.home).folder(job.id).lines().lines
        )
    if arguments.json:
        print_json(agreement.as_json() | {"failures": [vars(failure) for failure in failures]})
    else:
        _print(agreement, failures)
    return 0


def _print(agreement: RewardAgreement, failures: Sequence[Failure]) -> None:
    locale = system_locale()
    print(f"{say('agree.agree', locale)}: {share_words(agreement.agree, locale)}; {verdict(agreement.agree, locale)}")
    for name in ("longer", "left"):
        people, reward = (share_words(getattr(agreement, f"{who}_{name}"), locale) for who in ("people", "reward"))
        print(say(f"agree.number_{name}", locale, people=people, reward=reward))
    for category, share in agreement.by_category.items():
        print(f"  {say('agree.of_category', locale, category=category)}: {share_words(share, locale)}")
    for unity, share in agreement.by_unity.items():
        print(f"  {say(f'agree.{unity}', locale)}: {share_words(share, locale)}")
    if sentence := seen(agreement, locale):
        print(sentence)
    if agreement.ties:
        print(say("agree.ties", locale, count=agreement.ties))
    if sentence := left_out(agreement, locale):
        print(sentence)
    for sentence in failed(failures, locale):
        complain(sentence)
    wrong = agreement.disagreements[:MOST_LISTED]
    if wrong:
        print(f"\n{say('agree.disagreements', locale)}")
        rows = [
            [
                *(shorten(text, TEXT_ROOM) for text in (pair.chosen.text, pair.other.text)),
                number(pair.chosen_reward),
                number(pair.other_reward),
            ]
            for pair in wrong
        ]
        print_table([say(f"agree.column_{name}", locale) for name in ("chosen", "other", "r", "r_other")], rows)

"""The leaderboard: rule sets that guests submit, scored on recorded completions, with the agreement of people beside the score.

A score is what the rules give the completions, as a share of the most that they could give; nothing is trained. That alone rewards a
hack: a rule that pays for anything gets 1. So beside it stands how often the same rules rank two responses as the class does, on pairs
that the rules were not made for; the submitter's own judgements are not counted. Rewards of the pairs are stored with the rule set, so
that the agreement follows the judgements without running a rule again.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from lab.annotation.judgements import current_judgements
from lab.annotation.pairs import read_pairs
from lab.annotation.rewarded_pairs import rows_of_pairs
from lab.classroom.tables import rule_sets_table
from lab.core.access import User
from lab.core.preferences import Judgement, Pair
from lab.core.recipes import RuleUse
from lab.core.reward_agreement import decided, reward_agreement
from lab.core.shares import Share
from lab.errors import InputError, RuleError, StateError
from lab.sandbox.rewards import Weighed, check_uses, reward_batch, weighed
from lab.store.runs import Store
from lab.tasks.equations import Language, Split, Style, problems

MOST_COMPLETIONS, MOST_PAIRS = 1024, 500
SECONDS = 20.0
"""The time in which the rules of one submission are run."""
TITLE_LENGTH = 60
MOST_OF_ONE = 10
"""Rule sets that one person may have on the board."""
HACKED_FROM = 0.25
"""A score that is so far above the agreement shows a hack."""

_r = rule_sets_table.c


@dataclass(frozen=True)
class Entry:
    """A line of the leaderboard."""

    person: str
    title: str
    rules: tuple[str, ...]
    score: float
    agree: Share
    run: str

    @property
    def hacked(self) -> bool:
        """Whether it scores high where people disagree."""
        return self.agree.of > 0 and self.score - self.agree.share >= HACKED_FROM


class Board:
    """The rule sets of a class."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def submit(self, user: User, title: str, uses: Sequence[RuleUse], run: str, collection: str) -> None:
        """Score a rule set and put it on the board; the same title again replaces the person's earlier one.

        Raises RuleError for a rule that cannot be used, InputError for the title, StateError where the person has too many.
        """
        until = time.monotonic() + SECONDS
        title = _title(title)
        if not uses:
            raise InputError("class_no_rules")
        if wrong := check_uses(uses, trusting=False, until=until):
            raise wrong[0]
        rules = weighed(uses, trusting=False)
        score = _score(rules, completions_of(self._store, run), until)
        pairs = self._pairs(collection)
        rows = rows_of_pairs(self._store, pairs, _equation_answers())
        values = [reward.value for reward in reward_batch(rules, rows, until)] if rows else []
        rewards = {pair.id: values[2 * n : 2 * n + 2] for n, pair in enumerate(pairs)}
        row = {
            "person": user.id,
            "title": title,
            "content": json.dumps([use.model_dump(mode="json") for use in uses], ensure_ascii=False),
            "run": run,
            "score": score,
            "collection": collection,
            "rewards": json.dumps(rewards),
            "submitted": time.time(),
        }

        def work(connection: Connection) -> None:
            titles = set(connection.execute(select(_r.title).where(_r.person == user.id)).scalars())
            if len(titles | {title}) > MOST_OF_ONE:
                raise StateError("class_too_many_sets", most=MOST_OF_ONE)
            statement = insert(rule_sets_table).values(**row)
            changed = {name: value for name, value in row.items() if name not in ("person", "title")}
            connection.execute(statement.on_conflict_do_update(index_elements=["person", "title"], set_=changed))

        self._store.writing(work)

    def entries(self) -> list[Entry]:
        """The board, the highest score first; of equal ones the one that came first."""
        with self._store.reading() as connection:
            rows = connection.execute(select(rule_sets_table).order_by(_r.score.desc(), _r.submitted)).all()
            collections = {row.collection for row in rows if row.collection}
            judged = {
                name: (read_pairs(connection, name), current_judgements(connection, name)) for name in collections
            }
        return [_entry(row, *judged.get(row.collection, ([], []))) for row in rows]

    def uses(self, person: str, title: str) -> list[RuleUse]:
        """The rules that somebody submitted under a title. Raises StateError ``no_such_class_set``."""
        with self._store.reading() as connection:
            statement = select(_r.content).where(_r.person == person, _r.title == title)
            content = connection.execute(statement).scalar()
        if content is None:
            raise StateError("no_such_class_set", title=title[:TITLE_LENGTH])
        return [RuleUse.model_validate(use) for use in json.loads(content)]

    def remove(self, person: str, title: str | None = None) -> None:
        """Take somebody's rule sets from the board, or the one of that title."""
        conditions = [_r.person == person] + ([] if title is None else [_r.title == title])
        self._store.writing(lambda connection: connection.execute(delete(rule_sets_table).where(*conditions)))

    def clear(self) -> None:
        """Take all of them from the board."""
        self._store.writing(lambda connection: connection.execute(delete(rule_sets_table)))

    def _pairs(self, collection: str) -> list[Pair]:
        if not collection:
            return []
        with self._store.reading() as connection:
            return [pair for pair in read_pairs(connection, collection) if pair.gold is None][:MOST_PAIRS]


def completions_of(store: Store, run: str) -> list[tuple[str, str, str | None]]:
    """``(prompt, completion, answer)`` of a recorded run's first steps, at most MOST_COMPLETIONS; without a run, the lab's own answers
    to held-out equations."""
    rows = _recorded(store, run) if run else _equations()
    return [row for row, _ in zip(rows, range(MOST_COMPLETIONS), strict=False)]


def _recorded(store: Store, run: str) -> Iterator[tuple[str, str, str | None]]:
    folder = store.folder(store.run(run).id)
    for step in dict.fromkeys(row.step for row in folder.groups_index().rows):
        for line in folder.group_lines(step, step):
            for completion in line["completions"]:
                yield line["prompt"], completion["text"], line.get("answer")


def _equations() -> Iterator[tuple[str, str, str | None]]:
    """Every held-out problem in both languages and all five styles, two of them wrong."""
    chance = random.Random("class")
    for problem in problems(Split.HELD_OUT):
        for language in Language:
            for style in Style:
                yield problem.prompt(language), problem.completion(style, language, chance), str(problem.x)


def _score(rules: Sequence[Weighed], rows: Sequence[Any], until: float) -> float:
    """The mean reward as a share, from 0 (the least that the rules can give) to 1. A completion that was not scored in time raises."""
    if not rows:
        raise StateError("class_nothing_recorded")
    low = sum(min(each.weight * each.rule.low, each.weight * each.rule.high) for each in rules)
    high = sum(max(each.weight * each.rule.low, each.weight * each.rule.high) for each in rules)
    if high - low <= 0:
        raise RuleError("class_no_spread")
    rewards = reward_batch(rules, rows, until)
    if time.monotonic() > until:
        raise RuleError("what_if_time_over", count=len(rows), of=len(rows), seconds=SECONDS)
    mean = sum(reward.value for reward in rewards) / len(rewards)
    return min(1.0, max(0.0, (mean - low) / (high - low)))


@cache
def _equation_answers() -> dict[str, str]:
    """The answers of the lab's own equations, by prompt: people judge them in files too, where no run knows the answer."""
    return {
        problem.prompt(language): str(problem.x)
        for split in Split
        for problem in problems(split)
        for language in Language
    }


def _entry(row: Any, pairs: Sequence[Pair], judgements: Sequence[Judgement]) -> Entry:
    rewards: Mapping[str, Any] = {pair: tuple(values) for pair, values in json.loads(row.rewards).items()}
    of_others = [judgement for judgement in judgements if judgement.annotator != row.person]
    agreement = reward_agreement(decided(pairs, of_others), rewards)
    names = tuple(str(use["name"]) for use in json.loads(row.content))
    return Entry(row.person, row.title, names, row.score, agreement.agree, row.run)


def _title(title: str) -> str:
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in title).split())
    if not clean or len(clean) > TITLE_LENGTH:
        raise InputError("class_set_title", value=clean[:TITLE_LENGTH], most=TITLE_LENGTH)
    return clean

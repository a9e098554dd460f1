"""The live vote: who of a group is kept? Guests choose among its answers; the owner reveals what the hard threshold keeps.

A question is a recorded group, or the worked example of the course. Not here: which question is asked (``state.py``).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from lab.classroom.state import Place
from lab.classroom.tables import votes_table
from lab.core.groups import ThresholdKind, make_group
from lab.core.recipes import RuleUse
from lab.errors import InputError, StateError
from lab.sandbox.rewards import reward_batch, weighed
from lab.store.runs import Store

WORKED_PROMPT, WORKED_ANSWER = "解方程 3x + 5 = 20", "5"
WORKED_COMPLETIONS = ("x = 5", "x = 15/3", "x = 5", "无解", "3x = 15 → x = 5")
WORKED_RULES = ("integer_answer", "consistent", "equals_answer")
MOST_ANSWERS = 16

_v = votes_table.c


@dataclass(frozen=True)
class Question:
    """A group to vote on; ``rewards`` and ``kept`` one an answer."""

    id: str
    place: Place
    prompt: str
    answers: tuple[str, ...]
    rewards: tuple[float, ...]
    mean: float
    kept: tuple[bool, ...]


def question_of(store: Store, place: Place) -> Question:
    """The question at a place. Raises StateError ``class_no_such_group``."""
    if not place.run:
        return _worked()
    lines = store.folder(store.run(place.run).id).group_lines(place.step, place.step)
    line = next((line for line in lines if int(line["group"]) == place.group), None)
    if line is None:
        raise StateError("class_no_such_group", run=place.run, step=place.step, group=place.group)
    some = line["completions"][:MOST_ANSWERS]
    rewards = [float(completion["reward"]) if completion.get("reward") is not None else 0.0 for completion in some]
    texts = [str(completion["text"]) for completion in some]
    return _question(place, str(line["prompt"]), texts, rewards)


def next_place(store: Store, run: str, now: Place) -> Place:
    """The next recorded group of a run whose rewards differ, after the present question; the worked example after the last one."""
    if not run:
        return Place()
    rows = [row for row in store.folder(run).groups_index().rows if row.std]
    at = (now.step, now.group) if now.run == run else (-1, -1)
    later = next((row for row in rows if (row.step, row.group) > at), None)
    return Place(run=run, step=later.step, group=later.group) if later else Place()


class Votes:
    """The votes of a class."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def cast(self, person: str, question: Question, chosen: Sequence[int]) -> None:
        """Store somebody's choice; a second one replaces the first. Raises InputError ``class_vote`` for an answer that is not there."""
        places = sorted(set(chosen))
        if places and not (places[0] >= 0 and places[-1] < len(question.answers)):
            raise InputError("class_vote", most=len(question.answers))
        row = {"question": question.id, "person": person, "chosen": json.dumps(places), "time": time.time()}
        statement = insert(votes_table).values(**row)
        changed = {name: row[name] for name in ("chosen", "time")}
        statement = statement.on_conflict_do_update(index_elements=["question", "person"], set_=changed)
        self._store.writing(lambda connection: connection.execute(statement))

    def of(self, question: Question) -> tuple[dict[str, list[int]], list[int]]:
        """``(chosen by person, how many chose each answer)``."""
        with self._store.reading() as connection:
            rows = connection.execute(select(_v.person, _v.chosen).where(_v.question == question.id)).all()
        chosen: dict[str, list[int]] = {row.person: json.loads(row.chosen) for row in rows}
        counts = Counter(place for places in chosen.values() for place in places)
        return chosen, [counts[place] for place in range(len(question.answers))]

    def clear(self, question: Question | None = None) -> None:
        """Forget the votes on a question, or all of them."""
        statement = delete(votes_table)
        if question is not None:
            statement = statement.where(_v.question == question.id)
        self._store.writing(lambda connection: connection.execute(statement))


@cache
def _worked() -> Question:
    rules = weighed([RuleUse(name=name) for name in WORKED_RULES], trusting=False)
    rows = [(WORKED_PROMPT, completion, WORKED_ANSWER) for completion in WORKED_COMPLETIONS]
    rewards = [reward.value for reward in reward_batch(rules, rows)]
    return _question(Place(), WORKED_PROMPT, WORKED_COMPLETIONS, rewards)


def _question(place: Place, prompt: str, texts: Sequence[str], rewards: Sequence[float]) -> Question:
    group = make_group(rewards, ThresholdKind.ABOVE_MEAN)
    name = f"{place.run}.{place.step}.{place.group}" if place.run else "worked"
    return Question(name, place, prompt, tuple(texts), group.rewards, group.mean, group.kept)


def as_json(question: Question, *, revealed: bool) -> dict[str, Any]:
    """The question for everybody; who is kept only once it is revealed."""
    answers = [
        {"text": text, "reward": reward} | ({"kept": kept} if revealed else {})
        for text, reward, kept in zip(question.answers, question.rewards, question.kept, strict=True)
    ]
    shown: dict[str, Any] = {"id": question.id, "prompt": question.prompt, "answers": answers, "revealed": revealed}
    return shown | ({"mean": question.mean} if revealed else {})

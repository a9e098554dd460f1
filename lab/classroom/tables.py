"""The tables of the class: who came, the rule sets that were submitted, whose run is whose, and the votes.

What the owner has chosen (open, paused, the code, the projector) is no table but one small file (``state.py``).
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, String, Table, Text

from lab.store.database import metadata

people_table = Table(
    "class_people",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),  # 1 for the first of a name, 2 for the next
    Column("joined", Float, nullable=False),
)

rule_sets_table = Table(
    "class_rule_sets",
    metadata,
    Column("person", String(200), primary_key=True),
    Column("title", Text, primary_key=True),
    Column("content", Text, nullable=False),  # JSON of a RuleSet
    Column("run", String(32), nullable=False),  # the recorded run that it was scored on; empty: the lab's own answers
    Column("score", Float, nullable=False),  # from 0 to 1: the mean share of the largest reward that the rules can give
    Column("collection", String(32), nullable=False),  # whose pairs were scored beside it; empty: none
    Column("rewards", Text, nullable=False),  # JSON by pair: the rewards of the first and of the second response
    Column("submitted", Float, nullable=False),
)

class_runs_table = Table(
    "class_runs",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("person", String(200), nullable=False),
    Column("asked", Float, nullable=False),
)

votes_table = Table(
    "class_votes",
    metadata,
    Column("question", String(64), primary_key=True),
    Column("person", String(200), primary_key=True),
    Column("chosen", Text, nullable=False),  # JSON: the places of the answers, from 0
    Column("time", Float, nullable=False),
)

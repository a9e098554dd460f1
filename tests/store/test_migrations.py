"""The schema: an old file is brought up to date with what is in it, once, and a later lab's file is left alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from lab.annotation import tables as annotation_tables  # noqa: F401  (register their tables)
from lab.annotation.judgements import current_judgements
from lab.annotation.pairs import read_collection
from lab.annotation.versions.freeze import read_frozen, read_version
from lab.classroom import tables as class_tables  # noqa: F401  (register their tables)
from lab.errors import StartError
from lab.store import rule_sets  # noqa: F401  (register their tables)
from lab.store.database import metadata
from lab.store.migrations import FOLDER, known
from lab.store.runs import RunState, Store

SCHEMA_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE runs (
    id VARCHAR(32) NOT NULL, name TEXT NOT NULL, algorithm VARCHAR(32) NOT NULL, state VARCHAR(16) NOT NULL,
    recipe TEXT NOT NULL, parent VARCHAR(32), created FLOAT NOT NULL, queued FLOAT, started FLOAT, ended FLOAT,
    pid INTEGER, pid_started FLOAT, boot_id VARCHAR(64), error TEXT, PRIMARY KEY (id)
);
CREATE INDEX ix_runs_state ON runs (state);
INSERT INTO schema_version VALUES (1);
INSERT INTO runs VALUES ('20261101-101500-k3f9', 'climb', 'grpo', 'finished', '{"algorithm": "grpo", "seed": 7}', NULL,
    100.0, 100.0, 101.0, 160.5, 4242, 99.5, 'boot', NULL);
INSERT INTO runs VALUES ('20261101-102000-m2p7', '爬坡', 'dpo', 'failed', '{"algorithm": "dpo"}', '20261101-101500-k3f9',
    200.0, 200.0, 201.0, 202.0, 4243, 199.5, 'boot', '{"key": "disk_full", "params": {"path": "/data"}}');
"""
"""What the lab wrote before there were migrations, with a chain of two runs in it."""

SCHEMA_3_ROWS = """INSERT INTO collections VALUES ('20261101-101500-aaaa', 'sums', 1, 0.1, 0, 0, 7, 100.0, 1, 0, 0);
INSERT INTO pairs VALUES ('20261101-101500-aaaa', 'p', 1, '"1 + 1"', '2', 'run:a', '3', 'run:b', NULL, 1);
INSERT INTO judgements VALUES (1, '11111111-1111-4111-8111-111111111111', 'judgement', '20261101-101500-aaaa', 'p', 'u-anna',
    'first', 'second', NULL, '', 2.5, NULL, NULL, 101.0);
INSERT INTO preference_versions VALUES ('20261101-101500-bbbb', '20261101-101500-aaaa', 'v', 102.0, '{"least_votes": 1}', 0, 1,
    'sha256:0', 1, '[]')"""


@pytest.fixture
def old_home(lab_home: Path) -> Path:
    database = sqlite3.connect(lab_home / "lab.db")
    database.executescript(SCHEMA_1)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    return lab_home


@pytest.fixture
def annotated_home(lab_home: Path) -> Path:
    """What the lab wrote at schema 3: a collection, a pair and a judgement of it."""
    engine = create_engine(f"sqlite:///{lab_home / 'lab.db'}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for statement in SCHEMA_3_ROWS.split(";\n"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    return lab_home


def said(home: Path, statement: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(home / "lab.db")
    try:
        return database.execute(statement).fetchall()
    finally:
        database.close()


def test_a_file_of_schema_1_keeps_its_runs(old_home: Path) -> None:
    store = Store(old_home)
    newest, oldest = store.runs()
    assert (oldest.id, oldest.name, oldest.state) == ("20261101-101500-k3f9", "climb", RunState.FINISHED)
    assert (oldest.recipe, oldest.ended, oldest.pid) == ({"algorithm": "grpo", "seed": 7}, 160.5, 4242)
    assert newest.name == "爬坡" and newest.parent == oldest.id
    assert newest.error == {"key": "disk_full", "params": {"path": "/data"}}
    store.close()
    assert said(old_home, "SELECT version_num FROM alembic_version") == [(known()[-1],)]
    assert said(old_home, "SELECT count(*) FROM judgements") == [(0,)]


def test_what_was_judged_before_stays_and_counts_as_blind(annotated_home: Path) -> None:
    store = Store(annotated_home)
    with store.reading() as connection:
        (judged,) = current_judgements(connection, "20261101-101500-aaaa")
        assert read_collection(connection, "20261101-101500-aaaa").name == "sums"
        version = read_version(connection, "20261101-101500-bbbb")
        assert [pair.id for pair in read_frozen(connection, version).pairs] == ["p"]
    store.close()
    assert (judged.pair_id, judged.annotator, judged.choice, judged.revealed) == ("p", "u-anna", "first", False)


def test_a_lab_of_schema_1_refuses_the_new_file(old_home: Path) -> None:
    Store(old_home).close()
    assert said(old_home, "SELECT version FROM schema_version") == [(2,)]  # that lab refused whatever is above 1


def test_opening_again_changes_nothing(old_home: Path) -> None:
    Store(old_home).close()
    before = said(old_home, "SELECT sql FROM sqlite_master ORDER BY name")
    Store(old_home).close()
    assert said(old_home, "SELECT sql FROM sqlite_master ORDER BY name") == before


def test_old_and_new_files_come_out_alike_and_as_the_code_has_them(old_home: Path, tmp_path: Path) -> None:
    Store(old_home).close()
    fresh = Store(tmp_path / "fresh")
    with fresh._engine.begin() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    fresh.close()
    assert [change for change in found if getattr(change[1], "name", "") != "schema_version"] == []
    shape = 'SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master m, pragma_table_info(m.name) c ORDER BY 1, 2'
    assert said(old_home, shape) == said(fresh.home, shape)


def test_a_migration_that_fails_leaves_the_old_file(old_home: Path) -> None:
    database = sqlite3.connect(old_home / "lab.db")
    database.execute("CREATE TABLE pairs (id INTEGER)")  # in the way of the second of the tables of 0002
    database.commit()
    database.close()
    with pytest.raises(Exception, match="already exists"):
        Store(old_home)
    names = {name for (name,) in said(old_home, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == {"schema_version", "runs", "pairs"}
    assert said(old_home, "SELECT version FROM schema_version") == [(1,)]
    assert said(old_home, "SELECT count(*) FROM runs") == [(2,)]


@pytest.mark.parametrize(
    "later",
    [
        "UPDATE alembic_version SET version_num = '0099'",
        "UPDATE schema_version SET version = 9; DROP TABLE alembic_version",
    ],
)
def test_a_file_of_a_later_lab_is_refused_and_left_alone(old_home: Path, later: str) -> None:
    Store(old_home).close()
    database = sqlite3.connect(old_home / "lab.db")
    database.executescript(later)
    database.close()
    before = said(old_home, "SELECT sql FROM sqlite_master ORDER BY name")
    with pytest.raises(StartError) as caught:
        Store(old_home)
    assert caught.value.key == "database_too_new"
    assert caught.value.params["known"] == int(known()[-1])
    assert said(old_home, "SELECT sql FROM sqlite_master ORDER BY name") == before


def test_many_processes_open_an_old_file_at_once(old_home: Path) -> None:
    code = f"from lab.store.runs import Store; assert len(Store({str(old_home)!r}).runs()) == 2"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4


def test_each_revision_is_one_file_after_the_other() -> None:
    assert known() == tuple(f"{number:04}" for number in range(1, len(known()) + 1))
    files = {path.name[:4]: path.read_text("utf-8") for path in (FOLDER / "versions").glob("0*.py")}
    for revision, text in files.items():
        before = f'"{int(revision) - 1:04}"' if revision != "0001" else "None"
        assert f'revision = "{revision}"' in text and f"down_revision = {before}" in text

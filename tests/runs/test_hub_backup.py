"""The lab's work on a Hub that refuses, is slow and hangs up; and a home made of that dataset alone."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.annotation.collections import Annotation
from lab.classroom.state import StateFile
from lab.core.rule_sets import RuleEntry
from lab.errors import InputError, StartError
from lab.runs import hub_backup
from lab.runs.hub_backup import HubBackup
from lab.store import outside
from lab.store.rule_sets import RuleSets
from lab.store.runs import RunState, Store, new_run_id
from lab.store.verify import verify_home
from tests.annotation.annotating import ANNA, BEN, CHEN, judge_all, sums
from tests.hub import TOKEN, Hub, serving
from tests.server.conftest import a_run

DATASET = "lab/kept"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(hub_backup, "PAUSE", 0.01)
    with serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


def worked(home: Path) -> tuple[Store, str]:
    """A home with judgements, a version, a rule set, a finished run and one that goes on."""
    store = Store(home, allow_unsafe_disk=True)
    annotation = Annotation(store)
    collection = sums(annotation, 6, overlap=2)
    judge_all(annotation, ANNA, collection)
    judge_all(annotation, BEN, collection)
    annotation.freeze(collection)
    RuleSets(store).save("short", [RuleEntry(name="equals_answer")], "owner")
    run, _ = a_run(store)
    store.folder(run.id).write("result.json", {"before": {}, "after": {}, "seconds": 1.0})
    store.change(run.id, state=RunState.FINISHED, ended=time.time())
    a_run(store)
    return store, collection


def picture(store: Store, collection: str) -> dict[str, object]:
    """Everything that must be the same on the other side."""
    annotation = Annotation(store)
    finished = store.in_state(RunState.FINISHED)
    measured = annotation.quality(collection)
    return {
        "judgements": [each.model_dump(mode="json") for each in _judgements(store, collection)],
        "alpha": measured.alpha,
        "people": sorted(annotator.name for annotator in measured.annotators),
        "collections": [(each.id, each.name, each.open, each.pairs) for each in annotation.collections()],
        "versions": [(each.id, each.content_hash, annotation.rows(each.id)) for each in annotation.versions()],
        "rules": [(each.name, each.version, each.rules) for each in RuleSets(store).list()],
        "runs": [(run.id, run.name, run.recipe) for run in finished],
        "metrics": [store.folder(run.id).metrics().lines for run in finished],
        "groups": [store.folder(run.id).groups_index().rows for run in finished],
    }


def _judgements(store: Store, collection: str):  # type: ignore[no-untyped-def]
    from lab.annotation.judgements import current_judgements

    with store.reading() as connection:
        return current_judgements(connection, collection)


def test_everything_is_back_from_the_dataset_alone(hub: Hub, tmp_path: Path) -> None:
    store, collection = worked(tmp_path / "first")
    backup = HubBackup(store, DATASET)
    assert backup.standing().last is None and backup.standing().waiting == 12
    assert backup.send()
    assert backup.standing().waiting == 0 and backup.standing().last is not None
    assert hub.repositories[DATASET] is True, "private"
    before = picture(store, collection)
    store.close()
    shutil.rmtree(tmp_path / "first")

    other = Store(tmp_path / "second", allow_unsafe_disk=True)
    again = HubBackup(other, DATASET)
    assert again.restore() == (12, 1)
    assert picture(other, collection) == before
    assert all(finding.ok for finding in verify_home(other.home))
    commits = hub.commits
    assert again.send() and hub.commits == commits, "what came from there does not go there again"
    assert again.restore() == (0, 0), "a home that holds work is left as it is"
    other.close()


@pytest.mark.parametrize("seconds", [1, 0, -3600], ids=["later", "in the same second", "by a slow clock"])
def test_a_second_life_goes_on_where_the_first_ended(
    hub: Hub, tmp_path: Path, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.time()
    monkeypatch.setattr(outside, "new_run_id", lambda now: new_run_id(start)[:-4] + "zzzz")
    store, collection = worked(tmp_path / "first")
    HubBackup(store, DATASET).send()
    store.close()
    monkeypatch.setattr(outside, "new_run_id", lambda now: new_run_id(start + seconds)[:-4] + "aaaa")
    second = Store(tmp_path / "second", allow_unsafe_disk=True)
    backup = HubBackup(second, DATASET)
    backup.restore()
    judge_all(Annotation(second), CHEN, collection)  # a third person, where two were wanted: nothing is left for them
    more = sums(Annotation(second), 4)
    judge_all(Annotation(second), ANNA, more)
    assert backup.send()
    before = [picture(second, each) for each in (collection, more)]
    second.close()
    third = Store(tmp_path / "third", allow_unsafe_disk=True)
    HubBackup(third, DATASET).restore()
    assert [picture(third, each) for each in (collection, more)] == before
    third.close()


def test_a_hub_that_refuses_or_breaks_off_loses_nothing(hub: Hub, tmp_path: Path) -> None:
    store, collection = worked(tmp_path / "first")
    backup = HubBackup(store, DATASET)
    hub.refuses = 20
    assert not backup.send()
    standing = backup.standing()
    assert standing.last is None and standing.waiting == 12
    assert standing.error is not None and standing.error["key"] == "backup_not_sent"
    hub.refuses, hub.breaks_off = 0, 1
    backup.send()  # it arrived, and the answer was lost: either it is known to be there, or it is sent once more
    judge_all(Annotation(store), ANNA, sums(Annotation(store), 3))
    assert backup.send() and backup.standing().error is None
    before = picture(store, collection)
    store.close()
    other = Store(tmp_path / "second", allow_unsafe_disk=True)
    assert HubBackup(other, DATASET).restore()[0] == 15, "what was sent twice counts once"
    assert picture(other, collection) == before
    numbers = [name.split("/")[2][:6] for name in hub.uploaded[DATASET] if name.startswith("rows/")]
    assert len(set(numbers)) == len(numbers), "their names say which came first"
    other.close()


def test_of_a_run_that_ended_twice_the_last_end_comes_back(hub: Hub, tmp_path: Path) -> None:
    store, _ = worked(tmp_path / "first")
    backup = HubBackup(store, DATASET)
    [run] = store.in_state(RunState.FINISHED)
    for again in range(6):  # the names of its records are drawn by chance
        store.change(run.id, name=f"end {again}", ended=time.time())
        assert backup.send()
    store.close()
    other = Store(tmp_path / "second", allow_unsafe_disk=True)
    HubBackup(other, DATASET).restore()
    assert [one.name for one in other.in_state(RunState.FINISHED)] == ["end 5"]
    other.close()


def test_a_slow_hub_holds_nobody_up(hub: Hub, tmp_path: Path) -> None:
    store, _ = worked(tmp_path / "first")
    backup = HubBackup(store, DATASET, every=0.05)
    hub.delay = 8.0
    backup.start()
    time.sleep(0.3)
    judge_all(Annotation(store), ANNA, sums(Annotation(store), 3))
    assert backup.standing().waiting >= 3
    assert hub.commits == 0, "saving does not wait for the Hub"
    hub.delay = 0.0
    backup.close()
    assert backup.standing().waiting == 0, "closing sends what is left"
    store.close()


def test_a_start_does_not_begin_with_nothing_where_the_hub_is_away(hub: Hub, tmp_path: Path) -> None:
    store, _ = worked(tmp_path / "first")
    HubBackup(store, DATASET).send()
    store.close()
    other = Store(tmp_path / "second", allow_unsafe_disk=True)
    hub.away = 10**6
    with pytest.raises(StartError) as caught:
        HubBackup(other, DATASET).restore()
    assert caught.value.key == "backup_not_read"
    hub.away = 0
    assert HubBackup(other, DATASET).restore() == (12, 1)
    other.close()


def test_a_dataset_that_others_can_read_gets_nothing(hub: Hub, tmp_path: Path) -> None:
    store, _ = worked(tmp_path / "first")
    hub.repositories[DATASET] = False
    hub.uploaded[DATASET] = {}
    backup = HubBackup(store, DATASET)
    assert not backup.send() and backup.standing().error["key"] == "backup_public"  # type: ignore[index]
    assert hub.uploaded[DATASET] == {}
    store.close()


def _tar(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


RUN = "20260101-000000-aaaa"
ROW = json.dumps({"id": RUN}).encode()
BROKEN = {
    f"rows/{RUN}/000001-abcdabcd.jsonl.gz": [b"", b"no gzip", gzip.compress(b"{"), gzip.compress(b"[1]\n"),
        gzip.compress(b'{"table": "judgements", "row": 1}\n'), gzip.compress(b'{"table": "pairs", "row": {"id": "x"}}\n')],
    f"runs/{RUN}-abcdabcd.tar": [b"", b"no tar", _tar(**{"row.json": b"{}"}), _tar(**{"row.json": ROW, "folder/../../evil": b"x"}),
        _tar(**{"row.json": ROW, "/etc/evil": b"x"}), _tar(**{"row.json": ROW, "folder/\x1b[2J": b"x"})],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(name, content, id=f"{name.split('/')[0]}-{number}")
        for name, contents in BROKEN.items()
        for number, content in enumerate(contents)
    ],
)
def test_a_file_that_is_not_what_was_sent_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    store = Store(tmp_path / "home", allow_unsafe_disk=True)
    path = tmp_path / "file"
    path.write_bytes(content)
    if content == b"":
        path.write_bytes(b"\x1f\x8b" if name.endswith("gz") else b"\0")
    with pytest.raises(InputError) as caught:
        outside.take_in(store, [(name, path)])
    assert caught.value.key == "outside_broken"
    assert outside.is_new(store) and not list(tmp_path.rglob("evil"))
    store.close()


def test_a_class_is_back_from_the_dataset(hub: Hub, tmp_path: Path) -> None:
    """Its choices, its people, board, votes and runs; a run that had not ended is nobody's any more."""
    store, _ = worked(tmp_path / "first")
    ended, going = store.in_state(RunState.FINISHED)[0].id, store.in_state(RunState.RUNNING)[0].id
    code = StateFile(store.home).change(paused=True, steps=40).code
    with sqlite3.connect(store.home / "lab.db") as database:
        database.execute("INSERT INTO class_people VALUES ('g-1', 'Lin', 1, 1.0)")
        database.execute("INSERT INTO class_rule_sets VALUES ('g-1', 'mine', '[]', '', 0.5, '', '{}', 2.0)")
        database.executemany("INSERT INTO class_runs VALUES (?, 'g-1', 2.0)", [(ended,), (going,)])
        database.execute("INSERT INTO class_votes VALUES ('q', 'g-1', '[0]', 3.0)")
    backup = HubBackup(store, DATASET)
    assert backup.send()
    commits = hub.commits
    assert backup.send() and hub.commits == commits, "nothing has changed"
    StateFile(store.home).change(steps=50)
    assert backup.send() and hub.commits > commits, "a choice alone is sent too"
    store.close()
    other = Store(tmp_path / "second", allow_unsafe_disk=True)
    HubBackup(other, DATASET).restore()
    state = StateFile(other.home).now
    assert (state.paused, state.steps, state.code) == (True, 50, code)
    with sqlite3.connect(other.home / "lab.db") as database:
        kept = {
            name: database.execute(f"SELECT * FROM class_{name}").fetchall()
            for name in ("people", "rule_sets", "votes")
        }
        assert all(len(rows) == 1 for rows in kept.values()), kept
        assert database.execute("SELECT run FROM class_runs").fetchall() == [(ended,)]
    other.close()


def test_no_other_file_is_written(hub: Hub, tmp_path: Path) -> None:
    home = Store(tmp_path / "home", allow_unsafe_disk=True)
    parcel = tmp_path / "000001-aaaaaaaa.jsonl.gz"
    for name in ("../evil.json", "secret_key", "studies/../../x.json", "users.toml"):
        with gzip.open(parcel, "wt") as out:
            out.write(json.dumps({"table": "files", "row": {"name": name, "text": "x"}}) + "\n")
        with pytest.raises(InputError, match="outside_broken"):
            outside.take_in(home, [("rows/20260101-000000-aaaa/000001-aaaaaaaa.jsonl.gz", parcel)])
        assert not (home.home / name).resolve().exists(), name
    home.close()

"""The one stream of a page: what it is told first, what later, and that nobody looks where nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.core.recipes import GrpoRecipe
from lab.runs.changes import Changes, Topic
from lab.server import changes as module
from lab.server.changes import ChangeStreams
from lab.store.runs import RunState, Store
from tests.server.conftest import Lab


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", allow_unsafe_disk=True)


async def told(stream: AsyncIterator[bytes]) -> dict[str, str]:
    while (event := await asyncio.wait_for(anext(stream), 10)).startswith(b":"):
        pass
    marks: dict[str, str] = json.loads(event.removeprefix(b"data: "))
    return marks


class TestMarks:
    def test_each_topic_has_a_mark_that_stays_while_nothing_happens(self, store: Store) -> None:
        changes = Changes(store)
        assert set(changes.marks()) == set(Topic)
        assert changes.marks() == changes.marks()

    def test_what_happens_changes_its_own_mark(self, store: Store) -> None:
        changes, before = Changes(store), Changes(store).marks()
        run = store.create_run(GrpoRecipe(name="a run"))
        queued = changes.marks()
        assert [topic for topic in Topic if queued[topic] != before[topic]] == [Topic.RUNS]
        store.change(run.id, state=RunState.RUNNING)
        running = changes.marks()
        assert {topic for topic in Topic if running[topic] != queued[topic]} == {Topic.RUNS, Topic.PROGRESS}
        store.folder(run.id).write("heartbeat", {"step": 3})
        further = changes.marks()
        assert [topic for topic in Topic if further[topic] != running[topic]] == [Topic.PROGRESS]
        store.rename_run(run.id, "another name")
        assert changes.mark(Topic.RUNS) != further[Topic.RUNS]
        (store.home / "jobs" / "20260101-000000-abcd").mkdir(parents=True)
        assert changes.mark(Topic.JOBS) != further[Topic.JOBS]
        answers = changes.mark(Topic.ANSWERS)
        changes.answered()
        assert changes.mark(Topic.ANSWERS) != answers


class TestStream:
    def test_first_all_marks_then_those_that_changed(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "GLANCE", 0.01)
        changes = Changes(store)

        async def follow() -> None:
            streams = ChangeStreams(changes)
            first, second = streams.follow(), streams.follow()
            assert set(await told(first)) == set(await told(second)) == set(Topic)
            changes.answered()
            for stream in (first, second):
                seen = [await told(stream)]  # the first look of the task tells all marks again, the next what differs
                while seen[-1].get(Topic.ANSWERS) != changes.mark(Topic.ANSWERS):
                    seen.append(await told(stream))
                assert set(seen[-1]) in (set(Topic), {Topic.ANSWERS}) and len(seen) <= 2
            await first.aclose()
            assert len(streams._listeners) == 1
            await streams.close()
            with pytest.raises(StopAsyncIteration):
                await told(second)
            assert not streams._listeners and streams._task is None

        asyncio.run(follow())

    def test_nobody_looks_where_nobody_listens(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "GLANCE", 0.001)
        looks: list[int] = []
        changes = Changes(store)
        marks = changes.marks
        monkeypatch.setattr(changes, "marks", lambda: looks.append(1) or marks())

        async def follow() -> None:
            stream = ChangeStreams(changes).follow()
            await told(stream)
            await stream.aclose()
            before = len(looks)
            await asyncio.sleep(0.02)
            assert len(looks) == before

        asyncio.run(follow())

    def test_json_gives_all_marks_once(self, lab: Lab) -> None:
        answer = lab.client().get("/api/changes", headers={"accept": "application/json"})
        assert set(answer.json()) == set(Topic) and answer.headers["cache-control"] == "no-store"

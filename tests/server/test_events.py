"""Live events: what a watcher gets, from where it goes on, when it ends, and that many watchers cost one reader."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lab.errors import StateError
from lab.server import events
from lab.server.events import Watches
from lab.store.runs import RunState, Store
from tests.server.conftest import Lab, a_run, add_step

JSON = {"accept": "application/json"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home", allow_unsafe_disk=True)


def parsed(event: bytes) -> tuple[str, str, dict[str, Any]]:
    """(name, id, data) of one server-sent event."""
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\n"))
    return fields.get("event", "message"), fields["id"], json.loads(fields["data"])


async def following(stream: AsyncIterator[bytes]) -> tuple[str, str, dict[str, Any]]:
    while (event := await asyncio.wait_for(anext(stream), 10)).startswith(b":"):
        pass
    return parsed(event)


def test_json_gives_one_frame(lab: Lab) -> None:
    run, folder = a_run(lab.store)
    frame = lab.client().get(f"/api/runs/{run.id}/events", headers=JSON).json()
    assert set(frame) == {"cursor", "run", "metrics", "groups", "log", "reset"}
    assert [line["step"] for line in frame["metrics"]] == [1, 2, 3]
    assert [row[0] for row in frame["groups"]] == [1, 2, 3]
    assert frame["log"].endswith("step 3\n")
    assert frame["run"]["id"] == run.id
    add_step(folder, 4)
    later = lab.client().get(f"/api/runs/{run.id}/events", params={"since": frame["cursor"]}, headers=JSON).json()
    assert ([line["step"] for line in later["metrics"]], later["log"]) == ([4], "step 4\n")


@pytest.mark.parametrize("since", ["nonsense", "-1.-1.-1", "9999999.9999999.9999999", "1.1", "é", "../.."])
def test_a_cursor_that_never_was_starts_over(lab: Lab, since: str) -> None:
    run, _ = a_run(lab.store)
    frame = lab.client().get(f"/api/runs/{run.id}/events", params={"since": since}, headers=JSON).json()
    assert [line["step"] for line in frame["metrics"]] == [1, 2, 3]


def test_an_ended_run_is_told_and_left(lab: Lab) -> None:
    run, folder = a_run(lab.store, RunState.FINISHED)
    folder.write("result.json", {"state": "finished"})
    answer = lab.client().get(f"/api/runs/{run.id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in answer.headers
    first, last = (parsed(event.encode()) for event in answer.text.strip().split("\n\n"))
    assert (first[0], last[0]) == ("message", "end")
    assert first[1] == first[2]["cursor"] == last[1]
    assert first[2]["run"]["state"] == "finished"
    assert len(first[2]["metrics"]) == 3
    assert last[2]["metrics"] == []
    assert lab.application.state.watches.looked_at == []
    again = lab.client().get(f"/api/runs/{run.id}/events", headers={"last-event-id": last[1]})
    assert again.status_code == 204  # an EventSource comes back by itself, unless it hears this


def test_a_header_says_more_than_the_address(lab: Lab) -> None:
    run, _ = a_run(lab.store)
    cursor = lab.client().get(f"/api/runs/{run.id}/events", headers=JSON).json()["cursor"]
    frame = lab.client().get(f"/api/runs/{run.id}/events?since=", headers={**JSON, "last-event-id": cursor}).json()
    assert frame["metrics"] == []


def test_a_live_run_is_followed(store: Store) -> None:
    async def scene() -> None:
        run, folder = a_run(store)
        watches = Watches(store)
        stream = watches.follow(run.id, "")
        name, _, data = await following(stream)
        assert (name, len(data["metrics"])) == ("message", 3)
        add_step(folder, 4)
        steps: list[int] = []
        while 4 not in steps:
            data = (await following(stream))[2]
            steps += [line["step"] for line in data["metrics"]]
        assert steps == [4]
        folder.request_stop(step=5)
        while (data := (await following(stream))[2])["run"]["stop_at_step"] is None:
            pass
        assert data["run"]["stop_at_step"] == 5
        store.change(run.id, state=RunState.STOPPED, ended=run.created + 1)
        while (told := await following(stream))[0] != "end":
            pass
        assert told[2]["run"]["state"] == "stopped"
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert watches.looked_at == []

    asyncio.run(scene())


def test_a_resume_that_drops_lines_starts_over(store: Store) -> None:
    async def scene() -> None:
        run, folder = a_run(store)
        stream = Watches(store).follow(run.id, "")
        await following(stream)
        folder.note_resume(1)
        add_step(folder, 2)
        told = (await following(stream))[2]
        while not told["reset"]:
            told = (await following(stream))[2]
        while [line["step"] for line in told["metrics"]][:2] != [1, 2]:  # the line may have come a look later
            told = (await following(stream))[2]

    asyncio.run(scene())


def test_thirty_watchers_share_one_reader(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []
    read = events._read

    def counted(store: Store, run_id: str, asked: Any) -> Any:
        asked = list(asked)
        places.append(len(asked))
        return read(store, run_id, asked)

    monkeypatch.setattr(events, "_read", counted)

    async def scene() -> None:
        run, folder = a_run(store)
        watches = Watches(store)
        streams = [watches.follow(run.id, "") for _ in range(30)]
        cursors = {(await following(stream))[1] for stream in streams}
        add_step(folder, 4)
        for stream in streams:
            while not any(line["step"] == 4 for line in (await following(stream))[2]["metrics"]):
                pass
        assert len(cursors) <= 2
        assert max(places) <= 3  # thirty who came one by one stand in a lane or two, not in thirty
        assert places[-1] == 1
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        assert watches.looked_at == []

    asyncio.run(scene())


def test_a_quiet_run_sends_only_signs_of_life(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "QUIET_SECONDS", 0.05)

    async def scene() -> None:
        run, _ = a_run(store)
        stream = Watches(store).follow(run.id, "")
        await following(stream)
        assert {await anext(stream) for _ in range(12)} == {events.HEARTBEAT}

    asyncio.run(scene())


def test_one_who_cannot_keep_up_is_let_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEHIND", 2)
    monkeypatch.setattr(events, "GLANCE", 0.02)

    async def scene() -> None:
        run, folder = a_run(store)
        stream = Watches(store).follow(run.id, "")
        await following(stream)
        for step in range(4, 9):
            add_step(folder, step)
            await asyncio.sleep(0.1)
        assert [event async for event in stream if not event.startswith(b":")] == []

    asyncio.run(scene())


def test_closing_the_lab_ends_every_stream(store: Store) -> None:
    async def scene() -> None:
        run, _ = a_run(store)
        watches = Watches(store)
        stream = watches.follow(run.id, "")
        await following(stream)
        await watches.close()
        assert [event async for event in stream] == []
        assert watches.looked_at == []

    asyncio.run(scene())


def test_a_run_deleted_while_watched_ends_the_stream(store: Store) -> None:
    async def scene() -> None:
        run, _ = a_run(store, RunState.QUEUED)
        watches = Watches(store)
        stream = watches.follow(run.id, "")
        await following(stream)
        store.change(run.id, state=RunState.STOPPED)
        store.delete_run(run.id)
        async for event in stream:  # it may see the end before the deletion
            assert event.startswith(b":") or parsed(event)[2]["run"]["state"] == "stopped"
        with pytest.raises(StateError):
            await watches.look(run.id, "")

    asyncio.run(scene())

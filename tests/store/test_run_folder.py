"""The readers of a run's folder: cursors, half lines, resumed runs, many watchers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lab.store import group_index
from lab.store.run_folder import RunFolder


def group(step: int, number: int = 0, prompt: str = "p", kept: int = 1) -> dict[str, object]:
    completions = [{"text": "解", "kept": place < kept} for place in range(3)]
    named = {"step": step, "group": number, "prompt": prompt}
    return {"version": 1, **named, "mean": 0.5, "std": 0.1, "completions": completions}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_metrics_by_cursor(folder: RunFolder) -> None:
    assert folder.metrics().lines == []
    for step in (1, 2):
        folder.append("metrics", {"step": step})
    first = folder.metrics()
    assert [line["step"] for line in first.lines] == [1, 2]
    assert folder.metrics(first.cursor).lines == []
    folder.append("metrics", {"step": 3})
    second = folder.metrics(first.cursor)
    assert (second.lines, second.reset) == ([{"step": 3}], False)


def test_a_resume_drops_what_lay_beyond_it(folder: RunFolder) -> None:
    folder.append("metrics", {"step": 0, "held_out": {}})
    for step in range(1, 6):
        folder.append("metrics", {"step": step, "attempt": 1})
        folder.append("groups", group(step))
    before = folder.frame()
    folder.note_resume(3)
    for step in (4, 5, 6):
        folder.append("metrics", {"step": step, "attempt": 2})
        folder.append("groups", group(step, kept=2))
    after = folder.frame(before.cursor)
    assert after.reset
    assert [line["step"] for line in after.metrics] == [0, 1, 2, 3, 4, 5, 6]
    assert [line.get("attempt") for line in after.metrics] == [None, 1, 1, 1, 2, 2, 2]
    assert [(row.step, row.kept) for row in after.groups] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]
    assert not folder.frame(after.cursor).reset and folder.frame(after.cursor).empty()
    assert RunFolder(folder.path).frame().metrics == after.metrics  # as a new process, or a copy, reads it
    assert [line["attempt"] for line in folder.recent_metrics()] == [2, 2, 2]


def test_a_follower_of_a_run_without_groups_starts_over_when_it_is_resumed(folder: RunFolder) -> None:
    """SFT, a reward model, DPO: nothing but metrics.jsonl tells that steps were dropped."""
    for step in range(1, 6):
        folder.append("metrics", {"step": step, "loss": 1.0})
    before = folder.frame()
    assert not folder.has_groups() and [line["step"] for line in before.metrics] == [1, 2, 3, 4, 5]
    folder.note_resume(2)
    folder.append("metrics", {"step": 3, "loss": 2.0})
    after = folder.frame(before.cursor)
    assert after.reset, "what a follower has of steps 3 to 5 no longer counts"
    assert [(line["step"], line["loss"]) for line in after.metrics] == [(1, 1.0), (2, 1.0), (3, 2.0)]
    assert not (folder.path / "groups.jsonl").exists()
    assert not folder.frame(after.cursor).reset


def test_a_second_resume_from_further_back(folder: RunFolder) -> None:
    for step in (1, 2, 3):
        folder.append("groups", group(step))
    folder.note_resume(2)
    folder.append("groups", group(3, kept=2))
    folder.note_resume(0)
    folder.append("groups", group(1, kept=3))
    assert [(row.step, row.kept) for row in folder.groups_index().rows] == [(1, 3)]


OTHER_TYPES = [
    "3",
    '"text"',
    "[1, 2]",
    "null",
    '{"step": "five"}',
    '{"step": null}',
    '{"resumed_from": "here"}',
    "[" * 20_000,
]


@pytest.mark.parametrize("line", OTHER_TYPES)
def test_a_line_of_another_type_does_not_make_the_run_unreadable(folder: RunFolder, line: str) -> None:
    for step in (1, 2):
        folder.append("metrics", {"step": step, "loss": 0.5})
        folder.append("groups", group(step))
        for name in ("metrics", "groups"):
            with (folder.path / f"{name}.jsonl").open("a") as file:
                file.write(line + "\n")
    frame = folder.frame()
    assert [entry["step"] for entry in frame.metrics] == [1, 2] and not frame.reset
    assert [row.step for row in frame.groups] == [1, 2]
    assert [entry["step"] for entry in folder.recent_metrics()] == [1, 2]
    assert [entry["step"] for entry in folder.group_lines(1, 2)] == [1, 2]


@pytest.mark.parametrize("wrong", [{"completions": 5}, {"completions": ["a text"]}, {"group": "first"}])
def test_a_group_with_a_part_of_another_type_is_passed_over(folder: RunFolder, wrong: dict[str, object]) -> None:
    folder.append("groups", group(1) | wrong)
    folder.append("groups", group(2) | {"mean": "high", "std": [1]})
    assert [(row.step, row.mean, row.std) for row in folder.groups_index().rows] == [(2, None, None)]


def test_groups_by_step(folder: RunFolder) -> None:
    for step in range(1, 101):
        for number in range(2):
            folder.append("groups", group(step, number, prompt=f"prompt {number}"))
    page = folder.groups_index()
    assert len(page.rows) == 200 and page.prompts == ["prompt 0", "prompt 1"]
    assert page.rows[3] == (2, 1, 1, 0.5, 0.1, 1, 3)
    assert [(line["step"], line["group"]) for line in folder.group_lines(40, 41)] == [
        (40, 0),
        (40, 1),
        (41, 0),
        (41, 1),
    ]
    assert folder.group_lines(500, 600) == []


def test_the_index_does_not_read_again_what_it_knows(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in range(1, 50):
        folder.append("groups", group(step))
    folder.groups_index()
    read: list[int] = []
    real = group_index.read_lines
    monkeypatch.setattr(group_index, "read_lines", lambda path, since: read.append(since) or real(path, since))
    for _ in range(30):
        folder.groups_index()
    assert read == []
    size = (folder.path / "groups.jsonl").stat().st_size
    folder.append("groups", group(50))
    assert len(folder.groups_index().rows) == 50 and read == [size]


def test_another_file_in_its_place_starts_over(folder: RunFolder) -> None:
    for step in range(1, 10):
        folder.append("groups", group(step))
    cursor = folder.groups_index().cursor
    (folder.path / "groups.jsonl").unlink()
    folder.append("groups", group(1))
    page = folder.groups_index(cursor)
    assert page.reset and [row.step for row in page.rows] == [1]


def test_the_index_ignores_half_a_line(folder: RunFolder) -> None:
    folder.append("groups", group(1))
    with (folder.path / "groups.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "gro')
    assert [row.step for row in folder.groups_index().rows] == [1]
    folder.append("groups", group(2))
    assert [row.step for row in folder.groups_index().rows] == [1, 2]
    assert folder.group_lines(2, 2)[0]["step"] == 2


@pytest.mark.parametrize(
    "cursor", ["", "x", "1.2", "-1.0.0", "1.2.3.4", "9" * 400, "999999999.999999999.999999999", "½.1.1"]
)
def test_a_cursor_from_nowhere_starts_at_the_beginning(folder: RunFolder, cursor: str) -> None:
    folder.append("metrics", {"step": 1})
    folder.append("groups", group(1))
    folder.log_path.write_text("hello\n")
    frame = folder.frame(cursor)
    assert (frame.metrics, len(frame.groups), frame.log) == ([{"step": 1}], 1, "hello\n")


def test_the_log_never_cuts_a_character(folder: RunFolder) -> None:
    text = "解方程：3x + 5 = 20\n"
    data = text.encode()
    with folder.log_path.open("ab", buffering=0) as log:
        seen, cursor = "", 0
        for byte in data:
            log.write(bytes([byte]))
            page = folder.log(cursor)
            seen, cursor = seen + page.text, page.cursor
    assert seen == text


def test_a_long_log_begins_near_its_end(folder: RunFolder) -> None:
    folder.log_path.write_text("".join(f"line {number}\n" for number in range(50_000)))
    page = folder.log(0, limit=1000)
    assert len(page.text) <= 1000 and page.text.startswith("line ") and page.text.endswith("line 49999\n")
    assert folder.log(page.cursor).text == ""


def test_checkpoints_count_only_when_complete(folder: RunFolder) -> None:
    assert folder.last_checkpoint() is None
    for step in (9, 10, 11):
        folder.checkpoint_path(step).mkdir(parents=True)
    for step in (9, 10):
        (folder.checkpoint_path(step) / "complete").touch()
    (folder.path / "checkpoints" / "step-99x").mkdir()
    assert folder.last_checkpoint() == (10, folder.checkpoint_path(10))


def test_stop_and_what_a_resume_puts_aside(folder: RunFolder) -> None:
    assert folder.stop_request() is None
    folder.request_stop(now=True, step=7)
    request = folder.stop_request()
    assert folder.stop_requested() and request and (request["now"], request["step"]) == (True, 7)
    for state in ("stopped", "failed"):
        folder.write("result.json", {"state": state})
        folder.prepare_resume()
    assert folder.result() is None and not folder.stop_requested()
    assert sorted(path.name for path in folder.path.glob("result*")) == ["result.1.json", "result.2.json"]
    folder.stop_path.touch()  # by hand
    assert folder.stop_request() and not folder.stop_request()["now"]  # type: ignore[index]


def test_what_earlier_attempts_took_is_not_forgotten(folder: RunFolder) -> None:
    nothing = {"seconds": 0, "tokens_generated": 0, "tokens_trained": 0}
    assert folder.spent_before() == nothing
    folder.prepare_resume()  # it never came to a first heartbeat
    assert folder.spent_before() == nothing
    killed = {"seconds": 9.5, "tokens_generated": 7, "tokens_trained": 5}
    folder.write("heartbeat", {"pid": 1, "step": 3, **killed})
    folder.prepare_resume()
    assert folder.spent_before() == killed and folder.heartbeat() is None
    stopped = {"seconds": 20.0, "tokens_generated": 17, "tokens_trained": 15}  # the killed attempt is counted in it
    folder.write("heartbeat", {"pid": 1, "step": 4, **killed})
    folder.write("result.json", {"state": "stopped", **stopped})
    for _ in range(2):  # taken out of the queue before it began, and resumed again
        folder.prepare_resume()
        assert folder.spent_before() == stopped


def test_thirty_watchers_and_a_writer(folder: RunFolder) -> None:
    seen: list[list[int]] = []
    done = threading.Event()

    def watch() -> None:
        cursor, steps = "", []
        while True:
            last = done.is_set()
            frame = folder.frame(cursor)
            cursor = frame.cursor
            steps += [row.step for row in frame.groups]
            if last:
                seen.append(steps)
                return

    watchers = [threading.Thread(target=watch) for _ in range(30)]
    for watcher in watchers:
        watcher.start()
    for step in range(1, 41):
        folder.append("metrics", {"step": step})
        folder.append("groups", group(step))
    done.set()
    for watcher in watchers:
        watcher.join()
    assert seen == [list(range(1, 41))] * 30


def test_two_writes_within_a_tick_are_two(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same inode, size and time of writing: what it wrote itself, a folder does not read from memory."""
    folder.write("result.json", {"step": 1})
    status = (folder.path / "result.json").stat()
    assert folder.result() == {"step": 1}
    folder.write("result.json", {"step": 2})
    monkeypatch.setattr(Path, "stat", lambda _self, **_: status)
    assert folder.result() == {"step": 2}

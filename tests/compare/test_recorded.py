"""A recorded study: small, the same numbers as the runs that it was made of, and opened without a home."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lab.compare import recorded
from lab.compare.members import Member
from lab.compare.recorded import RecordedStudy, record, recorded_studies
from lab.compare.runs import compared
from lab.compare.tables import course_tables
from lab.compare.verdict import verdict
from lab.core.studies import Study, parse_study
from lab.errors import InputError, StateError
from lab.store.runs import RunState, Store
from tests.compare.made_runs import course

WORDS = {"en": "x", "zh": "某"}


@pytest.fixture
def of_course(store: Store, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study whose members are the course's runs; which runs are members is tested elsewhere."""
    runs = course(store, (1, 2))
    entries = [{"name": name, "label": {"en": name, "zh": name}, "preset": f"tiny/{name}"} for name in runs]
    study = parse_study({"name": "t/c", "title": WORDS, "about": WORDS, "entries": entries, "seeds": [1, 2]}, "t/c")
    every = [Member(study.entry(name), run.recipe["seed"], None, run) for name in runs for run in runs[name]]
    monkeypatch.setattr(
        recorded,
        "members",
        lambda _study, _store: [Member(m.entry, m.seed, None, store.run(m.run.id)) for m in every if m.run],
    )
    for run in runs["grpo"]:
        for step in (1, 20, 40):
            for group in range(3):
                completion = {"text": f"x = {step}", "reward": 1.0 / 3.0, "advantage": 0.0, "kept": True, "scores": {}}
                line = {"version": 1, "step": step, "group": group, "prompt": "p", "mean": 1.0, "std": 0.0}
                store.folder(run.id).append("groups", {**line, "completions": [completion]})
    return study


def test_it_says_what_the_runs_say(of_course: Study, store: Store, tmp_path: Path) -> None:
    made = record(of_course, store, tmp_path / "there", groups=2)
    assert made.runs == 10 and made.groups == 2 * 3 * 2 and made.size < 400_000
    shutil.move(tmp_path / "there", tmp_path / "elsewhere")  # it names no path of its own
    shelf = RecordedStudy(tmp_path / "elsewhere")
    after, before = shelf.compared(), compared(store, shelf.runs())
    assert all(run.recorded for run in after)
    looked_at: set[str] = set()
    for one, other in zip(after, before, strict=True):
        assert (one.after, one.before, one.seconds, one.chain_seconds) == (
            other.after,
            other.before,
            other.seconds,
            other.chain_seconds,
        )
        measured = {"pass_at_1", "pair_accuracy"} & other.curves.keys()
        assert measured <= one.curves.keys()
        looked_at |= measured
        for name in measured:
            assert np.allclose(one.curves[name].seconds, other.curves[name].seconds, rtol=1e-3)
            assert np.allclose(one.curves[name].value, other.curves[name].value, rtol=1e-4)
    assert "pass_at_1" in looked_at
    assert [p.say("en") for p in verdict(after)] == [p.say("en") for p in verdict(_named_alike(before, after))]
    assert len(course_tables(after)[0].rows) == 3


def _named_alike(runs, like):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return [replace(run, label=other.label, entry=other.entry) for run, other in zip(runs, like, strict=True)]


def test_an_unfinished_study_is_not_recorded(of_course: Study, store: Store, tmp_path: Path) -> None:
    store.change(store.runs()[0].id, state=RunState.STOPPED)
    with pytest.raises(StateError) as raised:
        record(of_course, store, tmp_path / "there")
    assert raised.value.key == "record_not_finished" and raised.value.params["count"] == 1


def test_what_is_in_the_way_is_left_alone(of_course: Study, store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("letters")
    with pytest.raises(InputError) as raised:
        record(of_course, store, tmp_path)
    assert raised.value.key == "record_in_the_way" and (tmp_path / "mine").read_text() == "letters"


def test_what_is_too_big_is_not_written(of_course: Study, store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        record(of_course, store, tmp_path / "there", most_bytes=1000)
    assert raised.value.key == "record_too_big" and not (tmp_path / "there").exists()


def test_recording_again_replaces_the_recording(of_course: Study, store: Store, tmp_path: Path) -> None:
    record(of_course, store, tmp_path / "there", groups=2)
    again = record(of_course, store, tmp_path / "there", groups=0)
    assert again.groups == 0 and not list((tmp_path / "there").rglob("groups.jsonl"))


def test_a_broken_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        RecordedStudy(tmp_path)
    assert raised.value.key == "recorded_broken"


def test_what_ships_can_be_opened() -> None:
    if not recorded_studies():
        pytest.skip(
            "no recorded study is here: python -m lab study tiny/course --record presets/studies/recorded/tiny-course"
        )
    for name, path in recorded_studies().items():
        shelf = RecordedStudy(path)
        assert shelf.study.name == name and shelf.compared()
        assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) <= recorded.MOST_BYTES

"""Collections and where their pairs come from: files, typed rows, the groups of runs, sampling jobs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.annotation.pairs import CollectionSettings
from lab.core.preferences import Place
from lab.core.recipes import parse
from lab.data.left_out import LeftOut, WhyLeftOut
from lab.data.pair_rows import Known
from lab.errors import DatasetError, InputError, LabError, StateError
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, given, place_of, says, sums
from tests.annotation.reading import import_file, preview_file

ROWS = [{"prompt": f"p{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(4)]


def written(folder: Path, rows: list[dict[str, Any]], name: str = "prefs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_file_becomes_a_collection_that_is_there_after_a_restart(annotation: Annotation, tmp_path: Path) -> None:
    path = written(tmp_path, [*ROWS, ROWS[0], {"prompt": "p", "chosen": "same", "rejected": "same"}])
    preview = preview_file(annotation, path)
    assert (preview.count, len(preview.pairs), preview.columns) == (4, 4, ("prompt", "chosen", "rejected"))
    assert annotation.collections() == []
    report = import_file(annotation, path, settings=CollectionSettings(overlap=3, strength=True))
    assert (report.taken, report.collection.name, report.collection.pairs) == (4, "prefs", 4)
    assert report.left_out == [LeftOut(5, WhyLeftOut.SAME_PAIR, "1"), LeftOut(6, WhyLeftOut.EQUAL_SIDES)]
    again = Annotation(Store(annotation.store.home, allow_unsafe_disk=True))
    (found,) = again.collections()
    assert found == report.collection and found.settings.overlap == 3 and found.settings.strength
    assert {pair.prompt for pair in again.pairs(found.id)} == {f"p{n}" for n in range(4)}
    again.store.close()


def test_more_pairs_into_a_collection(annotation: Annotation, tmp_path: Path) -> None:
    first = import_file(annotation, written(tmp_path, ROWS[:2])).collection
    more = import_file(annotation, written(tmp_path, ROWS[1:], "more.jsonl"), into=first.id, known=Known.GOLD)
    assert (more.taken, more.collection.pairs, more.collection.gold) == (2, 2, 2)
    assert more.left_out == [LeftOut(1, WhyLeftOut.ALREADY_THERE)]
    with pytest.raises(StateError):
        annotation.import_rows(ROWS, into="20260101-000000-aaaa")


def test_nothing_is_made_where_nothing_can_be_taken(annotation: Annotation, tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)  # refused by its size, before it is read
    noise = tmp_path / "noise.csv"
    noise.write_bytes(b"prompt,chosen,rejected\n\xff\xff\xff,\xff,\xfe\n")
    refused = {
        large: "dataset_too_large",
        noise: "dataset_not_utf8",
        written(tmp_path, [{"prompt": "a", "chosen": "b", "rejected": "b"}], "equal.jsonl"): "dataset_all_equal",
        tmp_path / "none.jsonl": "dataset_missing",
        written(tmp_path, ROWS, "rows.exe"): "dataset_kind",
    }
    for path, key in refused.items():
        with pytest.raises(DatasetError) as caught:
            import_file(annotation, path)
        assert caught.value.key == key
    assert annotation.collections() == []


@pytest.mark.parametrize("name", ["", " \n", "x" * 121, "\x00"])
def test_names(annotation: Annotation, name: str) -> None:
    with pytest.raises(InputError) as caught:
        annotation.create(name)
    assert caught.value.key == "collection_name"
    assert annotation.collections() == []


def test_change_keeps_sides_and_order(annotation: Annotation) -> None:
    collection = sums(annotation, 12)
    before = given(annotation, ANNA, collection, 12)
    changed = annotation.change(collection, name="新名", overlap=4, reason=True)
    assert (changed.name, changed.settings.overlap, changed.settings.reason) == ("新名", 4, True)
    after = given(annotation, ANNA, collection, 12)
    assert [(pair["pair"], pair["a"]) for pair in after] == [(pair["pair"], pair["a"]) for pair in before]


# ---- from runs


def a_run(store: Store, texts: dict[str, list[str]], step: int = 1) -> str:
    run = store.create_run(parse({"algorithm": "grpo", "name": "climb"}))
    add_groups(store, run.id, texts, step)
    return run.id


def add_groups(
    store: Store, run_id: str, texts: dict[str, list[str]], step: int, system: str = "", first: int = 0
) -> None:
    """Groups of a step; with ``system`` their prompts are conversations that begin with it."""
    for group, (prompt, some) in enumerate(texts.items(), first):
        completions = [
            {"text": text, "tokens": 3, "truncated": text.endswith("…"), "reward": 1.0, "advantage": 0.0, "kept": True}
            for text in some
        ]
        line = {"version": 1, "step": step, "group": group, "prompt": prompt, "answer": "5", "mean": 1.0, "std": 0.0}
        turns = {"turns": talk(system, prompt)} if system else {}
        store.folder(run_id).append("groups", {**line, **turns, "completions": completions})


def talk(system: str, words: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": words}]


def test_two_completions_of_a_group(annotation: Annotation) -> None:
    store = annotation.store
    run = a_run(store, {"p0": ["a", "b", "b "], "p1": ["same", "same"], "p2": ["cut…", "whole"]})
    found = annotation.import_run(run)
    assert found.taken == 1
    (pair,) = annotation.pairs(found.collection.id)
    assert pair.prompt == "p0" and {pair.first.text.strip(), pair.second.text.strip()} == {"a", "b"}
    assert pair.first.source == pair.second.source == f"run:{run} step 1"
    with pytest.raises(StateError) as caught:
        annotation.import_run(a_run(store, {"p1": ["same", "same"]}))
    assert caught.value.key == "pairs_none_in_run"
    with pytest.raises(StateError) as caught:
        annotation.import_run(store.create_run(parse({"algorithm": "sft"})).id)
    assert caught.value.key == "run_without_groups"


def test_two_runs_at_the_same_prompt_and_the_better_one_named(annotation: Annotation) -> None:
    store = annotation.store
    prompts = [f"{n} + 1 = ?" for n in range(16)]
    good = a_run(store, {prompt: ["old and wrong"] for prompt in prompts})
    add_groups(
        store, good, {prompt: [f"It is {n + 1}."] for n, prompt in enumerate(prompts)}, step=2
    )  # the later one counts
    bad = a_run(store, {prompt: [f"It is {n}."] for n, prompt in enumerate(prompts)} | {"only here": ["x"]})
    found = annotation.import_runs(good, bad)
    assert found.taken == 16
    for pair in annotation.pairs(found.collection.id):
        assert {pair.first.source, pair.second.source} == {f"run:{good}", f"run:{bad}"}
    while pairs := given(annotation, ANNA, found.collection.id, 8):
        for pair in pairs:
            says(annotation, ANNA, found.collection.id, pair, place_of(pair))
    (compared,) = annotation.compare_sources(found.collection.id)
    assert compared.better == f"run:{good}" and compared.share.of == 16
    with pytest.raises(StateError) as caught:
        annotation.import_runs(good, a_run(store, {"another": ["x"]}))
    assert caught.value.key == "pairs_no_shared_prompt"


def a_job(
    store: Store, number: int, model: str, texts: dict[str, list[str]], turns: dict[str, Any] | None = None
) -> str:
    folder = store.home / "jobs" / f"20261122-10000{number}-aaaa"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"version": 1, "kind": "sample", "spec": {"model": model}}))
    lines = [
        {"prompt": prompt, **(turns or {}), "text": text, "truncated": False}
        for prompt, some in texts.items()
        for text in some
    ]
    (folder / "result.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder.name


def test_sampling_jobs(annotation: Annotation) -> None:
    store = annotation.store
    one = a_job(store, 1, "run:x", {"p0": ["a", "b"], "p1": ["c", "c"]})
    other = a_job(store, 2, "tiny", {"p0": ["d"], "p1": ["e"]})
    (pair,) = annotation.pairs(annotation.import_jobs(one).collection.id)
    assert (pair.prompt, pair.first.source, pair.second.source) == ("p0", "run:x", "run:x")
    both = annotation.pairs(annotation.import_jobs(one, other).collection.id)
    assert {frozenset((pair.first.source, pair.second.source)) for pair in both} == {frozenset(("run:x", "tiny"))}
    for missing in ("20261122-100009-aaaa", "../jobs"):
        with pytest.raises(LabError) as caught:
            annotation.import_jobs(missing)
        assert caught.value.key == "no_such_job"


def test_two_windows_that_wait_for_a_job_take_it_in_once(annotation: Annotation) -> None:
    one = a_job(annotation.store, 1, "tiny", {"p0": ["a", "b", "c"], "p1": ["d", "e"]})
    other = a_job(annotation.store, 2, "run:x", {"p0": ["f"]})
    with ThreadPoolExecutor(4) as windows:
        found = list(windows.map(lambda _: annotation.import_jobs(one, name="now"), range(4)))
    assert len({done.collection.id for done in found}) == 1 == len(annotation.collections())
    assert [(done.taken, done.left_out) for done in found] == [(2, [])] * 4
    both = annotation.import_jobs(one, other)
    assert both.collection.id != found[0].collection.id  # another question
    into = annotation.create("mine").id
    assert [annotation.import_jobs(one, into=into).taken for _ in range(2)] == [2, 0]
    annotation.delete(found[0].collection.id)
    assert annotation.import_jobs(one).taken == 2


# ---- of conversations


def said(annotation: Annotation, collection: str) -> dict[str, Any]:
    """The system's words of every pair of a collection, with what the user said last."""
    return {pair.prompt[0].content: pair.prompt[-1].content for pair in annotation.pairs(collection)}


def test_groups_that_differ_in_their_history_are_pairs_of_their_own(annotation: Annotation) -> None:
    run = a_run(annotation.store, {})
    for number, system in enumerate(("Be short.", "Be long.")):
        add_groups(annotation.store, run, {"Why?": ["a", "b"]}, 1, system, number)
    found = annotation.import_run(run)
    assert found.taken == 2 and said(annotation, found.collection.id) == {"Be short.": "Why?", "Be long.": "Why?"}


def test_two_runs_meet_at_the_same_conversation_only(annotation: Annotation) -> None:
    one, other = a_run(annotation.store, {}), a_run(annotation.store, {})
    for run, text, systems in ((one, "a", ("Be short.", "Be long.")), (other, "b", ("Be long.", "Be kind."))):
        for number, system in enumerate(systems):
            add_groups(annotation.store, run, {"Why?": [f"{text} {system}"]}, 1, system, number)
    found = annotation.import_runs(one, other)
    assert said(annotation, found.collection.id) == {"Be long.": "Why?"}
    (pair,) = annotation.pairs(found.collection.id)
    assert {pair.first.text, pair.second.text} == {"a Be long.", "b Be long."}


def test_a_sampled_conversation_is_judged_and_exported_whole(annotation: Annotation, tmp_path: Path) -> None:
    job = a_job(annotation.store, 1, "tiny", {"Why?": ["a", "b"]}, {"turns": talk("Be short.", "Why?")})
    collection = annotation.import_jobs(job).collection.id
    (shown,) = given(annotation, ANNA, collection)
    assert shown["prompt"] == talk("Be short.", "Why?")
    says(annotation, ANNA, collection, shown, Place.LEFT)
    (row,) = annotation.rows(annotation.freeze(collection).id)
    assert row["prompt"] == talk("Be short.", "Why?") and row["chosen"][0]["role"] == "assistant"

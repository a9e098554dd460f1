"""Frozen versions: the same judgements give the same content, nothing changes it, and what is exported comes back as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from lab.annotation.collections import Annotation
from lab.annotation.judgements import current_judgements, events
from lab.annotation.tables import current_table, versions_table
from lab.annotation.versions.freeze import Version
from lab.core.derivation import EditFate
from lab.core.preferences import Choice, Derivation, Place, WhyNotDerived
from lab.core.recipes import parse
from lab.data import datasets
from lab.data.forms import shape_prompts
from lab.data.preference_forms import shape_preferences
from lab.data.rows import read_rows
from lab.errors import DatasetError, InputError, LabError, MachineError, StateError
from lab.runs.checks import check
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, BEN, CHEN, given, judge_all, place_of, says, sums
from tests.hub import TOKEN, serving

COLUMNS = ["prompt", "chosen", "rejected", "pair_id", "annotators", "n_votes", "agreement", "strength", "source_chosen"]
COLUMNS += ["source_rejected", "edited_by", "dataset_version"]


@pytest.fixture
def frozen(annotation: Annotation) -> Version:
    """Twelve pairs: two people agree on ten of them (one of which one of them edited), one is a tie, one is divided; and a skip, an
    undone judgement, strengths and a reason."""
    collection = sums(annotation, 12, overlap=2)
    for person in (ANNA, BEN):
        pairs = given(annotation, person, collection, 12)
        for pair in sorted(pairs, key=lambda one: one["pair"]):
            number = sorted(one["pair"] for one in pairs).index(pair["pair"])
            if number == 0:
                says(annotation, person, collection, pair, Choice.TIE, reason="都对")
            elif number == 1:
                says(annotation, person, collection, pair, place_of(pair, person is ANNA))
            elif number == 2:
                says(
                    annotation,
                    person,
                    collection,
                    pair,
                    place_of(pair),
                    strength=2 + (person is BEN),
                    edited="好！" if person is BEN else None,
                )
            else:
                says(annotation, person, collection, pair, place_of(pair), seconds=2.5)
    (pair, *_) = given(annotation, CHEN, collection, 1) or [None]
    assert pair is None  # the overlap is reached
    return annotation.freeze(collection, Derivation(least_votes=2, use_edits=True), name="sums, first")


def test_what_is_frozen(annotation: Annotation, frozen: Version) -> None:
    rows = annotation.rows(frozen.id)
    assert frozen.preferences == len(rows) == 10
    assert frozen.counts == {WhyNotDerived.TIE: 1, WhyNotDerived.NO_MAJORITY: 1}
    assert all(list(row) == COLUMNS for row in rows)
    assert {row["source_chosen"] for row in rows} == {"right"} and {row["n_votes"] for row in rows} == {2}
    assert all(row["annotators"] == ["u-anna", "u-ben"] and row["dataset_version"] == frozen.id for row in rows)
    (edited,) = [row for row in rows if row["edited_by"]]
    assert (edited["chosen"], edited["edited_by"], edited["strength"]) == ("好！", "u-ben", 2.5)


def test_the_same_again_is_the_same_version(annotation: Annotation, frozen: Version) -> None:
    again = annotation.freeze(frozen.collection, frozen.rule, name="another name")
    assert again == frozen and annotation.versions(frozen.collection) == [frozen]
    without = annotation.freeze(frozen.collection, Derivation(least_votes=2))
    assert without.id != frozen.id and without.content_hash != frozen.content_hash
    assert annotation.versions() == [without, frozen]


def test_the_hash_does_not_depend_on_who_came_first(annotation: Annotation) -> None:
    hashes = set()
    for people in ((ANNA, BEN), (BEN, ANNA)):
        collection = sums(annotation, 6, overlap=2)
        for person in people:
            judge_all(annotation, person, collection)
        hashes.add(annotation.freeze(collection).content_hash)
    assert len(hashes) == 1


def test_nothing_to_freeze_is_said(annotation: Annotation) -> None:
    collection = sums(annotation, 3)
    with pytest.raises(StateError) as caught:
        annotation.freeze(collection)
    assert caught.value.key == "freeze_nothing" and annotation.versions() == []
    for missing in ("20260101-000000-aaaa", "../x"):
        with pytest.raises(LabError) as caught:
            annotation.version(missing)
        assert caught.value.key == "no_such_version"


def test_gold_pairs_are_no_data_unless_asked_for(annotation: Annotation) -> None:
    collection = sums(annotation, 10, gold=4, gold_rate=0.5)
    judge_all(annotation, ANNA, collection)
    gold = {pair.id for pair in annotation.pairs(collection) if pair.gold}
    plain = annotation.freeze(collection)
    assert gold.isdisjoint(row["pair_id"] for row in annotation.rows(plain.id))
    both = annotation.freeze(collection, with_gold=True)
    assert both.preferences > plain.preferences == 6


# ---- as files


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_the_export_in_trls_form_reads_back_as_it_was(
    annotation: Annotation, frozen: Version, tmp_path: Path, suffix: str
) -> None:
    folder = annotation.export(frozen.id, tmp_path / "out")
    rows = read_rows(folder / f"preferences.{suffix}")
    assert rows.rows == annotation.rows(frozen.id) and rows.left_out == []
    assert shape_preferences(rows).rows == [
        {name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows.rows
    ]
    assert len(shape_prompts(rows).rows) == 10


def test_a_conversation_is_exported_as_messages(annotation: Annotation, tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "短"}, {"role": "user", "content": "2 + 2"}]
    rows = [{"prompt": talk, "chosen": "4", "rejected": "5"}, {"prompt": "3 + 3", "chosen": "6", "rejected": "7"}]
    collection = annotation.import_rows(rows, name="talk").collection.id
    for pair in given(annotation, ANNA, collection, 2):
        says(annotation, ANNA, collection, pair, Place.LEFT if pair["a"] in ("4", "6") else Place.RIGHT)
    folder = annotation.export(annotation.freeze(collection).id, tmp_path / "out")
    for name in ("preferences.jsonl", "preferences.parquet"):
        found = read_rows(folder / name)
        assert {tuple(type(row[side]) for side in ("prompt", "chosen", "rejected")) for row in found.rows} == {
            (list, list, list)
        }
        prompts = [row["prompt"] for row in shape_preferences(found).rows]
        assert talk in prompts and "3 + 3" in prompts


def test_an_import_of_the_export_is_the_same_again(annotation: Annotation, frozen: Version, tmp_path: Path) -> None:
    folder = annotation.export(frozen.id, tmp_path / "out")
    elsewhere = Annotation(Store(tmp_path / "another home", allow_unsafe_disk=True))
    for lab, was_here in (
        (elsewhere, False),
        (elsewhere, True),
        (annotation, True),
    ):  # twice in another lab, and in this one
        done = lab.import_export(folder)
        found = done.version
        assert (done.was_here, len(lab.versions()), len(lab.collections())) == (was_here, 1, 1)
        assert (found.content_hash, found.rule, found.left_out) == (frozen.content_hash, frozen.rule, frozen.left_out)
        assert lab.pairs(found.collection) == annotation.pairs(frozen.collection)
        mine, theirs = annotation.quality(frozen.collection), lab.quality(found.collection)
        assert (mine.raw, mine.alpha, mine.left_rate, mine.judgements) == (
            theirs.raw,
            theirs.alpha,
            theirs.left_rate,
            theirs.judgements,
        )
        assert lab.collection(found.collection).open == annotation.collection(frozen.collection).open
    assert elsewhere.version(frozen.id).content_hash == frozen.content_hash
    second = elsewhere.export(frozen.id, tmp_path / "second")
    for name in ("preferences.jsonl", "pairs.jsonl", "judgements.jsonl"):
        assert (second / name).read_bytes() == (folder / name).read_bytes(), name
    elsewhere.store.close()


@pytest.mark.parametrize("noted", [True, False])
def test_what_came_after_the_freeze_is_in_no_export(
    annotation: Annotation, frozen: Version, tmp_path: Path, noted: bool
) -> None:
    if not noted:  # as an older lab left it
        annotation.store.writing(lambda connection: connection.execute(update(versions_table).values(snapshot=None)))
    before = annotation.export(frozen.id, tmp_path / "before")
    more = [{"prompt": f"more {n}", "first": "a", "second": "b", "gold": "first" if n else None} for n in range(2)]
    annotation.import_rows(more, into=frozen.collection)
    after = annotation.export(frozen.id, tmp_path / "after")
    for name in ("pairs.jsonl", "judgements.jsonl", "version.json", "README.md"):
        assert (after / name).read_bytes() == (before / name).read_bytes(), name
    elsewhere = Annotation(Store(tmp_path / "another home", allow_unsafe_disk=True))
    found = elsewhere.import_export(after).version
    assert (found.left_out, found.created) == (frozen.left_out, frozen.created)
    assert len(elsewhere.pairs(found.collection)) == 12
    elsewhere.store.close()


def test_an_export_has_the_collection_as_it_was_frozen(annotation: Annotation, frozen: Version, tmp_path: Path) -> None:
    annotation.import_rows([{"prompt": "p", "first": "a", "second": "b", "gold": "first"}], into=frozen.collection)
    later = annotation.freeze(frozen.collection, Derivation(least_votes=2))  # with a gold pair that nobody has judged
    annotation.change(frozen.collection, name="another name", overlap=5)
    about = json.loads((annotation.export(later.id, tmp_path / "out") / "version.json").read_text("utf-8"))
    assert (about["collection"]["name"], about["collection"]["settings"]["overlap"]) == ("sums", 2)
    assert "Wanted were 2 judgement(s)" in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert len(read_rows(tmp_path / "out" / "pairs.jsonl").rows) == 13


def test_raw_judgements_and_the_card_are_there(annotation: Annotation, frozen: Version, tmp_path: Path) -> None:
    collection = frozen.collection
    annotation.change(collection, overlap=3)
    pair = given(annotation, CHEN, collection)[0]
    says(annotation, CHEN, collection, pair, place_of(pair))  # after the freeze: not in it
    folder = annotation.export(frozen.id, tmp_path / "out")
    events = read_rows(folder / "judgements.jsonl").rows
    assert len(events) == 24 and {event["annotator"] for event in events} == {"u-anna", "u-ben"}
    card = (folder / "README.md").read_text("utf-8")
    assert card.startswith("---\nconfigs:") and frozen.content_hash in card and "10 preferences" in card
    assert (
        "| tie | 1 |" in card and "Anna" not in card and "Anna" not in (folder / "judgements.jsonl").read_text("utf-8")
    )


def test_what_cannot_be_imported(annotation: Annotation, frozen: Version, tmp_path: Path) -> None:
    folder = annotation.export(frozen.id, tmp_path / "out")
    with pytest.raises(InputError) as caught:
        annotation.export(frozen.id, folder)
    assert caught.value.key == "export_not_empty"
    before = annotation.collections()
    changes = {
        "export_changed": ("judgements.jsonl", lambda text: text.replace('"choice": "second"', '"choice": "first"')),
        "export_broken": ("judgements.jsonl", lambda text: text.replace('"choice": "tie"', '"choice": "left"')),
        "export_no_folder": ("version.json", lambda text: text.replace('"format": 1', '"format": 2')),
    }
    for key, (name, change) in changes.items():
        broken = tmp_path / key
        shutil.copytree(folder, broken)
        (broken / name).write_text(change((broken / name).read_text("utf-8")), "utf-8")
        with pytest.raises(InputError) as caught:
            annotation.import_export(broken)
        assert caught.value.key == key
    with pytest.raises(InputError):
        annotation.import_export(tmp_path / "nowhere")
    assert annotation.collections() == before


# ---- as data of a recipe


@pytest.mark.parametrize("algorithm", ["rm", "dpo", "ppo"])
def test_a_recipe_trains_on_a_version(annotation: Annotation, frozen: Version, algorithm: str) -> None:
    recipe = parse(
        {
            "algorithm": algorithm,
            "dataset": frozen.dataset,
            **({"rules": [{"name": "integer_answer"}]} if algorithm == "ppo" else {}),
        }
    )
    shutil.rmtree(annotation.store.home / "exports" / frozen.id)
    assert check(recipe, annotation.store) == frozen.content_hash  # the file is written again
    found = datasets.load(recipe, annotation.store.home)
    rows = annotation.rows(frozen.id)
    prompts = {row["prompt"] for row in [*found.train, *found.held_out, *found.held_out_pairs]}
    everything = {row["prompt"] for row in rows}
    assert prompts == everything or (algorithm == "ppo" and prompts == everything - _held_out(everything))


def _held_out(prompts: set[str]) -> set[str]:
    """PPO trains on none of the held-out tenth, and measures on those of it that have an answer: preferences have none."""
    return {prompt for prompt in prompts if datasets._is_held_out(prompt)}


def test_a_version_that_was_changed_or_is_not_there(annotation: Annotation, frozen: Version) -> None:
    home = annotation.store.home
    path = home / "exports" / frozen.id / "preferences.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[1:]), "utf-8")
    with pytest.raises(DatasetError) as caught:
        datasets.load(parse({"algorithm": "rm", "dataset": frozen.dataset}), home)
    assert caught.value.key == "version_changed"
    for missing in ("version:20260101-000000-aaaa", "version:../../x", "version:"):
        with pytest.raises(DatasetError) as caught:
            datasets.load(parse({"algorithm": "rm", "dataset": missing}), home)
        assert caught.value.key == "version_missing"


# ---- to the Hub


def test_push(annotation: Annotation, frozen: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        assert annotation.push(frozen.id, "me/sums", token=TOKEN) == f"{hub.url}/datasets/me/sums"
        assert hub.repositories == {"me/sums": True}
        folder = annotation.store.home / "exports" / frozen.id
        sent = hub.uploaded["me/sums"]
        assert set(sent) >= {
            "README.md",
            "preferences.jsonl",
            "preferences.parquet",
            "judgements.jsonl",
            "version.json",
        }
        assert sent["preferences.jsonl"] == (folder / "preferences.jsonl").read_bytes()
        assert json.loads(sent["version.json"])["content_hash"] == frozen.content_hash
        with pytest.raises(MachineError) as caught:
            annotation.push(frozen.id, "me/sums", token="hf_wrong")
        assert caught.value.key == "hub_push_refused" and "hf_wrong" not in str(caught.value)


def test_push_without_a_connection(annotation: Annotation, frozen: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(MachineError) as caught:
        annotation.push(frozen.id, "me/sums", token=TOKEN)
    assert caught.value.key == "hub_push_unreachable" and TOKEN not in str(caught.value)
    with pytest.raises(MachineError) as caught:
        annotation.push(frozen.id, "no such/name/at all", token=TOKEN)
    assert caught.value.key == "hub_push_refused"


def test_push_without_a_token(annotation: Annotation, frozen: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(InputError) as caught:
        annotation.push(frozen.id, "me/sums")
    assert caught.value.key == "hub_no_token"


def test_an_undone_judgement_is_in_the_record_and_not_in_the_data(annotation: Annotation, tmp_path: Path) -> None:
    collection = sums(annotation, 2)
    one, other = given(annotation, ANNA, collection, 2)
    says(annotation, ANNA, collection, one, place_of(one))
    says(annotation, ANNA, collection, other, place_of(other))
    annotation.undo(ANNA, uuid4(), UUID(one["shown"])).result()
    version = annotation.freeze(collection)
    assert version.counts == {WhyNotDerived.NOT_JUDGED: 1}
    folder = annotation.export(version.id, tmp_path / "out")
    assert [row["kind"] for row in read_rows(folder / "judgements.jsonl").rows] == ["judgement", "judgement", "undo"]
    assert annotation.import_export(folder).version.content_hash == version.content_hash


def test_a_judgement_that_is_not_blind_comes_back_as_one(annotation: Annotation, tmp_path: Path) -> None:
    collection = sums(annotation, 2)
    one, other = given(annotation, ANNA, collection, 2)
    says(annotation, ANNA, collection, one, place_of(one))
    says(annotation, ANNA, collection, other, place_of(other), revealed=True)
    version = annotation.freeze(collection)
    assert version.counts == {WhyNotDerived.NOT_BLIND: 1}
    folder = annotation.export(version.id, tmp_path / "out")
    assert [row["revealed"] for row in read_rows(folder / "judgements.jsonl").rows] == [False, True]
    assert "after the sources were shown (1) are none either" in (folder / "README.md").read_text("utf-8")
    found = annotation.import_export(folder).version
    assert found.left_out == version.left_out and annotation.quality(found.collection).revealed == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "adjudication"},  # it says where the response stood
        {"kind": "adjudication", "left": None, "seconds": None, "choice": "skip"},
        {"kind": "adjudication", "left": None, "seconds": None, "choice": None},
        {"kind": "undo", "left": None, "seconds": None},  # with a choice
        {"kind": "reveal"},
        {"revealed": "sometimes"},
    ],
)
def test_an_event_says_what_its_kind_says(
    annotation: Annotation, frozen: Version, tmp_path: Path, changes: dict[str, object]
) -> None:
    folder = annotation.export(frozen.id, tmp_path / "out")
    path = folder / "judgements.jsonl"
    first, *others = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | changes), *others]) + "\n", "utf-8")
    with pytest.raises(InputError) as caught:
        annotation.import_export(folder)
    assert caught.value.key == "export_broken"


def test_an_export_of_an_older_lab_is_taken_in(annotation: Annotation, frozen: Version, tmp_path: Path) -> None:
    """Its events know nothing of revealed sources, its rule nothing of adjudications."""
    folder = annotation.export(frozen.id, tmp_path / "out")
    path = folder / "judgements.jsonl"
    told = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in row.items() if k != "revealed"}) + "\n" for row in told))
    about = json.loads((folder / "version.json").read_text("utf-8"))
    about["rule"] = {name: about["rule"][name] for name in ("least_votes", "least_agreement", "use_edits")}
    (folder / "version.json").write_text(json.dumps(about), "utf-8")
    assert annotation.import_export(folder).version.content_hash == frozen.content_hash


def test_two_exports_of_one_collection_share_events_and_each_stands_by_itself(
    annotation: Annotation, tmp_path: Path
) -> None:
    """The second one's events find their ids taken; its undos must follow their judgements to the new ones."""
    collection = sums(annotation, 3)
    one, other, third = given(annotation, ANNA, collection, 3)
    says(annotation, ANNA, collection, one, place_of(one))
    first = annotation.freeze(collection)
    says(annotation, ANNA, collection, other, place_of(other))
    annotation.undo(ANNA, uuid4(), UUID(one["shown"])).result()
    says(annotation, ANNA, collection, third, Choice.TIE)
    second = annotation.freeze(collection)
    elsewhere = Annotation(Store(tmp_path / "another home", allow_unsafe_disk=True))
    done = [
        elsewhere.import_export(annotation.export(version.id, tmp_path / version.id)) for version in (first, second)
    ]
    assert [one.was_here for one in done] == [False, False] and len(elsewhere.collections()) == 2
    taken = done[1].version.collection
    with annotation.store.reading() as mine, elsewhere.store.reading() as theirs:
        ours = [(judged.pair_id, judged.choice) for judged in current_judgements(mine, collection)]
        assert [(judged.pair_id, judged.choice) for judged in current_judgements(theirs, taken)] == ours
        kept = theirs.execute(select(current_table).where(current_table.c.collection == taken)).all()
        ids = {row.id: row.supersedes for row in events(theirs, taken)}
    assert {(row.pair, row.choice) for row in kept} == {(pair, choice.value) for pair, choice in ours}
    assert {row.judgement for row in kept} <= set(ids)
    assert {target for target in ids.values() if target is not None} <= set(ids)  # no undo points out of its collection
    assert elsewhere.import_export(tmp_path / second.id).was_here
    elsewhere.store.close()


def test_the_card_stays_as_it_was_frozen(annotation: Annotation, frozen: Version, tmp_path: Path) -> None:
    before = (annotation.export(frozen.id, tmp_path / "before") / "README.md").read_text("utf-8")
    assert "| judgements (annotators) | 24 (2) |" in before
    annotation.change(frozen.collection, overlap=3)
    for pair in given(annotation, CHEN, frozen.collection, 12):
        says(annotation, CHEN, frozen.collection, pair, place_of(pair, right=False), edited="changed later")
    assert (annotation.export(frozen.id, tmp_path / "after") / "README.md").read_text("utf-8") == before


def test_what_becomes_of_edits_stands_on_the_card(annotation: Annotation, frozen: Version, tmp_path: Path) -> None:
    assert annotation.edits(frozen.id) == {EditFate.USED: 1}
    card = (annotation.export(frozen.id, tmp_path / "used") / "README.md").read_text("utf-8")
    assert "Edits are used: 1 edited response(s) stand as the chosen text." in card
    without = annotation.freeze(frozen.collection, Derivation(least_votes=2))
    assert annotation.edits(without.id) == {EditFate.NOT_BY_RULE: 1}
    card = (annotation.export(without.id, tmp_path / "not") / "README.md").read_text("utf-8")
    assert "Edits are not used: 1 edited response(s) are left out" in card


def test_an_export_whose_rule_knew_no_overlap_is_taken_in(annotation: Annotation, tmp_path: Path) -> None:
    """An older lab left a pair out that was judged once too often; its export still is what it says."""
    collection = sums(annotation, 2, overlap=2)
    for person in (ANNA, BEN):
        for pair in given(annotation, person, collection, 2):
            says(
                annotation, person, collection, pair, place_of(pair, right=person is ANNA or "0 + 1" in pair["prompt"])
            )
    version = annotation.freeze(collection)
    assert version.counts == {WhyNotDerived.NO_MAJORITY: 1}
    folder = annotation.export(version.id, tmp_path / "out")
    about = json.loads((folder / "version.json").read_text("utf-8"))
    about["collection"]["settings"]["overlap"] = 1
    (folder / "version.json").write_text(json.dumps(about), "utf-8")
    elsewhere = Annotation(Store(tmp_path / "another home", allow_unsafe_disk=True))
    found = elsewhere.import_export(folder).version
    assert (found.content_hash, found.counts) == (version.content_hash, version.counts)
    elsewhere.store.close()

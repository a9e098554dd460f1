"""An export that comes back by upload: picked files or one zip give the same data, and whatever else comes is refused, with nothing written."""

from __future__ import annotations

import bz2
import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.annotation.collections import Annotation
from lab.annotation.versions import upload
from lab.annotation.versions.importing import NEEDED, read_export
from lab.errors import InputError, LabError
from lab.store.runs import Store
from lab.words import LOCALES, word
from tests.annotation.annotating import ANNA, BEN, given, place_of, says, sums

Zip = Callable[..., Path]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are made; nothing may be left in it."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Annotation]:
    """Another lab."""
    store = Store(tmp_path / "another home", allow_unsafe_disk=True)
    yield Annotation(store)
    store.close()


@pytest.fixture
def folder(annotation: Annotation, tmp_path: Path) -> Path:
    """An export: two people, an edit, a reason, a strength, and the first judgement judged once more."""
    collection = sums(annotation, 4, overlap=2, gold=1)
    for person in (ANNA, BEN):
        for number, pair in enumerate(given(annotation, person, collection, 4)):
            edited = "改过的回答" if number == 1 else None
            says(
                annotation,
                person,
                collection,
                pair,
                place_of(pair),
                strength=2,
                reason="对",
                seconds=3.5,
                edited=edited,
            )
    return annotation.export(annotation.freeze(collection, name="四个和").id, tmp_path / "sums")


@pytest.fixture
def zipped(folder: Path, tmp_path: Path) -> Zip:
    """Makes a zip of the export's files under a folder, with changes: other content by name, or more members."""

    def made(inside: str = "sums/", more: dict[str | zipfile.ZipInfo, bytes] | None = None, **options: Any) -> Path:
        path = tmp_path / "given.zip"
        with zipfile.ZipFile(path, "w", **{"compression": zipfile.ZIP_DEFLATED, **options}) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, inside + file.name)
            for name, content in (more or {}).items():
                archive.writestr(name, content)
        return path

    return made


def refused(lab: Annotation, *files: Path) -> InputError:
    """How the upload is refused: alike by preview and import, in one sentence in each language, with nothing stored."""
    raised = []
    for door in (lab.preview_upload, lab.import_upload):
        with pytest.raises(LabError) as caught:
            door(files)
        raised.append(caught.value)
    assert raised[0].as_dict() == raised[1].as_dict()
    for locale in LOCALES:
        sentence = word(raised[0], locale)
        assert sentence and "\n" not in sentence and "{" not in sentence
    assert lab.collections() == [] and lab.versions() == []
    return raised[0]


# ---- what is taken


def test_picked_files_and_zips_of_any_shape_give_the_same_data(
    annotation: Annotation, elsewhere: Annotation, folder: Path, zipped: Zip, tmp_path: Path
) -> None:
    (frozen,) = annotation.versions()
    picked = tmp_path / "downloads"
    picked.mkdir()
    for number, file in enumerate(sorted(folder.iterdir())):
        again = ("", " (1)", "(2)", "-3", " 4")[number % 5]  # as browsers name what is there already
        shutil.copyfile(file, picked / f"{file.stem}{again}{file.suffix}")
    flat, beside = "", {"__MACOSX/sums/._version.json": b"?", "sums/.DS_Store": b"?"}
    ways: list[Callable[[], list[Path]]] = [
        lambda: sorted(picked.iterdir()),
        lambda: [folder / name for name in NEEDED],
        lambda: [zipped()],
        lambda: [zipped(flat, compression=zipfile.ZIP_STORED)],
        lambda: [zipped(more=beside)],
    ]
    for number, way in enumerate(ways):
        seen, same = elsewhere.preview_upload(way())
        assert (seen.name, seen.collection, len(seen.pairs), seen.annotators) == ("四个和", "sums", 4, 2)
        assert len(seen.derived.preferences) == frozen.preferences and len(same) == number
        found = elsewhere.import_upload(way())
        assert (found.content_hash, found.rule, found.left_out) == (frozen.content_hash, frozen.rule, frozen.left_out)
        assert elsewhere.pairs(found.collection) == annotation.pairs(frozen.collection)
    assert elsewhere.version(frozen.id).name == "四个和"
    back = elsewhere.export(frozen.id, tmp_path / "back")
    for name in ("preferences.jsonl", "pairs.jsonl", "judgements.jsonl"):
        assert (back / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_pair_with_an_empty_response_comes_back_too(
    annotation: Annotation, elsewhere: Annotation, tmp_path: Path
) -> None:
    """A file of pairs may hold none; a model may well have written nothing."""
    from lab.annotation.adjudication import adjudicate
    from lab.annotation.pairs import add_pairs
    from lab.core.preferences import Choice, Response, make_pair

    collection = annotation.create("empty").id
    pair = make_pair("Say nothing.", Response(text="", source=" run:a "), Response(text="Something", source=None))
    annotation.store.writing(lambda connection: add_pairs(connection, collection, 0, [pair]))
    adjudicate(annotation.store, ANNA, collection, pair.id, Choice.SECOND)
    folder = annotation.export(annotation.freeze(collection).id, tmp_path / "out")
    assert elsewhere.pairs(elsewhere.import_export(folder).collection) == [pair]


# ---- what is refused


def test_a_zip_that_would_write_elsewhere(elsewhere: Annotation, zipped: Zip, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("sums/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for evil in ("../evil.json", "sums/../../evil.json", "/etc/evil.json", "C:/evil.json", "sums\\..\\evil.json", link):
        error = refused(elsewhere, zipped(more={evil: b"/etc/passwd"}))
        assert error.key == "export_zip_path"
    assert list(tmp_path.rglob("*evil*")) == []


def test_a_zip_that_is_too_much(
    elsewhere: Annotation, folder: Path, zipped: Zip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused(elsewhere, zipped(more={f"sums/{n}": b"" for n in range(200)})).key == "export_too_many_files"
    assert refused(elsewhere, *[folder / "version.json"] * 101).key == "export_too_many_files"
    crowd = zipped(more={f"sums/{n:0120}": b"" for n in range(7000)})  # its list alone is over a megabyte
    assert refused(elsewhere, crowd).key == "export_zip_broken"
    bomb = zipped(more={"sums/more.bin": b"\0" * 60_000_000})
    assert bomb.stat().st_size < 100_000
    monkeypatch.setattr(upload, "MOST_UNPACKED_BYTES", 50_000_000)
    assert refused(elsewhere, bomb).key == "export_zip_too_large"


def test_a_zip_that_lies_about_a_size(elsewhere: Annotation, zipped: Zip) -> None:
    """It gives no more than it declares, and then its checksum is wrong."""
    path = zipped()
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("sums/pairs.jsonl").file_size
    content = path.read_bytes()
    assert content.count(size.to_bytes(4, "little")) == 2
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little")))
    assert refused(elsewhere, path).key == "export_zip_broken"


def test_a_zip_that_is_none_or_of_another_kind(
    elsewhere: Annotation, folder: Path, zipped: Zip, tmp_path: Path
) -> None:
    path = zipped()
    whole = path.read_bytes()
    at = whole.index(b"sums/pairs.jsonl") + 60
    spoilt = whole[:at] + b"?" * 50 + whole[at + 50 :]
    for broken in (b"", b"PK", whole[: len(whole) // 2], spoilt, bz2.compress(b"pairs")):
        path.write_bytes(broken)
        assert refused(elsewhere, path).key == "export_zip_broken"
    for kind in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert refused(elsewhere, zipped(compression=kind)).key == "export_zip_kind"
    path = zipped()
    encrypted = bytearray(path.read_bytes())
    at = encrypted.index(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    path.write_bytes(encrypted)
    assert refused(elsewhere, path).key == "export_zip_kind"


def test_files_that_are_not_those_of_one_export(
    elsewhere: Annotation, folder: Path, zipped: Zip, tmp_path: Path
) -> None:
    assert refused(elsewhere, folder / "version.json", folder / "README.md").key == "export_incomplete"
    assert refused(elsewhere, folder / "preferences.jsonl").params["missing"] == ", ".join(NEEDED)
    assert refused(elsewhere, zipped(), folder / "version.json").key == "export_zip_and_more"
    assert refused(elsewhere, zipped(more={"other/version.json": b"{}"})).key == "export_twice"
    again = tmp_path / "version (1).json"
    shutil.copyfile(folder / "version.json", again)
    assert refused(elsewhere, *folder.iterdir(), again).key == "export_twice"


def changed(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the first row of a file of an export."""
    first, *rest = (
        (folder / name).read_text("utf-8").split("\n") if name != "version.json" else [(folder / name).read_text()]
    )
    row = json.loads(first)
    change(row)
    (folder / name).write_text("\n".join([json.dumps(row), *rest]), "utf-8")


NONSENSE = (None, True, -1, 1e400, float("nan"), 2**70, "", "x" * 300_000, "\ud800", "NaN", [], {}, [{}], {"a": 1})


@pytest.mark.parametrize("name", NEEDED)
def test_nonsense_in_any_place_is_refused_or_harmless(folder: Path, name: str, tmp_path: Path) -> None:
    """Whatever stands in a field, it is refused with a sentence, or makes no difference to the data."""
    was = read_export(folder)
    text = (folder / name).read_text("utf-8")
    fields = json.loads(text if name == "version.json" else text.split("\n")[0])
    outcomes = set()
    for field in fields:
        for value in (*NONSENSE, "gone"):
            changed(folder, name, lambda row, field=field, value=value: put(row, field, value))
            try:
                found = read_export(folder)
                outcomes.add("taken")
                assert found.content_hash == was.content_hash
                json.dumps([event.model_dump(mode="json") for event in found.events], allow_nan=False).encode()
            except LabError as error:
                outcomes.add(error.key)
                assert "\n" not in word(error, "en") and len(word(error, "zh")) < 1000
            (folder / name).write_text(text, "utf-8")
    assert "export_broken" in outcomes or name == "version.json"
    assert {"export_no_folder", "export_changed"} <= outcomes or name != "version.json"


def put(row: dict[str, Any], field: str, value: Any) -> None:
    if value == "gone":
        del row[field]
    else:
        row[field] = value


def test_rows_that_do_not_belong_together(elsewhere: Annotation, folder: Path, tmp_path: Path) -> None:
    one, other = (folder / "judgements.jsonl").read_text("utf-8").split("\n")[:2]
    broken = {
        "the same event twice": ("judgements.jsonl", f"{one}\n{other}\n{one}\n"),
        "no such pair": ("judgements.jsonl", one.replace(json.loads(one)["pair_id"], "0" * 20)),
        "no row": ("judgements.jsonl", f"{one}\n7\n"),
        "another pair under its id": (
            "pairs.jsonl",
            (folder / "pairs.jsonl").read_text("utf-8").replace("It is", "It was"),
        ),
        "brackets": ("version.json", "[" * 100_000),
    }
    for what, (name, text) in broken.items():
        bad = tmp_path / what
        shutil.copytree(folder, bad)
        (bad / name).write_text(text, "utf-8")
        wanted = "export_no_folder" if name == "version.json" else "export_broken"
        assert refused(elsewhere, *sorted(bad.iterdir())).key == wanted, what

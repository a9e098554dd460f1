"""Files that people bring, in a real browser: seen before they are taken, columns guessed and chosen, choices kept as judgements, cancelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lab.core.preferences import Choice
from lab.store.uploads import Uploads
from tests.annotation.annotating import stored
from tests.e2e.conftest import serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
WORDS = {
    "en-US": {"tab": "Annotate", "part": "Collections", "train": "Train", "guess": "so this is a guess", "cancelled": "was cancelled"},
    "zh-CN": {"tab": "标注", "part": "数据集", "train": "训练", "guess": "以下为推测", "cancelled": "已取消读取"},
}  # fmt: skip


def written(folder: Path, rows: list[dict[str, Any]], name: str) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def at_files(page: Page, locale: str) -> Page:
    """The form for a file of pairs."""
    page.get_by_role("tab", name=WORDS[locale]["tab"], exact=True).click()
    page.locator("#annotate-tabs").get_by_role("tab", name=WORDS[locale]["part"], exact=True).click()
    expect(page.locator("#pairs-file")).to_be_visible()
    return page


def slowed(page: Page) -> None:
    """A browser that works six times slower: what the server yields then arrives together."""
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})


def give(page: Page, place: str, path: Path) -> None:
    page.locator(f"{place} input[type=file]").set_input_files(path)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_columns_of_other_names_are_guessed_and_chosen(visit, annotation, tmp_path, locale):
    rows = [{"ask": f"{n} + 1", "best": f"{n + 1}", "worst": f"{n}", "topic": "x"} for n in range(5)]
    page = at_files(visit(locale=locale), locale)
    slowed(page)
    give(page, "#pairs-file", written(tmp_path, rows, f"mine-{locale}.jsonl"))
    shown = page.locator("#pairs-preview")
    expect(shown).to_contain_text(WORDS[locale]["guess"])
    expect(shown).to_contain_text("ask")
    expect(shown.locator(".one-pair").first).to_contain_text("0 + 1")
    expect(page.locator("#map-prompt input")).to_have_value("ask")
    assert serious_findings(page, "#pairs-preview") == []
    page.locator("#add-pairs-button").click()
    expect(page.locator("#add-message")).to_contain_text(f"mine-{locale}")
    (collection,) = [one for one in annotation.collections() if one.name == f"mine-{locale}"]
    assert collection.pairs == 5
    assert {pair.prompt for pair in annotation.pairs(collection.id)} == {row["ask"] for row in rows}


def test_winners_become_judgements_of_a_named_annotator(visit, annotation, tmp_path):
    rows = [
        {"prompt": f"{n}?", "response_a": f"yes {n}", "response_b": f"no {n}", "winner": "model_a"} for n in range(4)
    ]
    page = at_files(visit(), "en-US")
    page.locator("#pairs-known").get_by_text("judgements: keep what it says").click()
    page.locator("#pairs-voter").locator("input, textarea").fill("the arena")
    give(page, "#pairs-file", written(tmp_path, rows, "arena.jsonl"))
    expect(page.locator("#pairs-preview")).to_contain_text("4 judgements of the file")
    page.locator("#add-pairs-button").click()
    expect(page.locator("#add-message")).to_contain_text("4 judgements of the file stand with them")
    (collection,) = [one for one in annotation.collections() if one.name == "arena"]
    assert (collection.judgements, collection.annotators) == (4, 1)
    chosen = {
        pair.id: pair.response(Choice(event.choice)).text
        for event in stored(annotation)
        for pair in annotation.pairs(collection.id)
        if pair.id == event.pair
    }
    assert set(chosen.values()) == {f"yes {n}" for n in range(4)}
    page.locator("#annotate-tabs").get_by_role("tab", name="Quality", exact=True).click()
    expect(page.get_by_text("the arena (imported)").first).to_be_visible()


def test_a_large_file_shows_how_far_it_is_and_is_cancelled(visit, annotation, tmp_path):
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for n in range(60_000):
            file.write(json.dumps({"prompt": f"{n} " + "x" * 120, "chosen": "a" * 40, "rejected": "b" * 40}) + "\n")
    before = len(annotation.collections())
    page = at_files(visit(), "en-US")
    give(page, "#pairs-file", path)
    shown = page.locator("#pairs-preview")
    expect(shown.locator("progress[value]")).to_be_visible()
    expect(shown).to_contain_text("% of the file")
    page.locator("#reading-cancel").click()
    expect(shown).to_contain_text("was cancelled")
    expect(page.locator("#reading-cancel")).to_be_hidden()
    assert len(annotation.collections()) == before


def test_an_exported_version_is_led_to_its_own_form(visit, annotation, tmp_path):
    path = written(tmp_path, [{"pair_id": "p", "kind": "undo", "annotator": "a", "choice": None, "left": None}], "judgements.jsonl")  # fmt: skip
    page = at_files(visit(), "en-US")
    give(page, "#pairs-file", path)
    expect(page.locator("#pairs-preview")).to_contain_text("is an exported version")
    page.locator("#as-export").click()
    expect(page.locator("#way-export")).to_be_visible()
    expect(page.locator("#export-preview")).to_contain_text("version.json")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_file_to_train_on_is_looked_at_kept_and_offered(visit, store, tmp_path, locale):
    rows = [{"ask": f"{n} + 1", "reply": f"It is {n + 1}.", "topic": "x"} for n in range(5)]
    page = visit(locale=locale, width=1440 if locale == "en-US" else 390)
    page.get_by_role("tab", name=WORDS[locale]["train"], exact=True).click()
    page.locator("#upload > button").click()
    expect(page.locator("#upload-file input[type=file]")).to_be_attached()
    slowed(page)
    give(page, "#upload-file", written(tmp_path, rows, f"{locale}.jsonl"))
    shown = page.locator("#upload-preview")
    expect(shown.locator(".one-pair")).to_have_count(3)
    expect(shown).to_contain_text("It is 1.")
    expect(page.locator("#upload-column-1 input")).to_have_value("reply")
    assert serious_findings(page, "#upload-preview", "#upload-keep") == []
    page.locator("#upload-name").locator("input, textarea").fill(f"sums {locale}")
    page.locator("#upload-keep").click()
    expect(page.locator("#upload-message")).to_contain_text(f"sums {locale}")
    (kept,) = [one for one in Uploads(store).all() if one.name == f"sums {locale}"]
    assert (kept.columns, kept.rows) == ({"prompt": "ask", "completion": "reply"}, 5)
    page.locator("#upload-delete").click()
    expect(page.locator("#upload-message")).to_contain_text("deleted" if locale == "en-US" else "已删除")
    assert kept not in Uploads(store).all()

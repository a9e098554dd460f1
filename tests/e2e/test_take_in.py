"""An exported version comes back by upload, in a real browser: seen, then taken in, with the same content; a bad file is refused."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lab.annotation.collections import Annotation
from lab.annotation.versions.freeze import Version
from lab.store.runs import Store
from tests.annotation.annotating import ANNA, judge_all, sums
from tests.e2e.conftest import serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
WORDS = {"en-US": ("Annotate", "Collections", "An exported version"), "zh-CN": ("标注", "数据集", "导出的版本")}


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Version, Path]:
    """A version of another lab, and the folder that it was exported into."""
    home = tmp_path_factory.mktemp("another")
    store = Store(home / "home", allow_unsafe_disk=True)
    annotation = Annotation(store)
    collection = sums(annotation, 5)
    judge_all(annotation, ANNA, collection)
    version = annotation.freeze(collection, name="五个和 <b>")
    folder = annotation.export(version.id, home / "sums")
    store.close()
    return version, folder


def opened(page: Page, locale: str) -> Page:
    """The form for an exported version."""
    tab, part, way = WORDS[locale]
    page.get_by_role("tab", name=tab, exact=True).click()
    page.locator("#annotate-tabs").get_by_role("tab", name=part, exact=True).click()
    page.locator("#pairs-from").get_by_text(way, exact=True).click()
    expect(page.locator("#pairs-where")).to_be_hidden()
    expect(page.locator("#take-in-button")).to_be_disabled()
    return page


def give(page: Page, *files: Path) -> None:
    page.locator("#export-files input[type=file]").set_input_files(list(files))


def test_files_then_a_zip_come_back_with_the_same_content(visit, annotation, frozen, tmp_path):
    version, folder = frozen
    page = opened(visit(), "en-US")
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("../../evil.json", "{}")
    give(page, evil)
    expect(page.locator("#export-preview").get_by_role("alert")).to_contain_text("leads out of its folder")
    expect(page.locator("#take-in-button")).to_be_disabled()
    assert annotation.collections() == []

    page.locator("#export-files").get_by_role("button", name="Clear").click()
    expect(page.locator("#export-preview")).to_be_empty()
    give(page, *sorted(folder.iterdir()))
    expect(page.locator("#export-preview")).to_contain_text("“五个和 <b>”: 5 preferences, majority of at least 1")
    expect(page.locator("#export-preview")).to_contain_text("5 pairs, 5 judgements and undos, annotators: 1")
    expect(page.locator("#take-in-button")).to_have_css("opacity", "1")  # it fades in once it can be pressed
    assert serious_findings(page, "#export-preview", "#take-in-button") == []  # the upload itself is Gradio's
    page.locator("#take-in-button").click()
    expect(page.locator("#take-in-message")).to_contain_text("is in: 5 preferences")
    expect(page.locator("#collection-list")).to_contain_text("sums")
    (found,) = annotation.versions()
    assert (found.id, found.content_hash, found.name) == (version.id, version.content_hash, version.name)

    page = opened(visit(locale="zh-CN", width=390, height=844), "zh-CN")
    give(page, Path(shutil.make_archive(str(tmp_path / "sums"), "zip", folder.parent, folder.name)))
    expect(page.locator("#export-preview")).to_contain_text("本实验室已有相同的数据")
    page.locator("#take-in-button").click()
    expect(page.locator("#take-in-message")).to_contain_text("已导入：5 条偏好")
    assert [one.content_hash for one in annotation.versions()] == [version.content_hash] * 2
    assert len(annotation.collections()) == 2

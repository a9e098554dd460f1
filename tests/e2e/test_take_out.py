"""Taking a run out on its panel, in a real browser: asked for, waited for through a reload, downloaded; a script likewise."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

import pytest
from playwright.sync_api import Page, expect

from lab.core.recipes import with_values
from lab.store.models import SHIPPED
from lab.store.presets import load_preset
from lab.store.runs import Run, RunState, Store
from tests.e2e.conftest import serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.train, pytest.mark.timeout(900)]
ENVIRONMENT = {"LAB_SPARE_WORKER": "1"}
WRITING = 600_000  # milliseconds: a worker, and a process that loads what it wrote


@pytest.fixture
def run(store: Store) -> Run:
    """A finished run whose model is the shipped one, as full training of no effect would leave it."""
    recipe = with_values(load_preset("tiny/sft").recipe, {"steps": 2, "training": "full"})
    run = store.create_run(recipe)
    store.change(run.id, state=RunState.FINISHED, started=run.created, ended=run.created)
    folder = store.folder(run.id)
    shutil.copytree(SHIPPED["tiny"], folder.model_path)
    lines = [{"step": step, "time": 0, "seconds": 1, "loss": 1.0 / step} for step in (1, 2)]
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder.write("result.json", {"state": "finished", "error": None, "before": None, "after": None, "steps": 2})
    return run


def opened(page: Page) -> Page:
    page.get_by_role("tab", name="Train", exact=True).click()
    page.locator("#take-out").click()
    expect(page.locator("#leave")).to_be_visible()
    return page


def downloaded(page: Page) -> tarfile.TarFile:
    link = page.locator("#out-told a")
    expect(link).to_be_visible(timeout=WRITING)
    answer = page.request.get(f"{page.url.split('?')[0].rstrip('/')}/{link.get_attribute('href')}")
    assert answer.status == 200
    return tarfile.open(fileobj=io.BytesIO(answer.body()))


def test_a_model_and_a_script_leave_through_the_page(visit, run):
    page = opened(visit())
    for width in (1440, 1024, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert serious_findings(page, "#leave") == []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator("#out-merge input").check()
    page.locator("#out-write").click()
    expect(page.locator("#out-cancel")).to_be_visible()
    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#leave")).to_be_hidden()
    expect(page.locator("#out-cancel")).to_be_visible()
    names = [each.name.split("/", 1)[1] for each in downloaded(page).getmembers()]
    assert {"model.safetensors", "README.md", "check.py", "Modelfile", "generation_config.json"} <= set(names)
    expect(page.locator("#out-told")).to_contain_text(f"python -m lab out {run.id} DIR --merge")
    expect(page.locator("#out-cancel")).to_be_hidden()
    expect(page.locator("#out-told")).to_contain_text("6 of 6 answers are the same")
    page.locator("#take-out").click()
    page.locator("#out-eject").click()
    expect(page.locator("#out-told")).to_contain_text("train.py", timeout=WRITING)
    script = downloaded(page).extractfile(f"{run.id}-eject/train.py")
    assert script is not None and b"SFTTrainer" in script.read()


def test_in_chinese_and_dark(visit, run):
    page = visit(locale="zh-CN", color_scheme="dark")
    page.get_by_role("tab", name="训练", exact=True).click()
    page.locator("#take-out").click()
    expect(page.locator("#leave")).to_contain_text("写出训练脚本")
    assert serious_findings(page, "#leave") == []

"""The button of the Groups tab that takes in another tool's rollouts: trl's real files; and a broken file's one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
FILES = Path(__file__).parents[1] / "data" / "files" / "rollouts"


def test_a_broken_file_is_told_and_trls_files_open_as_groups(visit, tmp_path: Path) -> None:
    page = visit()
    page.get_by_role("tab", name="Groups").click()
    broken = tmp_path / "1.jsonl"
    broken.write_text('{"input": "p", "output": "x", "step": 1}\n', "utf-8")
    upload = page.locator("#groups-take-in input[type=file]")
    upload.set_input_files(str(broken))
    expect(page.locator("#groups-taken-in")).to_contain_text("missing: score")
    upload.set_input_files([str(path) for path in sorted(FILES.glob("*.parquet"))])
    expect(page.locator("#groups-taken-in")).to_contain_text("4 groups, 16 completions")
    inspector = page.get_by_test_id("group-inspector")
    expect(inspector).to_have_attribute("data-step", "2")
    expect(page.get_by_test_id("completion-card")).to_have_count(4)
    page.get_by_test_id("threshold").locator("input[value=above_mean]").check(force=True)
    dropped = page.locator("[data-testid=completion-card][data-kept=false]")
    expect(dropped.first).to_be_visible()
    assert serious_findings(page, "#groups-take-in", "#groups-taken-in") == []

"""What is compared as a file: who may have it, what stands in it, and what is refused."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from lab.compare.recorded import RecordedStudy, recorded_studies
from lab.compare.tables import course_tables
from lab.core.access import Access
from lab.core.recipes import GrpoRecipe
from lab.store.runs import RunState
from tests.compare.made import write_files
from tests.server.conftest import Lab


@pytest.fixture
def runs(lab: Lab) -> list[str]:
    ids = []
    for seed in (1, 2):
        run = lab.store.create_run(GrpoRecipe(name="=cmd", seed=seed, steps=10))
        write_files(lab.store, run, before=0.5, after=0.8, kl=1.0, seconds=9.0)
        lab.store.change(run.id, state=RunState.FINISHED, started=1.0, ended=10.0)
        ids.append(run.id)
    return ids


def test_a_csv_has_a_line_a_run_and_no_formula(lab: Lab, runs: list[str]) -> None:
    answer = lab.client().get("/api/compare/csv", params={"of": "runs:", "runs": ",".join(runs)})
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["run"] for row in rows] == runs and rows[0]["name"] == "'=cmd"
    assert float(rows[1]["after_pass_at_1"]) == pytest.approx(0.8)


def test_a_page_is_a_download_that_names_no_other_host(lab: Lab, runs: list[str]) -> None:
    answer = lab.client().get("/api/compare/html", params={"of": "runs:", "runs": runs[0]})
    assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
    assert answer.text.lstrip().startswith("<!doctype html>") and "src=" not in answer.text


@pytest.mark.parametrize(
    "params", [{"of": "nothing"}, {"of": "runs:"}, {"of": "runs:", "runs": "../x"}, {"of": "recorded:no/such"}]
)
def test_what_cannot_be_compared_is_refused(lab: Lab, params: dict[str, str]) -> None:
    answer = lab.client().get("/api/compare/html", params=params)
    assert answer.status_code in (404, 409, 422) and "key" in answer.json()["error"]


def told(lab: Lab, **params: str) -> dict[str, Any]:
    answer = lab.client().get("/api/compare/tables", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def texts_of(tables: list[dict[str, Any]], language: str) -> list[str]:
    cells = [cell for table in tables for row in table["rows"] for cell in row["cells"]]
    return [cell[name][language] for cell in cells for name in ("claim", "measured", "detail", "sentence")]


def test_the_tables_are_those_of_compare_and_begin_with_the_recorded_study(lab: Lab) -> None:
    """What the Learn tab shows is what ``course_tables`` makes of the same runs, cell by cell, in both languages."""
    answer = told(lab)
    assert (answer["of"], answer["recorded"]) == ("recorded:tiny/course", True)
    recorded = RecordedStudy(recorded_studies()["tiny/course"])
    tables = course_tables(recorded.compared())
    for language in ("en", "zh"):
        cells = [cell for table in tables for row in table.rows for cell in row.cells]
        made = [
            getattr(cell, name).say(language) for cell in cells for name in ("claim", "measured", "detail", "sentence")
        ]
        assert texts_of(answer["tables"], language) == made and len(made) > 80
    labels = [row["label"]["zh"] for row in answer["tables"][0]["rows"]]
    assert "GRPO · 全部" in labels and [each["of"] for each in answer["offered"]] == ["recorded:tiny/course"]


def test_the_tables_of_chosen_runs(lab: Lab, runs: list[str]) -> None:
    answer = told(lab, of="runs:", runs=",".join(runs))
    assert [run["run"] for run in answer["runs"]][:2] == runs[::-1] and not answer["recorded"], "the newest first"
    assert [[row["algorithm"] for row in table["rows"]] for table in answer["tables"]] == [["grpo"], ["grpo"]]
    assert any("30" in text for text in texts_of(answer["tables"], "en")), "both runs gained 30 points"
    assert told(lab, of="runs:")["tables"] == []


def test_a_study_that_does_not_validate_hides_no_other(lab: Lab, runs: list[str]) -> None:
    (lab.store.home / "studies").mkdir(exist_ok=True)
    (lab.store.home / "studies" / "broken.json").write_text("{")
    assert [each["of"] for each in told(lab)["offered"]] == ["recorded:tiny/course"]


def test_only_who_may_look_gets_them(shared_lab: Lab) -> None:
    assert shared_lab.client(Access.VIEWER).get("/api/compare/tables").status_code == 200
    assert shared_lab.client().get("/api/compare/tables").status_code in (401, 403)

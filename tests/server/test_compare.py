"""What is compared as a file: who may have it, what stands in it, and what is refused."""

from __future__ import annotations

import csv
import io

import pytest

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

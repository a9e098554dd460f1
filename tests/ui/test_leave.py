"""Taking a run out, without a browser: what is being written can be ended, whichever browser asked for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from lab.core.access import USER, Access, User
from lab.core.jobs import Kind, parse_job
from lab.runs.jobs import Jobs
from lab.store.models import SHIPPED
from lab.store.presets import load_preset
from lab.store.runs import RunState, Store
from lab.ui.tabs.train.leave import LeaveLab


@pytest.fixture
def jobs(lab_home: Path) -> Jobs:
    return Jobs(Store(lab_home, allow_unsafe_disk=True))


@pytest.fixture
def leave(jobs: Jobs) -> LeaveLab:
    with gr.Blocks(analytics_enabled=False):
        return LeaveLab(jobs._store, jobs, gr.BrowserState({}), gr.I18n(en={}, zh={}))


def somebody(access: Access) -> Any:
    return SimpleNamespace(scope={USER: User("Lin", access)}, headers={"accept-language": "en"})


def written(jobs: Jobs, kind: Kind = Kind.OUT) -> str:
    store = jobs._store
    run = store.create_run(load_preset("tiny/sft").recipe)
    store.change(run.id, state=RunState.FINISHED)
    shutil.copytree(SHIPPED["tiny"], store.folder(run.id).model_path)
    return jobs.submit(parse_job(kind, {"run": run.id})).id


@pytest.mark.parametrize("kind", [Kind.OUT, Kind.EJECT])
def test_what_is_being_written_can_be_ended_in_a_browser_that_did_not_ask(leave, jobs, kind) -> None:
    job_id = written(jobs, kind)
    updates = leave.looked(somebody(Access.OWNER), {})
    assert updates[leave.cancel]["visible"] and updates[leave.waiting] == {"job": job_id} and updates[leave.told]
    leave.cancelled(updates[leave.waiting])
    assert jobs.job(job_id).state is RunState.STOPPED
    assert not leave.looked(somebody(Access.OWNER), {})[leave.cancel]["visible"]


def test_nobody_else_is_offered_to_end_it(leave, jobs) -> None:
    written(jobs)
    updates = leave.looked(somebody(Access.VIEWER), {})
    assert not updates[leave.cancel]["visible"] and updates[leave.waiting] == {} and updates[leave.told] == ""


def test_closing_the_row_leaves_what_goes_on_in_sight(leave, jobs) -> None:
    waiting = {"job": written(jobs)}
    hidden = leave.hide_leaving(waiting)
    assert hidden[leave.row]["visible"] is False and hidden[leave.told] == gr.skip()
    assert leave.hide_leaving({})[leave.told] == ""


def test_the_button_stands_outside_the_row_that_is_closed(leave) -> None:
    parent = leave.cancel.parent
    while parent is not None:
        assert parent is not leave.row
        parent = parent.parent

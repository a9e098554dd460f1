"""The Compare tab in a real browser, over a study whose runs stand on disk: what it says, and how it looks wherever it is looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from lab.compare.members import members
from lab.core.studies import parse_study
from lab.data.datasets import load
from lab.runs.slots import slot_path
from lab.store.locks import try_lock
from lab.store.runs import RunState, Store
from lab.store.studies import save_study
from tests.compare.made import START, make_member
from tests.e2e.conftest import RunningLab, serious_findings

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
ENTRIES = ("sft", "rm", "dpo", "ppo", "grpo")


@pytest.fixture(scope="module")
def study(lab: RunningLab) -> str:
    """A study of the course for two seeds, all finished."""
    store = Store(lab.home, allow_unsafe_disk=True)
    entry = {
        name: {"name": name, "label": {"en": name.upper(), "zh": name.upper()}, "preset": f"tiny/{name}"}
        for name in ENTRIES
    }
    for name in ENTRIES[1:]:
        entry[name]["start"] = "sft"
    entry["ppo"] |= {"reward_model": "rm", "changes": {"rules_weight": 0.0}}
    about = {"en": "the course", "zh": "课程"}
    made = parse_study(
        {"name": "walk", "title": about, "about": about, "seeds": [1, 2], "entries": list(entry.values())}, "test"
    )
    save_study(made, store.home)
    while todo := [member for member in members(made, store) if member.recipe is not None and member.run is None]:
        for member in todo:
            make_member(store, member)
    store.close()
    return "study:walk"


def choose(page: Page, study: str) -> None:
    """The tab opens with another study: what is asked of it next would else be asked before this one is there."""
    expect(page.locator("#compare-figures .xtitle").first).to_be_attached()
    before = str(page.locator("#compare-curves").text_content())
    page.locator("#compare-study input").click()
    page.get_by_role("option", name=study.partition(":")[2], exact=True).click()
    expect(page.locator("#compare-curves")).not_to_have_text(before)
    expect(page.locator("#compare-figures .xtitle").first).to_be_attached()
    expect(page.locator("#verdict")).to_contain_text("GRPO")


@pytest.mark.parametrize(
    ("width", "locale", "scheme"),
    [
        (1440, "en-US", "light"),
        (1440, "zh-CN", "dark"),
        (1024, "zh-CN", "light"),
        (1024, "en-US", "dark"),
        (390, "zh-CN", "light"),
        (390, "en-US", "dark"),
    ],
)
def test_it_fits_speaks_and_is_accessible(visit, study, width, locale, scheme):
    page = visit("/?tab=compare", ready="#compare-study", width=width, locale=locale, color_scheme=scheme)
    choose(page, study)
    words = {"en-US": "The course’s two tables, measured", "zh-CN": "课程的两张表"}[locale]
    expect(page.locator("#course-tables")).to_contain_text(words)
    expect(page.locator("#compare-forest .main-svg").first).to_be_attached()
    assert page.evaluate("document.querySelector('#compare').scrollWidth") <= width
    text = page.locator("#compare").inner_text()
    assert not re.search(r"\{[a-z_]+\}|compared?\.[a-z]", text), "a hole or a key is shown"
    assert serious_findings(page, "#compare") == []


def test_one_follows_from_curves_to_answers_and_takes_it_along(visit, study):
    page = visit("/?tab=compare", ready="#compare-study")
    choose(page, study)
    expect(page.locator("#compare-curves")).to_contain_text("seconds of the whole chain")
    page.locator("#compare-axis").get_by_text("KL", exact=True).click()
    expect(page.locator("#compare-curves")).to_contain_text("nats from the start")
    page.locator("#compare-seeds").get_by_text("2", exact=True).click()
    expect(page.locator("#compare-verdict")).to_contain_text("one seed")
    expect(page.locator("#question-cards")).to_contain_text("Ask every algorithm")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = download.value.path().read_text("utf-8").splitlines()
    assert len(rows) == 1 + 2 * len(ENTRIES)
    page.get_by_role("button", name="Wall view").click()
    expect(page.locator("#course-tables")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#course-tables")).to_be_visible()


LATE = """() => {
  const send = window.fetch;
  window.fetch = async (...request) => {
    if (String(request[0]).includes("queue/join")) await new Promise((go) => setTimeout(go, 2000));
    return send(...request);
  };
}"""
"""What goes by Gradio's queue is sent two seconds after it was asked."""


def test_an_axis_that_is_chosen_while_something_loads_is_the_one_shown(visit, study):
    page = visit("/?tab=compare", ready="#compare-study")
    choose(page, study)
    expect(page.locator("#compare-curves")).to_contain_text("seconds of the whole chain")
    page.evaluate(LATE)
    page.locator("#compare-seeds").get_by_text("2", exact=True).click()
    page.locator("#compare-axis").get_by_text("KL", exact=True).click()
    expect(page.locator("#compare-curves")).to_contain_text("nats from the start")
    expect(page.locator("#compare-verdict")).to_contain_text("one seed")
    expect(page.locator("#compare-curves")).to_contain_text("nats from the start")
    expect(page.locator("#compare-curves")).to_contain_text("one seed")


def test_plotly_knows_the_traces_of_the_figures_and_no_others(visit, study):
    page = visit("/?tab=compare", ready="#compare-seconds .barlayer .point")
    assert page.locator("#compare-curves .scatterlayer .trace").count() > 0
    assert sorted(page.evaluate("Object.keys(window.Plotly.PlotSchema.get().traces)")) == ["bar", "scatter"]


def test_an_address_opens_the_runs_that_it_names(visit, study, store):
    runs = [run for run in store.runs() if run.algorithm in ("grpo", "dpo")]
    ids = ",".join(run.id for run in runs)
    page = visit(f"/?tab=compare&of=runs:&runs={ids}", ready="#compare-study")
    expect(page.locator("#verdict")).to_contain_text("GRPO")
    expect(page.locator("#compare-runs .token")).to_have_count(len(runs))


def test_runs_are_filtered_ticked_compared_told_apart_and_deleted(visit, study, store):
    page = visit("/?tab=train", ready="[data-testid=run-row]")
    filter_field = page.get_by_label("Filter: name, algorithm, state, #tag")
    filter_field.fill("dpo")
    expect(page.get_by_test_id("run-row")).to_have_count(2)
    for tick in page.locator("input.tick").all():
        tick.check()
    page.get_by_role("button", name="What differs").click()
    expect(page.locator("#many-message")).to_contain_text("seed")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#verdict")).to_contain_text("DPO")
    page.get_by_role("tab", name="Train").click()
    page.get_by_role("button", name="Delete…").first.click()
    expect(page.locator("#many-sure")).to_contain_text("2 runs")
    page.locator("#many-delete").click()
    expect(page.locator("#many-message")).to_contain_text("2 runs were deleted")
    assert [run for run in store.runs() if run.algorithm == "dpo"] == []
    assert {run.state for run in store.runs()} == {RunState.FINISHED}


def test_several_runs_become_a_study_from_the_form(visit, study, store):
    page = visit("/?tab=train")
    page.locator("#several button").first.click()
    page.locator("#study-field input").click()
    page.get_by_role("option", name="Steps", exact=True).click()  # these choices come once the part is ready for hands
    name = page.locator("#study-name textarea, #study-name input").first
    name.fill("sweep")
    page.locator("#study-seeds textarea, #study-seeds input").first.fill("1, 2")
    page.locator("#study-values textarea, #study-values input").first.fill("3, 4")
    expect(name).to_have_value("sweep")
    page.locator("#start-study").click()
    expect(page.locator("#study-message")).to_contain_text("4 of 4")
    expect(page.locator("#study-message")).to_contain_text("sweep")
    made = [run.recipe for run in store.runs() if "sweep" in run.name]
    assert sorted((recipe["steps"], recipe["seed"]) for recipe in made) == [(3, 1), (3, 2), (4, 1), (4, 2)]
    page.locator("#study-message a.watch-study").click()
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#compare-study input")).to_have_value(re.compile("sweep"))


@pytest.fixture
def no_worker(store: Store) -> Iterator[None]:
    """The machine's slot is held: the lab starts no worker for runs that a test writes itself."""
    deadline = time.monotonic() + 120
    while (slot := try_lock(slot_path(store.home))) is None:
        assert time.monotonic() < deadline, "an earlier test's run does not end"
        time.sleep(0.2)
    with slot:
        yield


@pytest.mark.usefixtures("no_worker")
def test_a_study_that_runs_grows_on_one_chart_by_itself(visit, lab, store):
    """Two runs of a study write lines while somebody looks: their curves grow, and nobody presses anything."""
    words = {"en": "A race", "zh": "赛跑"}
    entries = [
        {"name": name, "label": {"en": name, "zh": name}, "preset": "tiny/grpo", "changes": {"steps": 40, **more}}
        for name, more in (("slow", {"learning_rate": 1e-4}), ("fast", {}))
    ]
    made = parse_study({"name": "race", "title": words, "about": words, "seeds": [7], "entries": entries}, "test")
    save_study(made, store.home)
    runs = []
    for member in members(made, store):
        run = store.create_run(member.recipe, dataset_hash=load(member.recipe, store.home).content_hash)
        store.change(run.id, state=RunState.RUNNING, started=START)
        runs.append(run.id)

    def write(step: int) -> None:
        for place, run_id in enumerate(runs):
            measured = {"pass_at_1": 0.4 + 0.005 * step * (1 + place), "samples": 256}
            folder = store.folder(run_id)
            folder.append("metrics", {"step": step, "time": START + step, "seconds": 0.1, "held_out": measured})
            folder.write("heartbeat", {"pid": 0, "time": START + step, "step": step, "steps": 40, "stage": "training"})

    write(0)
    page = visit("/?tab=compare&of=study:race", ready="#compare-study")
    points = page.locator("#compare-curves .scatterlayer .points path")
    expect(points).to_have_count(2)
    expect(page.locator("#compare-origin .live")).to_be_visible()
    for number, step in enumerate((10, 20, 30), start=2):
        write(step)
        expect(points).to_have_count(2 * number)
    for run_id in runs:
        store.change(run_id, state=RunState.STOPPED, ended=START + 30)
    expect(page.locator("#compare-origin .live")).to_have_count(0)

"""The components in a real browser, over a real store and the real routes: what a person sees and what is asked for."""

from __future__ import annotations

import json
import math
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI, Request
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lab.core.groups import ThresholdKind, make_group, tie_at_cut
from lab.core.recipes import parse
from lab.server.assets import add_assets
from lab.server.events import Watches
from lab.server.runs import add_runs
from lab.store.run_folder import RunFolder
from lab.store.runs import RunState, Store
from lab.ui.components.group_inspector.component import group_inspector
from lab.ui.components.live_curves.component import live_curves
from lab.ui.components.run_list.component import run_list
from lab.ui.page import error_sentences, script
from tests.core.test_hacking import run_of
from tests.runs.test_kept_estimates import an_estimate
from tests.runs.test_warnings import written

pytestmark = pytest.mark.browser

COMPONENTS = Path(__file__).parents[2] / "lab" / "ui" / "components"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
RULES = [{"name": "equals_answer", "weight": 1.0}, {"name": "integer", "weight": 1.0, "fallback": 0.0}]
HOSTILE = 'x <img src="/stolen" onerror="alert(1)"> <script>alert(2)</script> [a](http://other.example) x = 7'
STEPS = 40
PARTS = {"time/generation": 1.2, "time/rewards": 0.004, "time/forward": 0.5, "time/waiting": 0.296}
WORK = {"flops/generation": 3e10, "bytes/generation": 6e9, "flops/forward": 2e10, "bytes/forward": 1e9}
SPEED = {"device": "cpu", "format": "bf16", "flops": 1e11, "bytes": 2e10}


def group_line(step: int, group: int) -> dict[str, Any]:
    """A group as a worker writes it; group 2 has no spread, and one rule fails on every fourth completion of group 1."""
    chance = random.Random(step * 10 + group)
    completions = []
    for index in range(8):
        right = 1.0 if group == 2 or chance.random() < 0.5 else 0.0
        failed = group == 1 and index % 4 == 3
        whole = 0.0 if failed else 1.0 if group == 2 else round(chance.random(), 1)
        text = HOSTILE if index == 1 else f"3x = 15\nx = {5 if right else 4}"
        scores = {"equals_answer": right, "integer": {"error": "ValueError: no <b>number</b>"} if failed else whole}
        completions.append(
            {"text": text, "tokens": 9, "truncated": index == 2, "scores": scores, "reward": right + whole}
        )
    made = make_group([c["reward"] for c in completions], ThresholdKind.ABOVE_MEAN)
    for completion, advantage, kept, why in zip(completions, made.advantages, made.kept, made.why_dropped, strict=True):
        completion.update(advantage=advantage, kept=kept, why_dropped=why, logp=-9.0, ref_logp=-9.5)
    return {
        "version": 1, "step": step, "group": group, "prompt": f"Solve 3x = {15 + group}", "answer": "5", "mean": made.mean,
        "std": made.std, "threshold": {"kind": "above_mean", "fraction": 1.0}, "completions": completions,
    }  # fmt: skip


def write_step(folder: RunFolder, step: int) -> None:
    for group in range(3):
        folder.append("groups", group_line(step, group))
    folder.append(
        "metrics",
        {"step": step, "time": time.time(), "reward": step / 40, "loss": 0.0, "kept_share": 0.5, "odd": 1}
        | PARTS
        | WORK,
    )
    if step % 10 == 0:
        folder.append(
            "metrics", {"step": step, "time": time.time(), "held_out": {"pass_at_1": step / 50, "samples": 9}}
        )
    with folder.log_path.open("a", encoding="utf-8") as log:
        log.write(f"step {step} <b>done</b>\n")


def write_run(store: Store, name: str, state: RunState, steps: int) -> str:
    run = store.create_run(parse({"algorithm": "grpo", "name": name, "steps": STEPS, "rules": RULES}))
    for step in range(1, steps + 1):
        write_step(store.folder(run.id), step)
    store.folder(run.id).write("machine_speed.json", SPEED)
    ended = run.created + 9 if state.ended else None
    store.change(run.id, state=state, started=run.created, ended=ended)
    return run.id


@dataclass
class Lab:
    """The served page, its runs, and what was asked of it."""

    url: str
    store: Store
    watches: Watches
    runs: dict[str, str]
    asked: list[str] = field(default_factory=list)


def page_of(runs: dict[str, str]) -> gr.Blocks:
    with gr.Blocks() as blocks, gr.Tabs():
        with gr.Tab("Groups"):
            value = gr.Textbox(label="run of groups")
            value.submit(lambda text: text, value, group_inspector(json.dumps({"run": runs["done"]})), queue=False)
        with gr.Tab("Train"):
            listed = run_list(json.dumps({"selected": runs["done"]}))
            told = gr.Textbox(label="told")
            curves = live_curves(json.dumps({"run": runs["done"]}))

            def selected(event: gr.EventData) -> list[str]:
                run = event._data["run"]
                return [run, json.dumps({"run": run})]

            listed.select(selected, None, [told, curves], queue=False)
        with gr.Tab("Nothing"):
            gr.Markdown("nothing")
    return blocks


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    store = Store(tmp_path_factory.mktemp("home"))
    runs = {"done": write_run(store, "the one that ended", RunState.FINISHED, STEPS)}
    runs["live"] = write_run(store, "the one that runs", RunState.RUNNING, 3)
    runs["new"] = write_run(store, "the one that loads", RunState.RUNNING, 0)
    watches = Watches(store)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Lab(f"http://127.0.0.1:{port}", store, watches, runs)
    application = FastAPI()

    @application.middleware("http")
    async def count(request: Request, answer: Callable[[Request], Any]) -> Any:
        if request.url.path.startswith("/api/"):
            made.asked.append(request.url.path)
        return await answer(request)

    add_assets(application)
    add_runs(application, store, watches)
    gr.mount_gradio_app(application, page_of(runs), path="/", head=script(error_sentences()))
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    yield made
    server.should_exit = True
    thread.join(10)
    store.close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(lab: Lab, browser: Browser) -> Iterator[Open]:
    contexts = []

    def open_page(tab: str = "Groups", *, locale: str = "en-US", width: int = 1440, dark: bool = False) -> Page:
        context = browser.new_context(locale=locale, viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.problems = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.problems.append(str(error)))  # type: ignore[attr-defined]
        page.on("dialog", lambda dialog: page.problems.append(dialog.message))  # type: ignore[attr-defined]
        page.goto(f"{lab.url}/?__theme={'dark' if dark else 'light'}")
        page.get_by_role("tab", name=tab).click()
        return page

    yield open_page
    for context in contexts:
        assert [problem for page in context.pages for problem in page.problems] == []  # type: ignore[attr-defined]
        context.close()


def wait_for(true: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def shown(page: Page) -> list[tuple[bool, float, float]]:
    """Kept, reward and advantage of every card, in the order on screen."""
    read = "cards => cards.map(c => [c.dataset.kept === 'true', Number(c.dataset.reward), Number(c.dataset.advantage)])"
    return [tuple(card) for card in page.get_by_test_id("completion-card").evaluate_all(read)]


def go_to(page: Page, place: int) -> None:
    move = "(slider, place) => { slider.value = place; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    page.get_by_test_id("step").evaluate(move, place)


def test_the_thresholds_of_the_browser_are_those_of_the_core(browser: Browser) -> None:
    chance = random.Random(7)
    cases, expected = [], []
    for _ in range(400):
        size = chance.randint(1, 12)
        pool = [chance.choice([0.0, 0.5, 1.0, 1.5, chance.random()]) for _ in range(3)]
        rewards = [math.nan if chance.random() < 0.08 else chance.choice(pool) for _ in range(size)]
        kind, fraction = chance.choice(list(ThresholdKind)), chance.choice([0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
        group = make_group(rewards, kind, fraction)
        given = [None if math.isnan(r) else r for r in rewards]
        cases.append([given, group.mean, group.std, {"kind": kind.value, "fraction": fraction}])
        tie = kind is ThresholdKind.TOP_FRACTION and group.has_spread and tie_at_cut(rewards, fraction)
        expected.append([[None if why is None else why.value for why in group.why_dropped], tie])
    source = (COMPONENTS / "group_inspector" / "threshold.js").read_text(encoding="utf-8")
    page = browser.new_page()
    answered = page.evaluate(
        "([source, cases]) => Function('cases', 'const isNumber = Number.isFinite;' + source + `"
        "return cases.map(([r, m, s, t]) => { const why = whyDropped(r, m, s, t); return [why, tieAtCut(r, why).length > 0]; })"
        "`)(cases)",
        [source, cases],
    )
    page.close()
    assert answered == expected


def test_a_group_is_shown_as_it_was_trained_and_as_it_might_have_been(open_page: Open, lab: Lab) -> None:
    page = open_page()
    inspector = page.get_by_test_id("group-inspector")
    expect(inspector).to_have_attribute("data-step", str(STEPS))
    assert inspector.get_attribute("data-run") == lab.runs["done"]
    go_to(page, 6)
    expect(inspector).to_have_attribute("data-step", "7")
    line = group_line(7, 0)
    expect(page.get_by_test_id("completion-card")).to_have_count(8)
    wait_for(lambda: [card[1] for card in shown(page)] == [c["reward"] for c in line["completions"]])
    assert shown(page) == [(c["kept"], c["reward"], c["advantage"]) for c in line["completions"]]
    rewards = [c["reward"] for c in line["completions"]]
    page.wait_for_timeout(500)
    asked = len(lab.asked)
    for kind in ThresholdKind:
        page.get_by_test_id("threshold").locator(f"input[value={kind.value}]").check()
        assert [card[0] for card in shown(page)] == list(make_group(rewards, kind, 0.5).kept)
    assert len(lab.asked) == asked, "what if is answered without a request"


def test_what_a_model_wrote_stays_text(open_page: Open) -> None:
    page = open_page()
    card = page.get_by_test_id("completion-card").nth(1)
    expect(card).to_contain_text("<img src=")
    assert page.get_by_test_id("group-inspector").locator("img, script, a, iframe, b:not(.of b)").count() == 0


def test_completions_are_shown_as_displayed_where_somebody_wants_it(open_page: Open) -> None:
    page = open_page()
    inspector = page.get_by_test_id("group-inspector")
    card = page.get_by_test_id("completion-card").nth(1)
    expect(card).to_contain_text("<img src=")
    page.get_by_test_id("displayed").click()
    expect(card.locator(".displayed p")).to_contain_text('x <img src="/stolen" onerror="alert(1)">')
    assert inspector.locator("img, script, .displayed a, iframe, [src], [href]").count() == 0
    expect(inspector.get_by_role("heading").locator(".displayed")).to_have_text("Solve 3x = 15")
    expect(card.get_by_role("status")).to_have_text("7")
    go_to(page, 6)
    expect(inspector).to_have_attribute("data-step", "7")
    expect(card.locator(".displayed")).to_have_count(1)
    page.get_by_test_id("displayed").click()
    expect(inspector.locator(".displayed")).to_have_count(0)
    expect(inspector.get_by_role("heading")).to_have_text("Solve 3x = 15")
    expect(card).to_contain_text("<img src=")


def test_a_failed_rule_and_a_group_without_spread_say_so(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Group 2: ").click()
    expect(page.get_by_test_id("completion-card").nth(3)).to_contain_text("ValueError: no <b>number</b>")
    page.get_by_role("button", name="Group 3: ").click()
    expect(page.get_by_test_id("group-inspector")).to_contain_text("Every reward is equal")
    assert {card[0] for card in shown(page)} == {False}


def test_keys_prompts_and_order(open_page: Open) -> None:
    page = open_page()
    inspector = page.get_by_test_id("group-inspector")
    expect(page.get_by_test_id("completion-card")).to_have_count(8)
    page.get_by_test_id("step").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    expect(inspector).to_have_attribute("data-step", str(STEPS - 1))
    expect(inspector.get_by_role("heading")).to_have_text("Solve 3x = 16")
    page.get_by_test_id("prompt").select_option(label="Solve 3x = 17  ×40")
    expect(inspector.get_by_role("heading")).to_have_text("Solve 3x = 17")
    page.get_by_test_id("prompt").select_option(label="Solve 3x = 15  ×40")
    page.get_by_role("button", name="by reward").click()
    rewards = [card[1] for card in shown(page)]
    assert rewards == sorted(rewards, reverse=True)


def test_a_finished_run_is_not_polled(open_page: Open, lab: Lab) -> None:
    page = open_page()
    expect(page.get_by_test_id("completion-card")).to_have_count(8)
    page.wait_for_timeout(1000)
    asked = len(lab.asked)
    page.wait_for_timeout(3000)
    assert lab.asked[asked:] == []
    assert lab.runs["done"] not in lab.watches.looked_at


def test_a_live_run_is_followed_and_let_go_when_nobody_looks(open_page: Open, lab: Lab) -> None:
    page = open_page()
    box = page.get_by_label("run of groups")
    box.fill(json.dumps({"run": lab.runs["new"]}))
    box.press("Enter")
    inspector = page.get_by_test_id("group-inspector")
    expect(inspector).to_contain_text("Waiting for the first group")
    folder = lab.store.folder(lab.runs["new"])
    for step in (1, 2):
        write_step(folder, step)
        expect(inspector).to_have_attribute("data-step", str(step))
    expect(page.get_by_test_id("completion-card")).to_have_count(8)
    go_to(page, 0)
    write_step(folder, 3)
    page.wait_for_timeout(1200)
    expect(inspector).to_have_attribute("data-step", "1")
    page.get_by_role("button", name="follow").click()
    expect(inspector).to_have_attribute("data-step", "3")
    page.get_by_role("tab", name="Nothing").click()
    wait_for(lambda: lab.runs["new"] not in lab.watches.looked_at)
    write_step(folder, 4)
    page.get_by_role("tab", name="Groups").click()
    expect(inspector).to_have_attribute("data-step", "4")


def test_the_list_selects_and_the_curves_follow(open_page: Open, lab: Lab) -> None:
    page = open_page("Train")
    curves = page.get_by_test_id("live-curves")
    expect(curves).to_have_attribute("data-step", str(STEPS))
    expect(curves.locator("figure")).to_have_count(5)
    expect(curves).to_contain_text("A GRPO loss near 0 is normal")
    expect(curves.get_by_role("log")).to_contain_text("step 40 <b>done</b>")
    row = page.locator(f"[data-testid=run-row][data-run='{lab.runs['live']}']")
    expect(row).to_have_attribute("data-state", "running")
    row.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("told")).to_have_value(lab.runs["live"])
    expect(row).to_have_attribute("aria-current", "true")
    expect(curves).to_have_attribute("data-step", "3")
    write_step(lab.store.folder(lab.runs["live"]), 4)
    expect(curves).to_have_attribute("data-step", "4")


@pytest.mark.parametrize(
    ("locale", "title", "shares"),
    [
        (
            "en-US",
            "Where a step's 2.00 s go",
            ["generation 60 % ≥ 25 % of roofline", "rules < 1 %", "forward 25 % ≥ 40 % of roofline", "the rest 15 %"],
        ),
        (
            "zh-CN",
            "一步的 2.00 秒花在哪里",
            ["生成 60 % ≥ 屋顶线的 25 %", "规则 < 1 %", "前向 25 % ≥ 屋顶线的 40 %", "其余 15 %"],
        ),
    ],
)
def test_where_a_steps_time_goes_is_a_bar_and_text(open_page: Open, locale: str, title: str, shares: list[str]) -> None:
    page = open_page("Train", locale=locale, width=390 if locale == "zh-CN" else 1440)
    told = page.get_by_test_id("step-time")
    expect(told.locator("h4")).to_contain_text(title)
    assert [" ".join(text.split()) for text in told.locator("li").all_inner_texts()] == shares
    rates = told.locator("small").first.get_attribute("title")
    assert "100 GFLOP/s" in str(rates) and "bf16" in str(rates) and "20 GB/s" in str(rates)
    widths = told.locator(".part").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert widths[0] / sum(widths) == pytest.approx(0.6, abs=0.03)
    assert (
        len(set(told.locator(".part").evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")))
        == 4
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_serious_finding_of_axe(open_page: Open, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(dark=dark)
    expect(page.get_by_test_id("completion-card")).to_have_count(8)
    found = serious(Axe().run(page, context="[data-testid=group-inspector]").response)
    page.get_by_role("tab", name="Train").click()
    expect(page.get_by_test_id("live-curves").locator("figure")).to_have_count(5)
    for part in ("live-curves", "run-list"):
        found += serious(Axe().run(page, context=f"[data-testid={part}]").response)
    assert found == []


def serious(response: dict[str, Any]) -> list[str]:
    worst = [found for found in response["violations"] if found["impact"] in ("serious", "critical")]
    return [f"{found['id']}: {found['nodes'][0]['html'][:120]}" for found in worst]


@pytest.mark.parametrize("tab", ["Groups", "Train"])
def test_a_phone_in_chinese(open_page: Open, tab: str) -> None:
    page = open_page(tab, locale="zh-CN", width=390)
    wanted = "✓ 保留" if tab == "Groups" else "已完成"
    expect(page.get_by_text(wanted).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("locale", "said"), [("en-US", "from 60 % to 50 %"), ("zh-CN", "从 60 % 降到 50 %")])
def test_a_warning_is_a_sentence_five_completions_and_a_mark_in_the_curves(
    open_page: Open, lab: Lab, locale: str, said: str
) -> None:
    if "hacked" not in lab.runs:
        lab.runs["hacked"] = written(lab.store, run_of(pass_at_1=(0.6, 0.1)))
    page = open_page("Train", locale=locale, width=390 if locale == "zh-CN" else 1440)
    page.locator(f"[data-testid=run-row][data-run='{lab.runs['hacked']}']").click()
    warning = page.get_by_test_id("run-warnings").locator(".warning")
    expect(warning).to_have_count(1)
    expect(warning).to_contain_text(said)
    warning.locator("summary").click()
    expect(warning.locator("li")).to_have_count(5)
    expect(warning.locator("li pre").first).to_be_visible()
    marked = page.get_by_test_id("live-curves").locator("figure:has(.flags line)")
    assert set(marked.evaluate_all("all => all.map(one => one.dataset.metric)")) == {"pass_at_1", "rule/short"}
    from axe_playwright_python.sync_playwright import Axe

    assert serious(Axe().run(page, context="[data-testid=run-warnings]").response) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


@pytest.mark.parametrize(
    ("locale", "memory", "why"),
    [
        (
            "en-US",
            "peak memory: measured 995 MB, estimated 1.02 GB (+2 %), besides 330 MB of libraries",
            "It begins at a half",
        ),
        ("zh-CN", "内存峰值：实测 995 MB，估计 1.42 GB（+43 %），程序库另占 330 MB", "起点恰为一半"),
    ],
)
def test_an_ended_run_tells_its_memory_and_what_people_would_say(
    open_page: Open, lab: Lab, locale: str, memory: str, why: str
) -> None:
    chinese = locale == "zh-CN"
    told = lab.runs[f"told in {locale}"] = write_run(lab.store, f"told in {locale}", RunState.FINISHED, STEPS)
    folder = lab.store.folder(told)
    folder.write(
        "estimate.json", an_estimate("cpu", 1_418_000_000 if chinese else 1_018_000_000).model_dump(mode="json")
    )
    result = {"state": "finished", "peak_memory_bytes": 1_325_000_000, "libraries_bytes": 330_000_000}
    folder.write("result.json", result)
    for step in (0, 20, 40):
        held_out = {"agreement": 0.5 - step / 100, "agreement_pairs": 256}
        folder.append("metrics", {"step": step, "time": time.time(), "held_out": held_out})
    page = open_page("Train", locale=locale, width=390 if chinese else 1440)
    page.locator(f"[data-testid=run-row][data-run='{told}']").click()
    curves = page.get_by_test_id("live-curves")
    expect(curves.locator(".facts")).to_contain_text(memory)
    expect(curves.get_by_text("估计按每一行都取最长来算")).to_have_count(int(chinese))
    charts = curves.locator("figure")
    expect(charts).to_have_count(6)
    names = charts.evaluate_all("all => all.map(one => one.dataset.metric)")
    assert names[:3] == ["reward", "pass_at_1", "agreement"]
    agreement = charts.nth(2)
    expect(agreement).to_contain_text(why)
    expect(agreement.locator(".value")).to_have_text("10.0 %")
    expect(agreement.locator("circle[cy]")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]

"""The page that is handed out: one file, no script, no other host, both languages, and nothing that a model wrote is markup."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lab.compare.phrases import in_both, plain
from lab.compare.report import Source, csv_of, labels_of, report_html
from lab.compare.report import page as report_page
from lab.compare.runs import compared
from lab.store.runs import Store
from lab.store.studies import load_study
from tests.compare.made_runs import course, made_run

HOSTILE = '<script>alert(1)</script><img src="https://example.org/x">'


class Tags(HTMLParser):
    """The tags of a page and the addresses in them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attributes if name in ("src", "href", "action", "data", "poster")
        ]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    store = Store(tmp_path_factory.mktemp("course"))
    runs = [run for of_entry in course(store).values() for run in of_entry]
    grpo = store.folder(runs[-1].id)
    completion = {
        "text": HOSTILE,
        "tokens": 3,
        "reward": 1.5,
        "advantage": -0.5,
        "kept": False,
        "why_dropped": "below_mean",
    }
    scores = {"equals_answer": 0.5, "mine <b>": {"error": HOSTILE}}
    line = {"version": 1, "step": 40, "group": 0, "prompt": HOSTILE, "answer": "5", "mean": 1.0, "std": 0.5}
    grpo.append("groups", {**line, "completions": [{**completion, "scores": scores}]})
    text = report_html(compared(store, [run.id for run in runs]), Source(store, plain("Title & more")))
    store.close()
    return text


def test_it_needs_nothing_but_itself(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.addresses == [] and "script" not in tags.tags and "img" not in tags.tags and "link" not in tags.tags
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_what_a_model_wrote_is_text(page: str) -> None:
    assert HOSTILE not in page and "&lt;script&gt;alert(1)" in page
    assert "mine &lt;b&gt;" in page


def test_both_languages_stand_in_it(page: str) -> None:
    assert "as the course says" in page and "与课程所说一致" in page
    assert page.count('class="in-en"') == page.count('class="in-zh"') > 50
    assert not re.search(r"\b(compared|report|states)\.[a-z_]+", re.sub(r"<style>.*?</style>", "", page, flags=re.S))


def test_numbers_counts_and_charts(page: str) -> None:
    assert page.count("<svg") >= 8
    assert "step 40, group 1" in page  # counted from 1
    assert "95 %" in page and "n = 1024" in page


def test_few_samples_are_grey_and_say_so(store: Store) -> None:
    text = report_html(compared(store, [made_run(store, samples=12, after=1.0).id]), Source(store, plain("few")))
    assert 'class="few"' in text and "few: under 30" in text


@pytest.mark.parametrize("algorithm", ["pretrain", "sft", "rm"])
def test_a_run_of_any_kind_has_a_page(store: Store, algorithm: str) -> None:
    run = made_run(store, algorithm, after=None if algorithm == "pretrain" else 0.9)
    title = in_both("one", "一个")
    assert run.id in report_html(compared(store, [run.id]), Source(store, title))


def test_csv_has_a_line_a_run_and_no_formula(store: Store, tmp_path: Path) -> None:
    runs = compared(store, [made_run(store, name="=1+1").id, made_run(store, "rm", after=0.9).id])
    rows = list(csv.DictReader(io.StringIO(csv_of(runs))))
    assert [row["algorithm"] for row in rows] == ["grpo", "rm"]
    assert (
        rows[0]["name"] == "'=1+1"
        and float(rows[0]["after_pass_at_1"]) == 0.8
        and rows[0]["after_pass_at_1_n"] == "1024"
    )
    assert rows[1]["after_pass_at_1"] == "" and float(rows[1]["after_pair_accuracy"]) == 0.9


def test_its_drawings_and_tables_call_groups_by_the_pages_language(lab_home: Path) -> None:
    """Labels of a study stand in both languages wherever a group is named: curves, marks, bars, intervals, tables, sentences."""
    store = Store(lab_home)
    of_entry = course(store)
    ids = [run.id for runs in of_entry.values() for run in runs]
    entries = {run.id: (name, f"{name} here") for name, runs in of_entry.items() for run in runs}
    labels = {name: in_both(f"{name} here", f"{name} 中文") for name in of_entry}
    text = report_html(compared(store, ids, entries=entries), Source(store, plain("T"), labels=labels), locale="zh")
    english, chinese = (
        re.sub(rf'<(span|text|small|path)[^>]*class="[^"]*in-{other}"[^>]*>.*?</\1>', "", text, flags=re.S)
        for other in ("zh", "en")
    )
    assert " here" in english and "中文" not in re.sub(r'<span lang="zh">中文</span>', "", english)
    assert "中文" in chinese and " here" not in chinese
    drawings = re.findall(r"<svg viewBox.*?</svg>", chinese, flags=re.S)
    assert sum("中文" in drawing for drawing in drawings) >= 6 and not any(" s</text>" in each for each in drawings)
    assert re.search(r'id="language-zh" checked', text) and not re.search(r'id="language-en" checked', text)


def test_the_labels_of_a_study_are_its_files() -> None:
    labels = labels_of(load_study("tiny/course"))
    assert labels["rm"].say("zh") == "奖励模型" and labels["rm"].say("en") == "reward model"


def test_it_says_where_only_the_first_runs_groups_are_shown(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(lab_home)
    runs = [made_run(store, "grpo", seed=seed) for seed in (1, 2, 3)]
    for run in runs:
        completion = {"text": "x = 5", "tokens": 3, "reward": 1.0, "advantage": 0.5, "kept": True, "scores": {}}
        line = {"version": 1, "step": 40, "group": 0, "prompt": "3x = 15", "answer": "5", "mean": 1.0, "std": 0.5}
        store.folder(run.id).append("groups", {**line, "completions": [completion]})
    of_runs = compared(store, [run.id for run in runs])
    assert "groups-cut" not in report_html(of_runs, Source(store, plain("T")))
    monkeypatch.setattr(report_page, "RUNS_WITH_GROUPS", 2)
    text = report_html(of_runs, Source(store, plain("T")))
    assert "Groups of the first 2 of 3 runs are shown" in text and "3 个运行中前 2 个" in text
    assert text.count('<details class="run">') == 2

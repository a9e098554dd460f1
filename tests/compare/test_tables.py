"""The course's two tables: every number is what the files say, computed here by another path."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean, stdev

import pytest

from lab.compare.runs import compared
from lab.compare.tables import Cell, Mark, Table, course_tables, differing
from lab.store.runs import RunState, Store
from tests.compare.made_runs import course, made_run

T_975_2 = 4.30265
"""Student's t, 97.5 %, two degrees of freedom, from a table."""


@pytest.fixture(scope="module")
def of_course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A home with the course of three seeds; nothing is written to it."""
    store = Store(tmp_path_factory.mktemp("course"))
    course(store)
    yield store
    store.close()


def tables_of(store: Store) -> tuple[Table, Table]:
    return course_tables(compared(store, [run.id for run in store.runs()]))


def cell(table: Table, algorithm: str, column: str) -> Cell:
    place = [each.key.removeprefix("compared.column.") for each in table.columns].index(column)
    return next(row for row in table.rows if row.group.algorithm == algorithm).cells[place]


def raw(home: Path, algorithm: str) -> list[tuple[dict[str, object], dict[str, object]]]:
    """(recipe, result) of each run of an algorithm, straight from the files, by seed."""
    runs = []
    for folder in (home / "runs").iterdir():
        recipe = json.loads((folder / "recipe.json").read_text())["recipe"]
        if recipe["algorithm"] == algorithm:
            runs.append((recipe, json.loads((folder / "result.json").read_text())))
    return sorted(runs, key=lambda run: run[0]["seed"])


def numbers(text: str) -> list[float]:
    """All numbers of a sentence."""
    cleaned = "".join(
        letter if letter.isdigit() or letter in ".-" else " " for letter in text.replace("−", "-").replace(",", "")
    )
    return [float(part) for part in cleaned.split() if part.strip(".-")]


def test_the_cost_is_the_sum_of_the_files_seconds(of_course: Store) -> None:
    store = of_course
    key, _takes = tables_of(store)
    stages = [fmean(result["seconds"] for _, result in raw(store.home, name)) for name in ("sft", "rm", "ppo")]
    shown = cell(key, "ppo", "cost").measured.say("en")
    assert numbers(shown) == [round(sum(stages)), *map(round, stages)]
    peaks = [result["peak_memory_bytes"] for name in ("sft", "rm", "ppo") for _, result in raw(store.home, name)]
    assert f"{max(peaks) / 1e6:.0f} MB" in cell(key, "ppo", "cost").detail.say("en")


@pytest.mark.parametrize("algorithm", ["ppo", "dpo", "grpo"])
def test_the_gain_and_its_interval(of_course: Store, algorithm: str) -> None:
    store = of_course
    key, _takes = tables_of(store)
    gains = [100 * (r["after"]["pass_at_1"] - r["before"]["pass_at_1"]) for _, r in raw(store.home, algorithm)]
    half = T_975_2 * stdev(gains) / math.sqrt(3)
    assert numbers(cell(key, algorithm, "fits").measured.say("en")) == pytest.approx([fmean(gains), half], abs=0.051)


@pytest.mark.parametrize("algorithm", ["ppo", "dpo", "grpo"])
def test_reward_kl_and_samples(of_course: Store, algorithm: str) -> None:
    store = of_course
    key, _takes = tables_of(store)
    of_runs = raw(store.home, algorithm)
    start, end = (fmean(result[when]["reward"] for _, result in of_runs) for when in ("before", "after"))
    objective = cell(key, algorithm, "objective")
    assert numbers(objective.measured.say("en")) == pytest.approx([start, end], abs=0.0051)
    kl = fmean(result["kl_from_start"] for _, result in of_runs)
    assert numbers(objective.detail.say("en"))[0] == pytest.approx(kl, abs=0.0051)
    assert objective.detail.say("en").endswith("n = 3 × 1,024")


def test_pairs_tokens_roles_and_stages(of_course: Store) -> None:
    store = of_course
    _key, takes = tables_of(store)
    rm = raw(store.home, "rm")[0]
    assert numbers(cell(takes, "ppo", "data").measured.say("en")) == [rm[0]["batch_size"] * rm[1]["steps"]]
    dpo = raw(store.home, "dpo")[0]
    assert numbers(cell(takes, "dpo", "data").measured.say("en")) == [dpo[0]["batch_size"] * dpo[1]["steps"]]
    tokens = [fmean(r[name] for _, r in raw(store.home, "grpo")) for name in ("tokens_generated", "tokens_trained")]
    assert numbers(cell(takes, "grpo", "complexity").detail.say("en")) == tokens
    assert numbers(cell(takes, "ppo", "complexity").measured.say("en"))[:2] == [4, 1]
    assert numbers(cell(takes, "ppo", "stages").measured.say("en")) == [3, 1]
    accuracy = [100 * r["after"]["pair_accuracy"] for _, r in raw(store.home, "rm")]
    key, _ = tables_of(store)
    assert numbers(cell(key, "ppo", "reward_model").detail.say("en"))[0] == pytest.approx(fmean(accuracy), abs=0.051)


def test_where_measurement_and_claim_differ_a_sentence_says_so(of_course: Store) -> None:
    store = of_course
    key, takes = tables_of(store)
    assert cell(key, "ppo", "cost").sentence.key == "compared.cell.own_stage_no_more"  # 31 s beside 32 s
    assert cell(key, "dpo", "cost").sentence.key == "compared.cell.longest_and_peaks"
    assert cell(key, "grpo", "cost").mark is Mark.AGREES
    assert cell(key, "ppo", "fits").mark is Mark.UNTESTED
    assert cell(key, "dpo", "fits").sentence.key == "compared.cell.gains_least"
    assert cell(key, "grpo", "fits").sentence.key == "compared.cell.so_does_ppo"
    assert cell(takes, "grpo", "stages").sentence.key == "compared.cell.two_as_one"
    assert cell(takes, "ppo", "data").sentence.params["part"] == round(100_000 / 15_360)
    differ, cells = differing((key, takes))
    assert cells == 21 and differ == sum(
        c.mark is Mark.DIFFERS for t in (key, takes) for row in t.rows for c in row.cells
    )


def test_another_course_gets_other_marks(store: Store) -> None:
    """The marks follow from the numbers: a dear GRPO, and a DPO that does as well."""
    sft = [made_run(store, "sft", seed=seed, after=0.55, seconds=15) for seed in (1, 2, 3)]
    start = [{"model": f"run:{run.id}", "seed": seed, "before": 0.55} for seed, run in enumerate(sft, 1)]
    runs = [
        *(made_run(store, "dpo", after=0.90 + 0.001 * values["seed"], seconds=20, **values) for values in start),
        *(made_run(store, "grpo", after=0.80 + 0.001 * values["seed"], seconds=90, **values) for values in start),
    ]
    key, _takes = course_tables(compared(store, [run.id for run in runs]))
    assert cell(key, "grpo", "cost").sentence.key == "compared.cell.dearer_than"
    assert cell(key, "dpo", "cost").sentence.key == "compared.cell.cheaper_than"
    assert cell(key, "dpo", "fits").mark is Mark.AGREES


def test_ppo_on_rules_needs_no_reward_model(store: Store) -> None:
    runs = [made_run(store, "ppo", seed=seed, after=0.9, group_size=2) for seed in (1, 2)]
    key, takes = course_tables(compared(store, [run.id for run in runs]))
    assert cell(key, "ppo", "reward_model").sentence.key == "compared.cell.ppo_without"
    assert cell(takes, "ppo", "data").sentence.key == "compared.cell.no_pairs"


def test_unfinished_runs_are_in_no_table(store: Store) -> None:
    runs = [made_run(store, after=None, state=RunState.STOPPED), made_run(store, "sft")]
    assert [table.rows for table in course_tables(compared(store, [run.id for run in runs]))] == [(), ()]


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_cell_has_its_words(of_course: Store, locale: str) -> None:
    store = of_course

    def phrases(tables: Iterable[Table]):
        for table in tables:
            yield from (table.title, *table.columns)
            for row in table.rows:
                for each in row.cells:
                    yield from (each.claim, each.measured, each.detail, each.sentence)

    every = list(phrases(tables_of(store)))
    assert len(every) > 20
    for phrase in every:
        said = phrase.say(locale)
        assert said.strip() and "{" not in said and "compared." not in said

"""``python -m lab tour``: train the chain on the tiny model, and print what each algorithm moved."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.commands.arguments import explained, heads, open_store
from lab.commands.printing import STOPPED, complain, print_json, print_table
from lab.core.recipes import MeasuredOn, Recipe
from lab.runs.tour import CHAIN, Leg, Stage, TourStopped, tour
from lab.store.runs import Store
from lab.words import say, system_locale, word
from lab.words.shares import measured_share

HEAD = (
    "seed", "stage", "time", "before", "after", "gain", "reward_before", "reward_after", "kl", "generated", "trained",
    "models", "roles", "memory",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Seeds, stages, samples, home."""
    names = ",".join(leg.name for leg in CHAIN if not leg.aside)
    aside = ",".join(leg.name for leg in CHAIN if leg.aside)
    parser.add_argument("--seeds", default="1,2,3", metavar="1,2,3", help=explained("tour.seeds"))
    parser.add_argument(
        "--stages",
        default=names,
        metavar="A,B",
        help=explained("tour.stages", names=names, aside=aside),
    )
    parser.add_argument("--samples", type=int, default=1024, metavar="N", help=explained("tour.samples"))
    parser.add_argument(
        "--split",
        choices=[split.value for split in MeasuredOn],
        default=MeasuredOn.HELD_OUT.value,
        help=explained("tour.split"),
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when every stage finished."""
    try:
        seeds = [int(text) for text in arguments.seeds.split(",")]
    except ValueError:
        complain(say("tour.seeds_wrong", system_locale(), value=arguments.seeds))
        return 2
    legs = arguments.stages.split(",")
    if unknown := sorted(set(legs) - {leg.name for leg in CHAIN}):
        known = ", ".join(leg.name for leg in CHAIN)
        complain(say("tour.stages_wrong", system_locale(), value=", ".join(unknown), known=known))
        return 2
    if arguments.home:
        return _until_stopped(open_store(arguments), seeds, legs, arguments)
    home = Path(tempfile.mkdtemp(prefix="lab-tour-"))
    done = False
    try:
        done = (status := _until_stopped(Store(home), seeds, legs, arguments)) == 0
        return status
    finally:
        if done:
            shutil.rmtree(home, ignore_errors=True)
        else:  # a run to resume, or the log of one that failed
            complain(say("cli.tour_kept", system_locale(), home=home))


def _until_stopped(store: Store, seeds: list[int], legs: list[str], arguments: argparse.Namespace) -> int:
    """0, or 130 where a run of the tour was stopped; how to go on with it is then said."""
    try:
        return _tour(store, seeds, legs, arguments)
    except TourStopped as stopped:
        complain(word(stopped, system_locale()))
        return STOPPED


def _tour(store: Store, seeds: list[int], legs: list[str], arguments: argparse.Namespace) -> int:
    def on_start(leg: Leg, recipe: Recipe) -> None:
        started = say("tour.started", system_locale(), seed=recipe.seed, stage=leg.name, steps=recipe.steps)
        print(started, file=sys.stderr, flush=True)

    split = MeasuredOn(arguments.split)
    stages = list(tour(store, seeds, legs=legs, samples=arguments.samples, split=split, on_start=on_start))
    if arguments.json:
        print_json([asdict(stage) for stage in stages])
        return 0
    print_table(heads("tour", *HEAD), [_row(stage, system_locale()) for stage in stages], right=range(2, len(HEAD)))
    print()
    for line in [*_summary(stages, system_locale()), *_idle(stages, system_locale())]:
        print(line)
    return 0


def _row(stage: Stage, locale: str) -> tuple[object, ...]:
    result: dict[str, Any] = stage.result
    return (
        stage.seed,
        stage.leg,
        f"{stage.seconds:.1f} s",
        _figure(stage.measured("before", "pass_at_1"), ".3f"),
        measured_share(stage.result["after"] or {}, "pass_at_1", locale) or "–",
        _figure(stage.gain, "+.3f"),
        _figure(stage.measured("before", "reward"), ".2f"),
        _figure(stage.measured("after", "reward"), ".2f"),
        _figure(result["kl_from_start"], ".2f"),
        result["tokens_generated"],
        result["tokens_trained"],
        stage.bases,
        len(stage.roles),
        f"{result['peak_memory_bytes'] / 1e6:.0f} MB",
    )


def _idle(stages: list[Stage], locale: str) -> list[str]:
    """A sentence for each run that changed nothing, though it took its steps."""
    idle = [stage for stage in stages if stage.result.get("weights_changed") is False]
    return [
        f"{stage.leg} ({stage.seed}): {say('note.weights_unchanged', locale, steps=stage.result['steps'])}"
        for stage in idle
    ]


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _summary(stages: list[Stage], locale: str) -> list[str]:
    """One line a seed for SFT and GRPO together, and one line for each preset over the seeds."""
    lines = []
    for seed in dict.fromkeys(stage.seed for stage in stages):
        by_leg = {stage.leg: stage for stage in stages if stage.seed == seed}
        if {"sft", "grpo"} <= by_leg.keys():
            first, last = (
                by_leg["sft"].measured("before", "pass_at_1"),
                by_leg["grpo"].measured("after", "pass_at_1"),
            )
            seconds = by_leg["sft"].seconds + by_leg["grpo"].seconds
            figures = {"before": _figure(first, ".3f"), "after": _figure(last, ".3f")}
            lines.append(say("tour.together", locale, seed=seed, seconds=seconds, **figures))
    for leg in dict.fromkeys(stage.leg for stage in stages):
        stages_of_leg = [stage for stage in stages if stage.leg == leg]
        gains = [stage.gain for stage in stages_of_leg if stage.gain is not None]
        passed = [after for stage in stages_of_leg if (after := stage.measured("after", "pass_at_1")) is not None]
        if passed:
            # Pretraining starts from nothing, so what it took stands in the place of what it gained.
            longest = max(stage.seconds for stage in stages_of_leg)
            rest = (
                say("tour.least_gain", locale, gain=min(gains))
                if gains
                else say("tour.longest", locale, seconds=longest)
            )
            lines.append(say("tour.median", locale, stage=leg, median=statistics.median(passed), rest=rest))
            continue
        names = sorted(name for name in stages_of_leg[0].result["after"] if "accuracy" in name)
        worst = min(stages_of_leg, key=lambda stage: stage.measured("after", "pair_accuracy") or 0.0)
        rested = measured_share(worst.result["after"], "pair_accuracy", locale)
        least = {name: min(stage.measured("after", name) or 0.0 for stage in stages_of_leg) for name in names}
        parts = [f"{name} {value:.3f}" for name, value in least.items() if name != "pair_accuracy"]
        least_parts = say("tour.comma", locale).join([f"pair_accuracy {rested}", *parts] if rested else parts)
        lines.append(say("tour.least", locale, stage=leg, parts=least_parts))
    return lines

"""``python -m lab tour``: train the chain on the tiny model, and print what each algorithm moved."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.commands.shared import add_home, add_json, open_store, print_json, print_table
from lab.core.recipes import Recipe
from lab.runs.tour import Stage, tour
from lab.store.runs import Store

HELP = "train every algorithm of the chain on the tiny model and print what each one moved"
EXAMPLES = """\
examples:
  python -m lab tour                      three seeds, in a home that is thrown away
  python -m lab tour --seeds 1 --home DIR keep the runs, to look at them in the page
"""
HEAD = (
    "seed",
    "stage",
    "time",
    "pass@1 before",
    "after",
    "gain",
    "reward before",
    "after",
    "KL",
    "generated",
    "trained",
    "memory",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Seeds, samples, home."""
    parser.add_argument("--seeds", default="1,2,3", metavar="1,2,3", help="one chain for each (default: 1,2,3)")
    parser.add_argument(
        "--samples", type=int, default=1024, metavar="N", help="held-out completions a measurement (1024)"
    )
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0 when every stage finished."""
    try:
        seeds = [int(text) for text in arguments.seeds.split(",")]
    except ValueError:
        print(f"--seeds {arguments.seeds}: give whole numbers with commas between, as in 1,2,3", file=sys.stderr)
        return 2
    if arguments.home:
        return _tour(open_store(arguments), seeds, arguments)
    with tempfile.TemporaryDirectory(prefix="lab-tour-") as home:
        return _tour(Store(Path(home)), seeds, arguments)


def _tour(store: Store, seeds: list[int], arguments: argparse.Namespace) -> int:
    def on_start(recipe: Recipe) -> None:
        print(
            f"seed {recipe.seed}: {recipe.name or recipe.algorithm}, {recipe.steps} steps …",
            file=sys.stderr,
            flush=True,
        )

    stages = list(tour(store, seeds, samples=arguments.samples, on_start=on_start))
    if arguments.json:
        print_json([asdict(stage) for stage in stages])
        return 0
    print_table(HEAD, [_row(stage) for stage in stages], right=range(2, len(HEAD)))
    print()
    for line in _summary(stages):
        print(line)
    return 0


def _row(stage: Stage) -> tuple[object, ...]:
    result: dict[str, Any] = stage.result
    before, after = result["before"], result["after"]
    return (
        stage.seed,
        stage.preset,
        f"{stage.seconds:.1f} s",
        f"{before['pass_at_1']:.3f}",
        f"{after['pass_at_1']:.3f}",
        f"{stage.gain:+.3f}",
        f"{before['reward']:.2f}",
        f"{after['reward']:.2f}",
        f"{result['kl_from_start']:.2f}",
        result["tokens_generated"],
        result["tokens_trained"],
        f"{result['peak_memory_bytes'] / 1e6:.0f} MB",
    )


def _summary(stages: list[Stage]) -> list[str]:
    """One line a seed for the whole chain, and one line for each preset over the seeds."""
    lines = []
    for seed in dict.fromkeys(stage.seed for stage in stages):
        chain = [stage for stage in stages if stage.seed == seed]
        first, last = chain[0].result["before"]["pass_at_1"], chain[-1].result["after"]["pass_at_1"]
        seconds = sum(stage.seconds for stage in chain)
        lines.append(
            f"seed {seed}: the chain took {seconds:.1f} s; pass@1 {first:.3f} → {last:.3f} ({last - first:+.3f})"
        )
    for preset in dict.fromkeys(stage.preset for stage in stages):
        of = [stage for stage in stages if stage.preset == preset]
        after = statistics.median(stage.result["after"]["pass_at_1"] for stage in of)
        lines.append(f"{preset}: median pass@1 after {after:.3f}, least gain {min(stage.gain for stage in of):+.3f}")
    return lines

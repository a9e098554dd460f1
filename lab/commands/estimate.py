"""``python -m lab estimate PRESET``: what a recipe will cost in memory and time, before it starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import add_recipe, chosen_recipe, explained, open_store
from lab.commands.printing import print_json, print_table
from lab.core.budget import Alternative, Estimate, MemoryPart
from lab.core.recipes import Recipe
from lab.core.run_time import RunTime
from lab.errors import InputError
from lab.runs.estimate import estimate
from lab.runs.run_time import run_time
from lab.words import say, size_text, system_locale, with_mend
from lab.words.cost import cost, cost_change, how_long, part_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PRESET, what changes it, and a shape in the model's place."""
    add_recipe(parser)
    parser.add_argument("--shape", type=Path, metavar="CONFIG.json", help=explained("estimate.shape"))


def run(arguments: argparse.Namespace) -> int:
    """0, whether it fits or not: the answer is what was asked for."""
    recipe = chosen_recipe(arguments)
    if arguments.shape is not None and not arguments.shape.is_file():
        raise InputError("shape_missing", path=arguments.shape)
    home = open_store(arguments).home
    estimated = estimate(recipe, home, shape=arguments.shape)
    seconds = run_time(recipe, home.absolute()) if arguments.shape is None and estimated.fits else None
    if arguments.json:
        print_json(as_json(estimated) | {"time": time_json(seconds, recipe)})
        return 0
    _print(estimated)
    if seconds is not None:
        print(how_long(seconds, recipe, system_locale()))
    return 0


def time_json(measured: RunTime | None, recipe: Recipe) -> dict[str, object] | None:
    """The measured parts, and what follows from them; None where nothing could be timed."""
    if measured is None:
        return None
    total = measured.total(recipe)
    return {
        **measured.model_dump(),
        "seconds": total,
        "low": total / measured.factor,
        "high": total * measured.factor,
    }


def as_json(estimated: Estimate) -> dict[str, object]:
    """Everything, with what follows from it."""
    mend, together = estimated.mend, estimated.together
    return {
        "peak_bytes": estimated.cost.peak,
        "stage": estimated.cost.peak_stage.stage.value,
        "parts": {part.value: size for part, size in estimated.cost.peak_stage.parts.items()},
        "stages": {
            stage.stage.value: {part.value: size for part, size in stage.parts.items()}
            for stage in estimated.cost.stages
        },
        "lengths": estimated.cost.lengths.model_dump(),
        "parameters": estimated.cost.parameters,
        "trained_parameters": estimated.cost.trained_parameters,
        "device": estimated.memory.device,
        "free_bytes": estimated.memory.free,
        "libraries_bytes": estimated.memory.libraries,
        "need_bytes": estimated.need,
        "fits": estimated.fits,
        "notes": estimated.notes,
        "mend": _change(estimated, mend) if mend else None,
        "alternatives": [_change(estimated, other) for other in estimated.alternatives],
        "together": _change(estimated, together) if together else None,
    }


def _change(estimated: Estimate, other: Alternative) -> dict[str, object]:
    return {"changes": other.changes, "peak_bytes": other.peak, "fits": estimated.would_fit(other)}


def _print(estimated: Estimate) -> None:
    locale = system_locale()
    stages = estimated.cost.stages
    rows = []
    for part in MemoryPart:
        if any(part in stage.parts for stage in stages):
            sizes = [size_text(stage.parts[part]) if part in stage.parts else "" for stage in stages]
            rows.append([part_name(part, locale), *sizes])
    rows.append([say("estimate.together", locale), *(size_text(stage.total) for stage in stages)])
    heads = [say(f"estimate.stage_{stage.stage.value}", locale) for stage in stages]
    print_table([say("estimate.part", locale), *heads], rows, right=tuple(range(1, len(stages) + 1)))
    print()
    print(say("estimate.made_for", locale, **_made_for(estimated)))
    print(cost(estimated, locale))
    if estimated.alternatives:
        print()
        everything = [*estimated.alternatives, *([estimated.together] if estimated.together else [])]
        shown = [
            [cost_change(other, locale), size_text(other.peak), "✓" if estimated.would_fit(other) else "✕"]
            for other in sorted(everything, key=lambda other: -other.peak)
        ]
        print_table([say("estimate.change", locale), say("estimate.peak", locale), ""], shown, right=(1,))
    for note in estimated.notes:
        print(with_mend(note, locale))


def _made_for(estimated: Estimate) -> dict[str, object]:
    lengths = estimated.cost.lengths
    return {
        "parameters": f"{estimated.cost.parameters / 1e6:.4g} M",
        "trained": f"{estimated.cost.trained_parameters / 1e6:.3g} M",
        "rows": lengths.rows,
        "prompt": lengths.prompt,
        "completion": lengths.completion,
    }

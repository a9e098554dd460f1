"""``python -m lab estimate PRESET``: what a recipe will cost in memory and time, before it starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.arguments import add_home, add_json, add_recipe, chosen_recipe, open_store
from lab.commands.printing import print_json, print_table
from lab.core.budget import Alternative, Estimate, MemoryPart
from lab.core.recipes import Recipe
from lab.core.run_time import RunTime
from lab.errors import InputError
from lab.runs.estimate import estimate
from lab.runs.run_time import run_time
from lab.words import say, size_text, system_locale, with_mend
from lab.words.cost import cost, cost_change, how_long, part_name

HELP = "tell what a recipe will cost in memory, by part, and in time, and what would help where it does not fit"
EXAMPLES = """\
examples:
  python -m lab estimate tiny/grpo
  python -m lab estimate smollm2-135m/ppo --set micro_batch_size=2
  python -m lab estimate smollm2-135m/sft --shape their-model/config.json    (a model of which only the shape is here)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PRESET, what changes it, and a shape in the model's place."""
    add_recipe(parser)
    parser.add_argument(
        "--shape", type=Path, metavar="CONFIG.json", help="estimate for a model of this shape; no weights are needed"
    )
    add_home(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """0, whether it fits or not: the answer is what was asked for."""
    recipe = chosen_recipe(arguments)
    if arguments.shape is not None and not arguments.shape.is_file():
        raise InputError("shape_missing", path=arguments.shape)
    home = open_store(arguments).home
    found = estimate(recipe, home, shape=arguments.shape)
    seconds = run_time(recipe, home.absolute()) if arguments.shape is None and found.fits else None
    if arguments.json:
        print_json(as_json(found) | {"time": time_json(seconds, recipe)})
        return 0
    _print(found)
    if seconds is not None:
        print(how_long(seconds, recipe, system_locale()))
    return 0


def time_json(found: RunTime | None, recipe: Recipe) -> dict[str, object] | None:
    """The measured parts, and what follows from them; None where nothing could be timed."""
    if found is None:
        return None
    total = found.total(recipe)
    return {**found.model_dump(), "seconds": total, "low": total / found.factor, "high": total * found.factor}


def as_json(found: Estimate) -> dict[str, object]:
    """Everything, with what follows from it."""
    mend, together = found.mend, found.together
    return {
        "peak_bytes": found.cost.peak,
        "stage": found.cost.dearest.stage.value,
        "parts": {part.value: size for part, size in found.cost.dearest.parts.items()},
        "stages": {
            one.stage.value: {part.value: size for part, size in one.parts.items()} for one in found.cost.stages
        },
        "lengths": found.cost.lengths.model_dump(),
        "parameters": found.cost.parameters,
        "trained_parameters": found.cost.trained_parameters,
        "device": found.memory.device,
        "free_bytes": found.memory.free,
        "libraries_bytes": found.memory.libraries,
        "need_bytes": found.need,
        "fits": found.fits,
        "notes": found.notes,
        "mend": _change(found, mend) if mend else None,
        "alternatives": [_change(found, other) for other in found.alternatives],
        "together": _change(found, together) if together else None,
    }


def _change(found: Estimate, other: Alternative) -> dict[str, object]:
    return {"changes": other.changes, "peak_bytes": other.peak, "fits": found.would_fit(other)}


def _print(found: Estimate) -> None:
    locale = system_locale()
    stages = found.cost.stages
    rows = []
    for part in MemoryPart:
        if any(part in stage.parts for stage in stages):
            sizes = [size_text(stage.parts[part]) if part in stage.parts else "" for stage in stages]
            rows.append([part_name(part, locale), *sizes])
    rows.append([say("estimate.together", locale), *(size_text(stage.total) for stage in stages)])
    heads = [say(f"estimate.stage_{stage.stage.value}", locale) for stage in stages]
    print_table([say("estimate.part", locale), *heads], rows, right=tuple(range(1, len(stages) + 1)))
    print()
    print(say("estimate.made_for", locale, **_made_for(found)))
    print(cost(found, locale))
    if found.alternatives:
        print()
        everything = [*found.alternatives, *([found.together] if found.together else [])]
        shown = [
            [cost_change(other, locale), size_text(other.peak), "✓" if found.would_fit(other) else "✕"]
            for other in sorted(everything, key=lambda other: -other.peak)
        ]
        print_table([say("estimate.change", locale), say("estimate.peak", locale), ""], shown, right=(1,))
    for note in found.notes:
        print(with_mend(note, locale))


def _made_for(found: Estimate) -> dict[str, object]:
    lengths = found.cost.lengths
    return {
        "parameters": f"{found.cost.parameters / 1e6:.4g} M",
        "trained": f"{found.cost.trained_parameters / 1e6:.3g} M",
        "rows": lengths.rows,
        "prompt": lengths.prompt,
        "completion": lengths.completion,
    }

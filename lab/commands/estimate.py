"""``python -m lab estimate PRESET``: what a recipe will cost in memory, before it starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.commands.shared import add_home, add_json, open_store, print_json, print_table
from lab.commands.train import add_recipe, chosen_recipe
from lab.core.budget import Alternative, Estimate, MemoryPart
from lab.errors import InputError
from lab.runs.estimate import estimate
from lab.runs.watch import size_text
from lab.words import say, system_locale
from lab.words.cost import cost, cost_change, part_name

HELP = "tell what a recipe will cost in memory, by part, and what would help where it does not fit"
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
    found = estimate(recipe, open_store(arguments).home, shape=arguments.shape)
    if arguments.json:
        print_json(as_json(found))
        return 0
    _print(found)
    return 0


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


def _made_for(found: Estimate) -> dict[str, object]:
    lengths = found.cost.lengths
    return {
        "parameters": f"{found.cost.parameters / 1e6:.4g} M",
        "trained": f"{found.cost.trained_parameters / 1e6:.3g} M",
        "rows": lengths.rows,
        "prompt": lengths.prompt,
        "completion": lengths.completion,
    }

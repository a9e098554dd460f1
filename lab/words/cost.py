"""What a recipe will cost, in a sentence: the peak, what is free, and the setting that would help most. Figures are core's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.core.budget import Alternative, Estimate, MemoryPart
from lab.core.recipes import RECIPES, Recipe
from lab.core.run_time import RunTime
from lab.words import say, size_text
from lab.words.form import fields

SHOWN = 3
"""Parts that the page names; the command shows them all."""


def cost(estimate: Estimate, language: str) -> str:
    """Whether it fits, and if not, what would help."""
    known = {
        "peak": size_text(estimate.cost.peak),
        "need": size_text(estimate.need),
        "free": size_text(estimate.memory.free),
        "device": estimate.memory.device.upper(),
    }
    key = "fits" if estimate.fits else "does_not_fit"
    first = say(f"estimate.{key}{'_with_libraries' if estimate.memory.libraries else ''}", language, **known)
    return first if estimate.fits else " ".join([first, *_mends(estimate, language)])


def how_long(run_time: RunTime, recipe: Recipe, language: str) -> str:
    """How long a run will take, from its measured parts: between which bounds, and what a step takes."""
    total = run_time.total(recipe)
    bounds = {"low": spell(total / run_time.factor, language), "high": spell(total * run_time.factor, language)}
    key = "time_scaled" if run_time.scaled else "time"
    return say(
        f"estimate.{key}", language, **bounds, step=spell(run_time.step, language), factor=f"{run_time.factor:g}"
    )


def spell(seconds: float, language: str) -> str:
    """Seconds in the two largest units that they fill: ``1 h 5 min``, ``40 s``, ``0.25 s``."""
    if seconds < 10:
        return say("estimate.seconds", language, n=f"{seconds:.2g}")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    filled = [("hours", hours), ("minutes", minutes), ("seconds", 0 if hours else rest)]
    return " ".join(say(f"estimate.{unit}", language, n=count) for unit, count in filled if count)


def parts(estimate: Estimate, language: str) -> str:
    """The largest parts of the peak, and the stage that has it."""
    peak = estimate.cost.peak_stage
    ordered = sorted(peak.parts.items(), key=lambda item: -item[1])
    shown = [f"{part_name(part, language)} {size_text(size)}" for part, size in ordered[:SHOWN]]
    stage = say(f"estimate.stage_{peak.stage.value}", language)
    return say("estimate.mostly", language, stage=stage, parts=say("estimate.list", language).join(shown))


def part_name(part: MemoryPart, language: str) -> str:
    """A part as a person reads it."""
    return say(f"estimate.{part.value}", language)


def cost_change(other: Alternative, language: str) -> str:
    """The settings of an alternative, by the names that they have in the form."""
    known = {field.path: field.words["label"][language] for name in RECIPES for field in fields(name)}
    return say("estimate.list", language).join(
        f"{known.get(path, path)} = {str(value).lower() if isinstance(value, bool) else value}"
        for path, value in other.changes.items()
    )


def _mends(estimate: Estimate, language: str) -> list[str]:
    mend, together = estimate.mend, estimate.together
    if mend is None:
        return [say("estimate.nothing_helps", language)]
    sentences = [_mend("helps_and_fits" if estimate.would_fit(mend) else "helps", mend, language)]
    if not estimate.would_fit(mend) and together is not None:
        sentences.append(
            _mend("together_fits" if estimate.would_fit(together) else "together_does_not_fit", together, language)
        )
    return sentences


def _mend(key: str, other: Alternative, language: str) -> str:
    return say(f"estimate.{key}", language, change=cost_change(other, language), peak=size_text(other.peak))


def step_time_line(time: Mapping[str, Any], locale: str) -> str:
    """``{"seconds", "parts": {part: share}}`` (``lab/core/step_time.py``) with the largest part first; what is under half a percent is left out."""
    largest_first = sorted(time["parts"].items(), key=lambda item: -item[1])
    parts = _shares([(name, share) for name, share in largest_first if share >= 0.005], locale)
    line = say("step_time.line", locale, seconds=f"{time['seconds']:.3g}", parts=parts)
    return f"{line}\n{roofline_line(found, locale)}" if (found := time.get("roofline")) else line


def roofline_line(found: Mapping[str, Any], locale: str) -> str:
    """What the parts reach of what the machine can do (``lab/core/roofline.py``)."""
    rates = {"gflops": f"{found['flops'] / 1e9:,.0f}", "gigabytes": f"{found['bytes'] / 1e9:,.0f}"}
    parts = _shares(found["parts"].items(), locale)
    return say("step_time.roofline", locale, parts=parts, format=found["format"], **rates)


def _shares(parts: Iterable[tuple[str, float]], locale: str) -> str:
    return say("step_time.between", locale).join(
        say("step_time.part", locale, name=say(f"step_time.{name}", locale), share=round(100 * share))
        for name, share in parts
    )

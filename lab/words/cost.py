"""What a recipe will cost, in a sentence: the peak, what is free, and the setting that would help most. Figures are core's."""

from __future__ import annotations

from lab.core.budget import Alternative, Estimate, MemoryPart
from lab.core.recipes import RECIPES
from lab.runs.watch import size_text
from lab.words import say
from lab.words.form import fields

SHOWN = 3
"""Parts that the page names; the command shows them all."""


def cost(found: Estimate, language: str) -> str:
    """Whether it fits, and if not, what would help."""
    known = {
        "peak": size_text(found.cost.peak),
        "need": size_text(found.need),
        "free": size_text(found.memory.free),
        "device": found.memory.device.upper(),
    }
    key = "fits" if found.fits else "does_not_fit"
    first = say(f"estimate.{key}{'_with_libraries' if found.memory.libraries else ''}", language, **known)
    return first if found.fits else " ".join([first, *_mends(found, language)])


def parts(found: Estimate, language: str) -> str:
    """The dearest parts of the peak, and the stage that has it."""
    dearest = found.cost.dearest
    ordered = sorted(dearest.parts.items(), key=lambda item: -item[1])
    shown = [f"{part_name(part, language)} {size_text(size)}" for part, size in ordered[:SHOWN]]
    stage = say(f"estimate.stage_{dearest.stage.value}", language)
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


def _mends(found: Estimate, language: str) -> list[str]:
    mend, together = found.mend, found.together
    if mend is None:
        return [say("estimate.nothing_helps", language)]
    said = [_mend("helps_and_fits" if found.would_fit(mend) else "helps", mend, language)]
    if not found.would_fit(mend) and together is not None:
        said.append(
            _mend("together_fits" if found.would_fit(together) else "together_does_not_fit", together, language)
        )
    return said


def _mend(key: str, other: Alternative, language: str) -> str:
    return say(f"estimate.{key}", language, change=cost_change(other, language), peak=size_text(other.peak))

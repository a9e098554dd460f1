"""A recipe's field: its default, bounds, label and help in both languages, and the section of the form that it stands in."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails, PydanticCustomError

from lab.errors import RecipeError


class Section(StrEnum):
    """Where a field stands in the form, in this order."""

    WHAT = "what"
    GROUP = "group"
    OPTIMISER = "optimiser"
    LENGTHS = "lengths"
    ADAPTER = "adapter"
    MEASURE = "measure"
    MACHINE = "machine"


def setting(
    default: Any,
    section: Section,
    en: tuple[str, str],
    zh: tuple[str, str],
    *,
    advanced: bool = False,
    between: tuple[float, float] | None = None,
    **bounds: Any,
) -> Any:
    """A field with its label and help text in both languages. Bounds: ``between`` both inclusive, others as pydantic has them (gt, lt, …)."""
    if between is not None:
        bounds |= {"ge": between[0], "le": between[1]}
    extra: dict[str, Any] = {
        "section": section.value,
        "label": {"en": en[0], "zh": zh[0]},
        "help": {"en": en[1], "zh": zh[1]},
        "advanced": advanced,
    }
    return Field(default, description=en[1], json_schema_extra=extra, **bounds)


def batch(default: int, en: str, zh: str) -> Any:
    """How many rows one optimiser step takes; they are named in both languages."""
    words = ("Batch", f"{en} in one optimiser step."), ("批大小", f"每步优化用多少{zh}。")
    return setting(default, Section.OPTIMISER, *words, between=(1, 4096))


def micro_batch_at_most(default: int, en: str, zh: str, most: int = 4096) -> Any:
    """How many rows go through the model at once; they are named in both languages."""
    told = f"At most so many {en} in one forward and backward pass; smaller needs less memory."
    words = ("Micro-batch", told), ("微批大小", f"一次前向与反向最多多少{zh}；越小越省内存。")
    return setting(default, Section.MACHINE, *words, advanced=True, between=(1, most))


def token_room() -> Any:
    """How many megabytes of a run's folder the numbers of single tokens may take (``tokens.jsonl``)."""
    return setting(
        8.0,
        Section.MEASURE,
        (
            "Tokens kept (MB)",
            "Room in the run's folder for log π, entropy and share of single tokens, of groups or pairs chosen at random. 0 keeps none.",
        ),
        (
            "保存词元数据（MB）",
            "运行文件夹中用于保存逐词元 log π、熵和份额的空间；所保存的组或偏好对随机选取。0 表示不保存。",
        ),
        advanced=True,
        between=(0, 1024),
    )


def other_default(model: type[BaseModel], name: str, default: Any) -> Any:
    """The same field, words and bounds as ``model`` has, with another default."""
    field = copy(model.model_fields[name])
    field.default = default
    return field


class Strict(BaseModel):
    """Frozen; an unknown key, NaN or an infinity is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


def dotted(place: tuple[int | str, ...]) -> str:
    """A place within values as it is typed: ``threshold.kind``."""
    return ".".join(map(str, place))


def first_wrong(problem: ErrorDetails, otherwise: str = "") -> dict[str, str]:
    """The field, the value and the reason of a pydantic error, as our errors name them; ``otherwise`` stands for the whole."""
    return {"field": dotted(problem["loc"]) or otherwise, "value": repr(problem["input"])[:80], "why": problem["msg"]}


def first_problem(
    problem: ErrorDetails, what: str, source: str, unknown: Callable[[tuple[int | str, ...]], RecipeError]
) -> RecipeError:
    """What is wrong with a file of a kind (``recipe``, ``study``), as an error whose key begins with the kind's name."""
    if problem["type"].startswith(f"{what}_"):
        context = {name: value for name, value in problem.get("ctx", {}).items() if name != "error"}
        return RecipeError(problem["type"], source=source, **context)
    if problem["type"] == "extra_forbidden":
        return unknown(problem["loc"])
    wrong = first_wrong(problem)
    wrong["why"] = wrong["why"][0].lower() + wrong["why"][1:]
    return RecipeError(f"{what}_value", source=source, **wrong)


def check_multiple(name: str, value: int, of: str, unit: int) -> None:
    """Raise where ``value`` is no multiple of ``unit``; the error names the two nearest that are."""
    if value % unit:
        below = max(unit, value // unit * unit)
        context = {
            "field": name,
            "value": value,
            "of": of,
            "unit": unit,
            "below": below,
            "above": (value // unit + 1) * unit,
        }
        raise PydanticCustomError("recipe_not_a_multiple", "{field} is no multiple of {of}", context)


def micro_batch(batch_size: int, at_most: int) -> int:
    """The largest divisor of the batch that is not above ``at_most``."""
    return max(size for size in range(1, min(batch_size, at_most) + 1) if batch_size % size == 0)


def snap_to_multiple(value: int, unit: int) -> int:
    """The multiple of ``unit`` nearest to ``value``, at least one of it: how the form keeps the batch valid."""
    return max(unit, round(value / unit) * unit)

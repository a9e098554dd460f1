"""What a job asks for: one pydantic model a kind, with its bounds. Everything that comes from a browser or a command passes here.

Not here: where a job lies (``lab/store/jobs.py``), when it runs (``lab/runs/jobs.py``) and how (``lab/training/worker/jobs.py``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from lab.core.chats import ChatSpec, ChatTurn, LoadSettings, validated
from lab.core.out_jobs import EjectSpec, OutSpec
from lab.core.recipes import Recipe, SampledRecipe, parse
from lab.core.recipes.fields import Strict
from lab.errors import InputError, RecipeError

MOST_COMPLETIONS = 16_384
"""In one job, which occupies the machine and cannot be resumed."""
MOST_PROMPTS = 2_048
PREFLIGHT_PROMPTS, PREFLIGHT_SECONDS = 128, 60.0
"""Defaults of a pre-flight. 128 groups put the share without spread within ±9 points, 32 within ±17 (95 %)."""
LONGEST_TEXT = 32_768
"""Characters of a prompt."""


class Kind(StrEnum):
    """What a job does."""

    SAMPLE = "sample"
    """Completions of prompts by a model."""
    PREFLIGHT = "preflight"
    """Would a recipe's rules teach its start model anything?"""
    SCORE = "score"
    """What a reward model gives the responses that people judged."""
    OUT = "out"
    """A run's model, written as others read it."""
    EJECT = "eject"
    """A run as a script that needs no lab."""
    CHAT = "chat"
    """Models that stand ready and answer what is asked of them, until nobody asks."""


class Part(StrEnum):
    """The part of a dataset that prompts are taken from; of the equations, never the held-out ones that results are reported on."""

    TRAIN = "train"
    VALIDATION = "validation"


class Asked(Strict):
    """A prompt, and its right answer where it is known. Of a conversation, ``turns`` has all of it and ``prompt`` the last words."""

    prompt: str = Field(min_length=1, max_length=LONGEST_TEXT)
    answer: str | None = Field(None, max_length=LONGEST_TEXT)
    turns: tuple[ChatTurn, ...] = Field((), max_length=200)


def _asked(value: object) -> object:
    """A bare text is a prompt without an answer."""
    return {"prompt": value} if isinstance(value, str) else value


class SampleSpec(LoadSettings):
    """Sample ``completions`` of each prompt: of the prompts given, or of ``count`` from a dataset (the same ones for the same seed)."""

    model: str = Field("tiny", min_length=1, max_length=400)
    prompts: tuple[Annotated[Asked, BeforeValidator(_asked)], ...] = Field((), max_length=MOST_PROMPTS)
    dataset: str = Field("", max_length=400)
    count: int = Field(16, ge=1, le=MOST_PROMPTS)
    part: Part = Part.TRAIN
    completions: int = Field(4, ge=1, le=256)
    temperature: float = Field(1.0, gt=0, le=5)
    max_completion_length: int = Field(40, ge=1, le=32_768)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    batch_size: int = Field(64, ge=1, le=1024)

    @model_validator(mode="after")
    def _prompts_from_one_place(self) -> SampleSpec:
        if bool(self.prompts) == bool(self.dataset):
            raise PydanticCustomError("job_prompts", "give either prompts or a dataset", {})
        _bounded(self.total)
        return self

    @property
    def total(self) -> int:
        """Completions in all."""
        return (len(self.prompts) or self.count) * self.completions


class PreflightSpec(Strict):
    """Sample a recipe's start model on the first prompts that its run would ask, and score what it writes by the recipe's rules.

    Without ``prompts``, PREFLIGHT_PROMPTS are sampled, or fewer when PREFLIGHT_SECONDS are over. Where ``collection`` is named, the rules
    are also compared with the people who judged it; as with ScoreSpec, its texts stay in the database.
    """

    recipe: dict[str, Any]
    prompts: int | None = Field(None, ge=1, le=MOST_PROMPTS)
    collection: str = Field("", max_length=64)

    @model_validator(mode="before")
    @classmethod
    def _as_once_written(cls, values: Any) -> Any:
        """Jobs of earlier labs, which are still listed, hold an empty ``judged``."""
        if isinstance(values, dict) and values.get("judged") == []:
            return {name: value for name, value in values.items() if name != "judged"}
        return values

    @model_validator(mode="after")
    def _recipe_samples(self) -> PreflightSpec:
        _bounded(self.total)
        return self

    def parsed(self) -> SampledRecipe:
        """The recipe. Raises RecipeError where it does not validate or rewards nothing."""
        recipe = parse(self.recipe)
        if not isinstance(recipe, SampledRecipe):
            raise RecipeError("preflight_algorithm", value=recipe.algorithm)
        return recipe

    @property
    def model(self) -> str:
        """The start model."""
        return self.parsed().model

    @property
    def total(self) -> int:
        """Completions in all."""
        return (self.prompts or PREFLIGHT_PROMPTS) * self.parsed().group_size


class ScoreSpec(Strict):
    """Score both responses of every pair of a collection that people decided. The texts stay in the database, because people who
    may see jobs may still have to judge them."""

    reward_model: str = Field(min_length=1, max_length=400)
    collection: str = Field(min_length=1, max_length=64)

    @property
    def model(self) -> str:
        """The reward model."""
        return self.reward_model

    @property
    def total(self) -> int:
        """Pairs in all: the worker counts them."""
        return 0


Spec = SampleSpec | PreflightSpec | ScoreSpec | OutSpec | EjectSpec | ChatSpec
SPECS: dict[Kind, type[Spec]] = {
    Kind.SAMPLE: SampleSpec,
    Kind.PREFLIGHT: PreflightSpec,
    Kind.SCORE: ScoreSpec,
    Kind.OUT: OutSpec,
    Kind.EJECT: EjectSpec,
    Kind.CHAT: ChatSpec,
}
"""One line a kind registers it."""


def kind_of(spec: Spec) -> Kind:
    """The kind of job that a spec asks for."""
    return next(kind for kind, model in SPECS.items() if isinstance(spec, model))


def preflight_of(recipe: Recipe, prompts: int | None = None, collection: str = "") -> PreflightSpec:
    """The pre-flight of a recipe. Raises LabError as ``parse_job`` does."""
    values = {"recipe": recipe.model_dump(mode="json"), "prompts": prompts, "collection": collection}
    spec = parse_job(Kind.PREFLIGHT, values)
    assert isinstance(spec, PreflightSpec)
    return spec


def parse_job(kind: str, values: dict[str, Any]) -> Spec:
    """A validated spec from plain values; InputError (the first thing wrong) where they do not fit."""
    if kind not in list(Kind):
        raise InputError("job_kind", value=str(kind)[:80], known=", ".join(Kind))
    return validated(SPECS[Kind(kind)], values, str(kind))


def _bounded(total: int) -> None:
    if total > MOST_COMPLETIONS:
        context = {"count": total, "most": MOST_COMPLETIONS}
        raise PydanticCustomError("job_too_many", "too many completions", context)

"""What the Learn tab asks a model: one pydantic model a question, with its bounds. Everything that comes from a browser passes here.

Not here: the process that answers (``lab/runs/lessons.py``) and what it computes (``lab/training/worker/lessons.py``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from lab.core.groups import ThresholdKind
from lab.core.recipes.fields import Strict, first_wrong
from lab.errors import InputError

MOST_ANSWERS = 8
"""Answers of one group: a question is answered while somebody waits."""
LONGEST = 200
"""Characters of a prompt or an answer."""
EPSILON, LEARNING_RATE = 0.2, 5e-4
"""The clip, and the step size, of the worked example."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("lesson_blank", "is blank", {})
    return text


Text = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_not_blank)]
Reward = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Warm(Strict):
    """Have the model loaded: the next question is answered at once."""

    kind: Literal["warm"] = "warm"


class Logps(Strict):
    """How likely the tiny model finds each answer now: log π_θ(y|x), token by token."""

    kind: Literal["logps"] = "logps"
    prompt: Text
    answers: tuple[Text, ...] = Field(min_length=1, max_length=MOST_ANSWERS)


class Step(Logps):
    """Optimiser steps of the worked example's loss on a copy of the tiny model; log π of every answer before and after."""

    kind: Literal["step"] = "step"  # type: ignore[assignment]
    rewards: tuple[Reward, ...] = Field(min_length=1, max_length=MOST_ANSWERS)
    threshold: ThresholdKind = ThresholdKind.ABOVE_MEAN
    fraction: float = Field(0.2, gt=0, le=1)
    scaled: bool = False
    steps: int = Field(1, ge=1, le=10)

    @model_validator(mode="after")
    def _a_reward_each(self) -> Step:
        if len(self.rewards) != len(self.answers):
            raise PydanticCustomError("lesson_rewards", "one reward for each answer", {})
        return self


class Prefer(Strict):
    """Optimiser steps of DPO's loss on one pair; log π and log π_ref of both answers."""

    kind: Literal["prefer"] = "prefer"
    prompt: Text
    chosen: Text
    rejected: Text
    beta: float = Field(0.1, gt=0, le=10)
    steps: int = Field(0, ge=0, le=20)


class Write(Strict):
    """The same questions to the empty, the pretrained and the fine-tuned tiny model: what each of them writes."""

    kind: Literal["write"] = "write"
    prompts: tuple[Text, ...] = Field(min_length=1, max_length=3)
    models: tuple[Literal["empty", "pretrained", "tuned"], ...] = Field(
        ("empty", "pretrained", "tuned"), min_length=1, max_length=3
    )
    completions: int = Field(4, ge=1, le=8)
    seed: int = Field(1, ge=0, le=2**31 - 1)


Question = Warm | Logps | Step | Prefer | Write
_QUESTION: TypeAdapter[Question] = TypeAdapter(Annotated[Question, Field(discriminator="kind")])


def parse_question(values: Any) -> Question:
    """A validated question from plain values; InputError ``lesson_value`` (the first thing wrong) where they do not fit."""
    try:
        return _QUESTION.validate_python(values)
    except ValidationError as error:
        raise InputError("lesson_value", **first_wrong(error.errors(include_url=False)[0], "kind")) from None

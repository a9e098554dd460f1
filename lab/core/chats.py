"""What a chat asks for: the models that stand ready, and one question to them. All of it comes from a browser or a command.

A chat is a job (``ChatSpec`` is its spec). While its worker lives, questions (``Ask``) are put to it one after the other, and an
answer can be stopped. Not here: where questions and answers are written (``lab/store/chats.py``), how they are answered
(``lab/training/worker/chat_job.py``).
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from lab.core.recipes import Device, Precision, RuleUse
from lab.core.recipes.fields import Strict, first_wrong
from lab.errors import InputError

MOST_MODELS = 3
"""Models that stand side by side."""
MOST_SAMPLES = 16
LONGEST_TURN = 32_768
"""Characters of one message."""
MOST_TURNS = 200
Asks = TypeVar("Asks", bound=Strict)
IDLE_SECONDS = 300.0
"""How long a worker waits for a question before it ends, unless somebody says otherwise."""


class Loaded(Strict):
    """How the models of a job are loaded."""

    device: Device = Device.AUTO
    precision: Precision = Precision.AUTO
    load_in_4bit: bool = False

    @property
    def four_bit_base(self) -> bool:
        """Whether the base is loaded in NF4, as a recipe says it."""
        return self.load_in_4bit


class LoadSettings(Loaded):
    """How one model is loaded: what ``lab/training/models/base.py`` asks of a recipe."""

    model: str = Field(min_length=1, max_length=400)


class ChatSpec(Loaded):
    """Hold up to three models ready to answer until nobody has asked anything for ``idle_seconds``.

    ``beside``: do not wait for the machine's slot but answer on the CPU, beside whatever holds it.
    """

    models: tuple[str, ...] = Field(min_length=1, max_length=MOST_MODELS)
    beside: bool = False
    idle_seconds: float = Field(IDLE_SECONDS, ge=1, le=24 * 3600)

    @model_validator(mode="after")
    def _beside_is_on_the_cpu(self) -> ChatSpec:
        if self.beside and self.device not in (Device.AUTO, Device.CPU):
            raise PydanticCustomError("chat_beside", "beside a run a chat uses the CPU", {"value": self.device.value})
        return self

    @property
    def model(self) -> str:
        """The first model."""
        return self.models[0]

    @property
    def total(self) -> int:
        """Completions in all: nobody knows how many will be asked for."""
        return 0

    def load_settings(self, model: str) -> LoadSettings:
        """How one of the models, or the base of one, is loaded."""
        device = Device.CPU if self.beside else self.device
        return LoadSettings(model=model, device=device, precision=self.precision, load_in_4bit=self.load_in_4bit)


class ChatTurn(Strict):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=LONGEST_TURN)


class LaneAsk(Strict):
    """What one model is asked: the whole conversation, which ends with the user's words."""

    lane: int = Field(ge=0, lt=MOST_MODELS)
    turns: tuple[ChatTurn, ...] = Field(min_length=1, max_length=MOST_TURNS)

    @model_validator(mode="after")
    def _ends_with_the_user(self) -> LaneAsk:
        if self.turns[-1].role != "user" or not self.turns[-1].content.strip():
            raise PydanticCustomError("chat_no_question", "a conversation ends with the user's words", {})
        return self

    def messages(self) -> list[dict[str, str]]:
        """The conversation as a chat template reads it."""
        return [turn.model_dump() for turn in self.turns]


class Ask(Strict):
    """One question to some of the models that stand ready; each writes ``samples`` completions.

    ``shared_seed``: all models draw with the same seed; else each with its own. ``temperature`` 0 takes the likeliest token each time.
    Completions are scored by ``rules``, or by ``reward_model``, where one of them is given; ``answer`` is the right one, for rules that ask.
    """

    id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    lanes: tuple[LaneAsk, ...] = Field(min_length=1, max_length=MOST_MODELS)
    samples: int = Field(1, ge=1, le=MOST_SAMPLES)
    temperature: float = Field(0.7, ge=0, le=5)
    max_tokens: int = Field(256, ge=1, le=32_768)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    shared_seed: bool = True
    rules: tuple[RuleUse, ...] = Field((), max_length=32)
    reward_model: str = Field("", max_length=400)
    answer: str | None = Field(None, max_length=LONGEST_TURN)

    @model_validator(mode="after")
    def _lanes_differ(self) -> Ask:
        numbers = [lane.lane for lane in self.lanes]
        if len(set(numbers)) != len(numbers):
            raise PydanticCustomError("chat_lane_twice", "a model is asked twice", {})
        if self.rules and self.reward_model:
            raise PydanticCustomError("chat_two_scores", "rules or a reward model, not both", {})
        return self

    def seed_of(self, lane: int) -> int:
        """The seed that a lane draws with."""
        return self.seed if self.shared_seed else (self.seed + 7919 * (lane + 1)) % 2**31


def parse_ask(values: dict[str, Any]) -> Ask:
    """A validated question. Raises InputError with the first thing that is wrong."""
    return validated(Ask, values, "ask")


def validated(model: type[Asks], values: dict[str, Any], whole: str) -> Asks:
    """Plain values as a model of a job; InputError (the first thing wrong) where they do not fit. ``whole`` stands for all of them."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        if problem["type"].startswith(("chat_", "job_")):
            raise InputError(problem["type"], **problem.get("ctx", {})) from None
        raise InputError("job_value", **first_wrong(problem, whole)) from None

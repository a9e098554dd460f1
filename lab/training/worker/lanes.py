"""The models of a chat: each a *lane*, and as many bases as differ. Models of one base hold one copy of its weights, whatever their number.

A lane is a base alone or an adapter on it; which of them acts is switched for each pass (``roles.acting_as``). Not here: how an answer
is drawn (``streaming.py``), what is asked (``chat_job.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from lab.core.chats import ChatSpec
from lab.data.turns import Prompt
from lab.store.models import ModelRef, reward_model_run
from lab.training.algorithms.rm import scores
from lab.training.models.base import checked, load_start, load_tokens
from lab.training.models.roles import REWARD, Roles
from lab.training.models.tokens import Tokens
from lab.training.worker.score_job import load_reward_model, recipe_of

ROWS_AT_ONCE = 16
"""Completions that a reward model reads together."""


@dataclass
class Trunk:
    """A base in memory, and the adapters on it."""

    place: Path
    model: Any
    adapters: dict[str, str] = field(default_factory=dict)
    """The folder of each adapter, and its name on the model."""
    reward: str = ""
    """The reward model whose adapter and head stand on it."""

    def adapter(self, folder: str) -> str:
        """The name of an adapter on this base; it is loaded where it is not there yet."""
        if folder not in self.adapters:
            name = f"lane{len(self.adapters)}"
            if isinstance(self.model, PeftModel):
                self.model.load_adapter(folder, adapter_name=name)
            else:
                self.model = PeftModel.from_pretrained(self.model, folder, adapter_name=name)
            self.model.requires_grad_(False).eval()
            self.adapters[folder] = name
        return self.adapters[folder]


@dataclass(frozen=True)
class Lane:
    """One model that answers."""

    name: str
    trunk: Trunk
    adapter: str | None
    tokens: Tokens


class Lanes:
    """The models of a chat, loaded once; and the reward models that score what they write, loaded when first asked for."""

    def __init__(self, spec: ChatSpec, home: Path) -> None:
        self._spec, self._home = spec, home
        self.trunks: list[Trunk] = []
        self.lanes = [self._lane(checked(model, home)) for model in spec.models]
        self._scorer: tuple[str, Any] | None = None

    @property
    def device(self) -> str:
        """The device that they compute on."""
        return str(self.trunks[0].model.device)

    @property
    def weights(self) -> int:
        """Bytes of all weights in memory, the adapters among them."""
        tensors = {
            parameter.data_ptr(): parameter.numel() * parameter.element_size()
            for trunk in self.trunks
            for parameter in trunk.model.parameters()
        }
        return sum(tensors.values())

    def scores(self, reward_model: str, texts: Sequence[tuple[Prompt, str]]) -> list[float]:
        """What a reward model gives each (prompt, completion). Raises ModelError where it is none.

        Where it is an adapter on a base that is here with adapters, it is put beside these; else it is loaded whole, one at a time.
        """
        ref = reward_model_run(reward_model, self._home)
        tokens = load_tokens(ref)
        trunk = next((trunk for trunk in self.trunks if self._can_stand_on(trunk, ref)), None)
        if trunk is not None and ref.adapter is not None:
            return self._on_trunk(trunk, reward_model, Path(ref.adapter), tokens, texts)
        if self._scorer is None or self._scorer[0] != reward_model:
            recipe = recipe_of(reward_model, self._home)
            device = self._spec.load_settings(reward_model).device
            recipe = recipe.model_copy(update={"device": device})
            self._scorer = (reward_model, load_reward_model(reward_model, recipe, self._home))
        return [float(score) for score in scores(self._scorer[1], tokens, texts, rows=ROWS_AT_ONCE)]

    def _can_stand_on(self, trunk: Trunk, ref: ModelRef) -> bool:
        return isinstance(trunk.model, PeftModel) and trunk.place == Path(ref.base).resolve()

    def _on_trunk(
        self, trunk: Trunk, reward_model: str, adapter: Path, tokens: Tokens, texts: Sequence[tuple[Prompt, str]]
    ) -> list[float]:
        roles = Roles(trunk.model)
        if trunk.reward != reward_model:
            if trunk.reward:
                trunk.model.delete_adapter(REWARD)
            roles.add_reward(adapter)
            trunk.reward = reward_model
        return [float(score) for score in roles.scores_of(tokens, texts, rows=ROWS_AT_ONCE)]

    def _lane(self, ref: ModelRef) -> Lane:
        place = Path(ref.base).resolve()
        trunk = next((trunk for trunk in self.trunks if trunk.place == place), None)
        if trunk is None:
            with torch.no_grad():
                trunk = Trunk(place, load_start(self._spec.load_settings(ref.base), self._home))
            self.trunks.append(trunk)
        adapter = trunk.adapter(ref.adapter) if ref.adapter is not None else None
        return Lane(ref.name, trunk, adapter, load_tokens(ref))

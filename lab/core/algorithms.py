"""The algorithms, one descriptor each. Other modules read its properties instead of comparing an algorithm's name.

What depends on the *settings* of a run (does this GRPO run need a reference?) is a property of its recipe. What follows from the
algorithm alone stands here: the form of its data, the head of its model, what it writes and measures, its charts. The update
itself is ``lab/training/algorithms/<name>.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.core.recipes import DpoRecipe, GrpoRecipe, PpoRecipe, PretrainRecipe, Recipe, RmRecipe, SftRecipe


class DataForm(StrEnum):
    """The rows that an algorithm trains on."""

    TEXTS = "texts"
    """Plain text that the lab makes; there are no rows to preview or to import."""
    DEMONSTRATIONS = "demonstrations"
    """``prompt, completion``: the completion is imitated."""
    PREFERENCES = "preferences"
    """``prompt, chosen, rejected``."""
    PROMPTS = "prompts"
    """``prompt``, with ``answer`` where it is known: the policy writes the completions."""

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """The columns of a row that follow its prompt; none where the model writes what follows."""
        known = {DataForm.DEMONSTRATIONS: ("completion",), DataForm.PREFERENCES: ("chosen", "rejected")}
        return known.get(self, ())


class Head(StrEnum):
    """What the model that is trained gives for each position."""

    NEXT_TOKEN = "next_token"
    """Logits over the vocabulary: a policy, which writes."""
    SCORE = "score"
    """One number: a reward model, which scores."""


class Divergence(StrEnum):
    """The sign by which a run of the algorithm is known to blow up, besides a loss that is no number."""

    CROSS_ENTROPY = "cross_entropy"
    """A loss above twice that of guessing."""
    LOG_RATIO = "log_ratio"
    """Chosen responses too far from the start, in nats a token (``max_log_ratio``)."""
    KL = "kl"
    """A policy too far from its start, in nats a token (``max_kl``)."""
    LOSS = "loss"
    """Nothing besides."""


TEXT_CHARTS = ("loss", "token_accuracy", "pass_at_1")
PAIR_CHARTS = (
    *("pass_at_1", "pair_accuracy", "accuracy", "margin", "reward_chosen", "reward_rejected", "length_bias"),
)


@dataclass(frozen=True)
class Algorithm:
    """One algorithm. A seventh is one more value of ``ALGORITHMS`` (docs/how-to/add-an-algorithm.md)."""

    name: str
    recipe: type[Recipe]
    data: DataForm
    charts: tuple[str, ...]
    """Metrics that get a chart, those that answer "does it learn" first; others follow by themselves."""
    head: Head = Head.NEXT_TOKEN
    divergence: Divergence = Divergence.LOSS
    starts_from_model: bool = True
    """False where training begins at random weights: there is nothing to resolve, compare with or measure a KL from."""
    writes_groups: bool = False
    """Whether its runs write ``groups.jsonl``."""
    writes_pairs: bool = False
    """Whether its runs write ``pairs.jsonl``, which is shown as groups of two."""
    needs_reward_model: bool = False
    """Whether a reward model is usually trained first; its stage is then a part of the chain."""
    has_critic: bool = False
    followed_by: str = ""
    """The algorithm that usually trains its model next, on problems with known answers. A reward model is not trained further: PPO is
    trained with it."""

    @property
    def writes_text(self) -> bool:
        """Whether what it trains can be sampled from, and be the start of another run."""
        return self.head is Head.NEXT_TOKEN

    @property
    def trains_on_pairs(self) -> bool:
        """Whether it reads preferences, whose two sides go through the model together."""
        return self.data is DataForm.PREFERENCES

    @property
    def has_group_baseline(self) -> bool:
        """Whether the mean reward of a prompt's group stands for a critic."""
        return self.writes_groups and not self.has_critic

    @property
    def measures_kl(self) -> bool:
        """Whether the distance from the start means anything."""
        return self.starts_from_model and self.writes_text


ALGORITHMS: dict[str, Algorithm] = {
    each.name: each
    for each in (
        Algorithm(
            "pretrain",
            PretrainRecipe,
            DataForm.TEXTS,
            TEXT_CHARTS,
            divergence=Divergence.CROSS_ENTROPY,
            starts_from_model=False,
            followed_by="sft",
        ),
        Algorithm(
            "sft",
            SftRecipe,
            DataForm.DEMONSTRATIONS,
            TEXT_CHARTS,
            divergence=Divergence.CROSS_ENTROPY,
            followed_by="grpo",
        ),
        Algorithm("rm", RmRecipe, DataForm.PREFERENCES, PAIR_CHARTS, head=Head.SCORE),
        Algorithm(
            "ppo",
            PpoRecipe,
            DataForm.PROMPTS,
            (
                *("reward", "pass_at_1", "agreement", "explained_variance", "value_loss", "kl", "clip_ratio"),
                *("entropy", "completion_tokens"),
            ),
            divergence=Divergence.KL,
            writes_groups=True,
            needs_reward_model=True,
            has_critic=True,
            followed_by="ppo",
        ),
        Algorithm(
            "dpo",
            DpoRecipe,
            DataForm.PREFERENCES,
            PAIR_CHARTS,
            divergence=Divergence.LOG_RATIO,
            writes_pairs=True,
            followed_by="grpo",
        ),
        Algorithm(
            "grpo",
            GrpoRecipe,
            DataForm.PROMPTS,
            (
                *("reward", "pass_at_1", "agreement", "kept_share", "no_spread_share", "reward_std", "kl"),
                *("clip_ratio", "entropy", "completion_tokens", "truncated_share"),
            ),
            divergence=Divergence.KL,
            writes_groups=True,
            followed_by="grpo",
        ),
    )
}
"""By name, in the order of the course."""


def algorithm_of(recipe: Recipe) -> Algorithm:
    """The descriptor of a recipe's algorithm."""
    return ALGORITHMS[recipe.algorithm]
